//! Any database with an HTTP interface, by URLs from the host's configuration. What has no URL is not done.

use std::time::Duration;

use reqwest::{Client, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{self, Answer};
use super::{Error, Flush, HealthSample};

/// One URL to call, and which answers mean yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub url: String,
    #[serde(default = "get")]
    pub method: String,
    #[serde(default = "ok")]
    pub statuses: Vec<u16>,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> Vec<u16> {
    vec![200]
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub health: Endpoint,
    /// Where the version stands in the JSON of the health answer (RFC 6901), as in `/version`.
    pub version_pointer: String,
    pub drain: Option<Endpoint>,
    pub undrain: Option<Endpoint>,
    /// Absent: stopping is the flush.
    pub flush: Option<Endpoint>,
    pub safe_to_stop: Option<Endpoint>,
    pub probe_arguments: Vec<String>,
    pub timeout: Duration,
}

#[derive(Debug)]
pub struct Http {
    settings: Settings,
    client: Client,
}

impl Http {
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if !settings.version_pointer.starts_with('/') {
            return Err(Error::BadSetting {
                setting: "version_pointer",
                why: "must begin with a slash, as in /version".to_owned(),
            });
        }
        let optional = [
            &settings.drain,
            &settings.undrain,
            &settings.flush,
            &settings.safe_to_stop,
        ];
        for endpoint in optional.into_iter().flatten().chain([&settings.health]) {
            endpoint.check()?;
        }
        let client = call::client(settings.timeout, None)?;
        Ok(Self { settings, client })
    }

    pub fn probe_arguments(&self) -> &[String] {
        &self.settings.probe_arguments
    }

    /// Healthy needs an expected status, JSON, and a version in it.
    pub async fn health(&self) -> HealthSample {
        match self.expected(&self.settings.health).await {
            Ok(answer) => self.read_version(&answer),
            Err(error) => HealthSample::sick(error.to_string()),
        }
    }

    pub async fn safe_to_stop(&self) -> Result<(), String> {
        match &self.settings.safe_to_stop {
            Some(endpoint) => match self.expected(endpoint).await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            None => Ok(()),
        }
    }

    pub async fn drain(&self) -> Result<(), Error> {
        self.call_if_there(&self.settings.drain).await
    }

    pub async fn undrain(&self) -> Result<(), Error> {
        self.call_if_there(&self.settings.undrain).await
    }

    pub async fn flush(&self) -> Result<Flush, Error> {
        match &self.settings.flush {
            Some(endpoint) => self.expected(endpoint).await.map(|_| Flush::Done),
            None => Ok(Flush::ByStop),
        }
    }

    fn read_version(&self, answer: &Answer) -> HealthSample {
        let body = match answer.json() {
            Ok(body) => body,
            Err(error) => return HealthSample::sick(error.to_string()),
        };
        let pointer = &self.settings.version_pointer;
        match body.pointer(pointer).and_then(Value::as_str) {
            Some(version) => HealthSample {
                healthy: true,
                version: Some(version.to_owned()),
                detail: "healthy".to_owned(),
            },
            None => HealthSample::sick(format!("its answer has no text at {pointer}")),
        }
    }

    async fn call_if_there(&self, endpoint: &Option<Endpoint>) -> Result<(), Error> {
        match endpoint {
            Some(endpoint) => self.expected(endpoint).await.map(drop),
            None => Ok(()),
        }
    }

    async fn expected(&self, endpoint: &Endpoint) -> Result<Answer, Error> {
        let request = self.client.request(endpoint.method()?, &endpoint.url);
        let answer = call::send(request, &endpoint.url).await?;
        if endpoint.statuses.contains(&answer.status.as_u16()) {
            return Ok(answer);
        }
        Err(Error::UnexpectedStatus {
            url: endpoint.url.clone(),
            status: answer.status.as_u16(),
        })
    }
}

impl Endpoint {
    fn method(&self) -> Result<Method, Error> {
        self.method.parse().map_err(|_| Error::BadSetting {
            setting: "method",
            why: format!("is {}, which is no HTTP method", self.method),
        })
    }

    fn check(&self) -> Result<(), Error> {
        self.method()?;
        let url = url::Url::parse(&self.url).ok();
        let http = url.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
        if !http || self.statuses.is_empty() {
            return Err(Error::BadSetting {
                setting: "url",
                why: format!("({}) needs an http URL and at least one status", self.url),
            });
        }
        Ok(())
    }
}
