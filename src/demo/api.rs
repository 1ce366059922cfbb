//! The public HTTP API as an operator with a token uses it: any member will do, and a write carries a
//! key, so that it may be repeated at another member when one is gone.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::error::Error;
use super::wire::{self, Link};

const PREFIX: &str = "/api/v1/updates";
/// Longer than a write takes that ends as "outcome unknown".
const LIMIT: Duration = Duration::from_secs(5);
/// Pause between two rounds through the members.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct Api {
    /// `host:port` of every member's API.
    pub members: Vec<String>,
    pub token: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a success; anything else as a sentence.
    pub fn good(self, what: &str) -> Result<Value, Error> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let word = |field: &str| self.body.get(field).and_then(Value::as_str);
        Err(Error(format!(
            "{what} was answered {} {}: {}",
            self.status.as_u16(),
            word("code").unwrap_or("without a code"),
            word("error").unwrap_or("no reason given")
        )))
    }

    /// The outcome is not settled: the same request at another member, or a little later, may settle it.
    fn is_passing(&self) -> bool {
        matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        )
    }
}

impl Api {
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Value, Error> {
        let answer = self.anywhere("GET", path, None, None, patience).await?;
        answer.good(&format!("GET {path}"))
    }

    /// `key` names the request for good: repeated, it takes effect once.
    pub async fn post(
        &self,
        path: &str,
        body: &Value,
        key: &str,
        patience: Duration,
    ) -> Result<Value, Error> {
        let answer = self
            .anywhere("POST", path, Some(body), Some(key), patience)
            .await?;
        answer.good(&format!("POST {path}"))
    }

    /// One request to one member, once.
    pub async fn at(
        &self,
        member: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, wire::Error> {
        let broke = |why: String| wire::Error::Exchange {
            to: member.to_owned(),
            why,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"))
            .header("host", member)
            .header("connection", "close")
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|why| broke(why.to_string()))?;
        let mut link = Link::connect(member, LIMIT).await?;
        let answer = link.exchange(request, LIMIT).await?;
        Ok(Answer {
            status: answer.status(),
            body: serde_json::from_slice(answer.body()).unwrap_or_default(),
        })
    }

    async fn anywhere(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
        patience: Duration,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + patience;
        loop {
            let mut last = "there is no member".to_owned();
            for member in &self.members {
                match self.at(member, method, path, body, key).await {
                    Ok(answer) if !answer.is_passing() => return Ok(answer),
                    Ok(answer) => last = format!("{member} answered {}", answer.status),
                    Err(error) => last = error.to_string(),
                }
            }
            if Instant::now() >= deadline {
                return Err(Error(format!(
                    "{method} {path}: no member answered within {patience:?}; the last said: {last}"
                )));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
