//! One admitted request as a handler sees it, and the readings of its parts. What cannot be read is the
//! client's mistake and never reaches the core.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::api::Api;
use super::error::Problem;
use super::kind::Kind;
use crate::access::principal::Principal;
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::ids::{NodeName, PlanId};
use crate::base::limits::{REASON_LENGTH_MAX, REQUEST_KEY_LENGTH_MAX};
use crate::control::service::{self, Consistency, HostView, Reading};
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;
use crate::machine::state::Reply;
use crate::machine::submission::RequestKey;

pub type Answer = Result<Response<Body>, Problem>;

pub struct Call {
    pub api: Arc<Api>,
    pub arrived: Instant,
    pub principal: Principal,
    pub method: Method,
    pub path: String,
    /// As it stands after the question mark.
    pub query: String,
    pub params: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The parameters after the question mark, each known and given once.
pub struct Query(BTreeMap<String, String>);

pub fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl Call {
    pub fn plan(&self) -> Result<PlanId, Problem> {
        let text = self.param("id");
        text.parse().map_err(|_| malformed_plan(text))
    }

    pub fn node(&self) -> Result<NodeName, Problem> {
        node_name(self.param("node"))
    }

    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// An empty body is an empty object.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let bytes: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(bytes).map_err(|error| malformed_body(&error))
    }

    /// Refuses parameters that the route does not know.
    pub fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        let mut found = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(self.query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let may = match known {
                    [] => "leave it out; this route takes none".to_owned(),
                    _ => format!("this route takes {}", known.join(", ")),
                };
                let what = format!("there is no parameter `{name}` here");
                return Err(Problem::new(Kind::UnknownParameter, what, may));
            }
            if found.insert(name.to_string(), value.into_owned()).is_some() {
                let what = format!("the parameter `{name}` is given twice");
                return Err(Problem::new(Kind::DuplicateParameter, what, "give it once"));
            }
        }
        Ok(Query(found))
    }

    pub async fn read(&self, query: &Query) -> Result<Reading, Problem> {
        Ok(self.api.core.read(query.consistency()?).await?)
    }

    /// `None` once this request has waited as long as one may without a quorum. For whatever comes after a
    /// first read or write, which had all that time to itself.
    pub async fn in_time<T>(&self, rest: impl Future<Output = T>) -> Option<T> {
        let end = self.arrived + self.api.core.answer_within();
        timeout_at(end, rest).await.ok()
    }

    /// A state that includes what this request wrote, and true; or this member's own, when no quorum
    /// confirms one in time. What was committed stays so either way.
    pub async fn read_back(&self) -> Result<(Reading, bool), Problem> {
        let core = &self.api.core;
        match self.in_time(core.read(Consistency::Linearizable)).await {
            Some(Ok(reading)) => Ok((reading, true)),
            Some(Err(_)) | None => Ok((core.read(Consistency::Local).await?, false)),
        }
    }

    /// What the leader heard of every host, as far as it says so in time.
    pub async fn hosts(&self) -> BTreeMap<NodeName, HostView> {
        self.in_time(self.api.core.hosts())
            .await
            .unwrap_or_default()
    }

    pub async fn submit(&self, command: Command) -> Result<Reply, Problem> {
        let call = service::Call {
            actor: self.principal.clone(),
            reason: self.reason()?,
            request: self.request_key()?,
            command,
        };
        Ok(self.api.core.submit(call).await?)
    }

    /// The header `X-Reason`, UTF-8.
    pub fn reason(&self) -> Result<Option<String>, Problem> {
        let Some(given) = self.headers.get("x-reason") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(given.as_bytes()).map_err(|_| {
            Problem::new(
                Kind::MalformedReason,
                "X-Reason is not UTF-8",
                "send the reason as UTF-8 text",
            )
        })?;
        // Not left to the log alone: a repeated request is answered without another look at its reason.
        if text.chars().count() > REASON_LENGTH_MAX {
            let limit = REASON_LENGTH_MAX;
            return Err(Refusal::ReasonTooLong { limit }.into());
        }
        Ok(Some(text.to_owned()))
    }

    fn request_key(&self) -> Result<Option<RequestKey>, Problem> {
        let Some(given) = self.headers.get("idempotency-key") else {
            return Ok(None);
        };
        let usable = |key: &&str| {
            (1..=REQUEST_KEY_LENGTH_MAX).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let key = given.to_str().ok().filter(usable).ok_or_else(|| {
            Problem::new(
                Kind::MalformedIdempotencyKey,
                "the Idempotency-Key cannot be used",
                "use 1 to 255 visible ASCII characters, a UUID for example",
            )
        })?;
        let mut request = format!("{} {}?{}\n", self.method, self.path, self.query).into_bytes();
        request.extend_from_slice(&self.body);
        Ok(Some(RequestKey {
            key: key.to_owned(),
            body: Digest::of(&request),
        }))
    }

    /// The revision of `If-Match`, if one is given.
    pub fn if_match(&self) -> Result<Option<u64>, Problem> {
        let Some(given) = self.headers.get(header::IF_MATCH) else {
            return Ok(None);
        };
        let text = given.to_str().unwrap_or_default().trim_matches('"');
        text.parse().map(Some).map_err(|_| {
            Problem::new(
                Kind::MalformedRevision,
                "If-Match is not a revision",
                "send the number that ETag gave",
            )
        })
    }
}

