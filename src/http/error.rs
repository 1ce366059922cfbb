//! The one shape of an answer that is no success, and what unavailability looks like in it.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::kind::Kind;
use super::refused;
use crate::control::service::{Denied, Unavailable};
use crate::machine::refusal::Refusal;

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, snake_case.
    pub code: &'static str,
    /// One sentence.
    pub error: String,
    pub details: Value,
    /// What to do.
    pub remedy: String,
    pub retry_after_s: Option<u64>,
}

impl Problem {
    pub fn new(kind: Kind, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::of_core(kind.status(), kind.code(), error, remedy)
    }

    /// What the core answered, under its own code.
    fn of_core(
        status: StatusCode,
        code: &'static str,
        error: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            error: error.into(),
            details: json!({}),
            remedy: remedy.into(),
            retry_after_s: None,
        }
    }

    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn body(&self) -> Value {
        json!({
            "success": false,
            "error": self.error,
            "code": self.code,
            "details": self.details,
            "remedy": self.remedy,
        })
    }

    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

pub const fn unavailable_code(unavailable: Unavailable) -> &'static str {
    match unavailable {
        Unavailable::QuorumLost => "quorum_lost",
        Unavailable::NoLeader => "no_leader",
        Unavailable::OutcomeUnknown => "outcome_unknown",
        Unavailable::ShuttingDown => "shutting_down",
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let remedy = match unavailable {
            Unavailable::QuorumLost => {
                "bring a majority of the members back; `?consistency=local` reads this member meanwhile"
            }
            Unavailable::NoLeader => "try again in a second; an election is on its way",
            Unavailable::OutcomeUnknown => {
                "retry with the same Idempotency-Key; it takes effect once at most"
            }
            Unavailable::ShuttingDown => "ask another member",
        };
        Self::of_core(
            StatusCode::SERVICE_UNAVAILABLE,
            unavailable_code(unavailable),
            unavailable.to_string(),
            remedy,
        )
        .retry_after(1)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let details = match serde_json::to_value(&refusal) {
            // Tagged from outside: one member, named as the code, with the fields inside.
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map(|(_, fields)| fields),
            _ => None,
        };
        let status = refused::status(&refusal);
        let problem = Self::of_core(
            status,
            refusal.code(),
            refusal.to_string(),
            refused::remedy(&refusal),
        )
        .with(details.unwrap_or_else(|| json!({})));
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                problem.retry_after(1)
            }
            _ => problem,
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => refusal.into(),
            Denied::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
