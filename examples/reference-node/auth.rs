//! Login and bearer tokens. Without a configured user every route is open.
//!
//! With one, the node's own peers get 401 from each other, as in the real database: heartbeats carry
//! no token. A test of the fallback to a node's own health needs exactly that.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::RngCore;
use serde::Deserialize;
use serde_json::json;

use crate::node::Node;

pub struct Auth {
    user: Option<(String, String)>,
    tokens: Mutex<BTreeSet<String>>,
}

#[derive(Deserialize)]
pub struct Login {
    username: String,
    password: String,
}

impl Auth {
    pub fn new(user: Option<(String, String)>) -> Self {
        Self {
            user,
            tokens: Mutex::default(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a token must not be guessable, and no test repeats one"
    )]
    fn log_in(&self, login: &Login) -> Option<String> {
        let (username, password) = self.user.as_ref()?;
        if login.username != *username || login.password != *password {
            return None;
        }
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let token = hex::encode(bytes);
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.clone());
        Some(token)
    }

    fn admits(&self, request: &Request) -> bool {
        let bearer = || {
            let value = request
                .headers()
                .get(header::AUTHORIZATION)?
                .to_str()
                .ok()?;
            value.strip_prefix("Bearer ")
        };
        self.user.is_none()
            || bearer().is_some_and(|token| {
                self.tokens
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .contains(token)
            })
    }
}

pub async fn log_in(State(node): State<Node>, Json(login): Json<Login>) -> Response {
    match node.auth.log_in(&login) {
        Some(token) => Json(json!({ "token": token })).into_response(),
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "Invalid username or password" })),
        )
            .into_response(),
    }
}

/// Lets a request through to the routes that need a login.
pub async fn require(State(node): State<Node>, request: Request, next: Next) -> Response {
    if node.auth.admits(&request) {
        next.run(request).await
    } else {
        (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "Missing or invalid token" })),
        )
            .into_response()
    }
}