impl Query {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn parsed<T: FromStr<Err: Display>>(
        &self,
        name: &str,
        kind: Kind,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error| {
            let what = format!("the parameter `{name}` cannot be read: {error}");
            Problem::new(kind, what, "correct the parameter, or leave it out")
        })
    }

    pub fn consistency(&self) -> Result<Consistency, Problem> {
        match self.text("consistency") {
            None | Some("linearizable") => Ok(Consistency::Linearizable),
            Some("local") => Ok(Consistency::Local),
            Some(other) => Err(Problem::new(
                Kind::MalformedParameter,
                format!("there is no consistency `{}`", clipped(other)),
                "use linearizable or local",
            )),
        }
    }

    /// Entries on a page: 100 unless asked otherwise, 1,000 at most.
    pub fn limit(&self) -> Result<usize, Problem> {
        let asked: Option<usize> = self.parsed("limit", Kind::MalformedParameter)?;
        match asked.unwrap_or(100) {
            limit @ 1..=1_000 => Ok(limit),
            other => Err(Problem::new(
                Kind::MalformedParameter,
                format!("a page cannot have {other} entries"),
                "ask for 1 to 1000",
            )),
        }
    }
}

pub fn node_name(text: &str) -> Result<NodeName, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Kind::MalformedName,
            format!("`{}` is not a node's name", clipped(text)),
            "names are 1 to 63 of a-z, 0-9 and -, and do not begin with -",
        )
    })
}

pub fn duration(text: &str) -> Result<Millis, Problem> {
    text.parse()
        .map_err(|error: crate::base::duration::MalformedDuration| {
            Problem::new(
                Kind::MalformedDuration,
                error.to_string(),
                "write for example \"30s\"",
            )
        })
}

fn malformed_plan(text: &str) -> Problem {
    Problem::new(
        Kind::MalformedPlanId,
        format!("`{}` is not a plan's id", clipped(text)),
        "ids look like p-17; `plan list` shows them",
    )
}

pub fn malformed_body(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    if text.starts_with("unknown field") {
        return Problem::new(
            Kind::UnknownField,
            text,
            "leave the field out, or correct its name",
        );
    }
    Problem::new(
        Kind::MalformedBody,
        format!("the body cannot be read: {text}"),
        "send a JSON object with the fields of this route",
    )
}

/// What a client sent, short enough to be sent back.
pub fn clipped(text: &str) -> String {
    text.chars().take(80).collect()
}
