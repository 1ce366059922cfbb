//! One bounded HTTP call to a database: bounded in time and in what is read of the answer. No redirects.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::Error;
use crate::agent::outgoing::{self, Trust};

/// A list of a thousand peers is a few hundred kilobytes.
const BODY_MAX: usize = 4 << 20;

pub struct Answer {
    pub url: String,
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::NotUnderstood {
            url: self.url.clone(),
            why: error.to_string(),
        })
    }

    pub fn success(self) -> Result<Self, Error> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(Error::UnexpectedStatus {
                status: self.status.as_u16(),
                url: self.url,
            })
        }
    }
}

/// `authority`: a PEM certificate that signs the database's, for https.
pub fn client(timeout: Duration, authority: Option<&[u8]>) -> Result<Client, Error> {
    let trusted = authority.map(reqwest::Certificate::from_pem_bundle);
    let trusted = trusted.transpose().map_err(Error::Client)?;
    outgoing::builder(Trust::Only(trusted.unwrap_or_default()))
        .redirect(Policy::none())
        .timeout(timeout)
        // The database is about to be stopped: a kept connection would count as one of its clients.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(Error::Client)
}

pub async fn send(request: RequestBuilder, url: &str) -> Result<Answer, Error> {
    let failed = |source: reqwest::Error| Error::NoAnswer {
        url: url.to_owned(),
        // The text names the URL already.
        source: source.without_url(),
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(Error::NotUnderstood {
                url: url.to_owned(),
                why: format!("it is longer than {BODY_MAX} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        url: url.to_owned(),
        status,
        body,
    })
}
