//! The Aegis server, as it really answers: its health tells its version, its peers tell that it is back,
//! and stopping it is what saves its data. Nothing that it says about leadership is used.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Client, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{self, Answer};
use super::{Error, HealthSample, Peer, RejoinEvidence, Seen};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `host:port` of the database on this host.
    pub address: String,
    /// What it was started with as `--node-id`: the name its peers know it by.
    pub node_id: String,
    pub timeout: Duration,
    /// For databases that serve https: the PEM file of the certificate to trust.
    pub authority: Option<PathBuf>,
    pub rejoin_evidence: RejoinEvidence,
}

/// A user of the database; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Credentials {
    /// A file of two lines, user and password. Blocking.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let refused = |why: String| Error::Credentials {
            path: path.to_owned(),
            why,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| refused(format!("cannot be read: {error}")))?;
        let mut lines = text.lines();
        match (lines.next(), lines.next(), lines.next()) {
            (Some(username), Some(password), None) if !username.is_empty() => Ok(Self {
                username: username.to_owned(),
                password: password.to_owned(),
            }),
            _ => Err(refused("must be two lines, user and password".to_owned())),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[derive(Debug)]
pub struct Aegis {
    settings: Settings,
    credentials: Option<Credentials>,
    scheme: &'static str,
    client: Client,
    probe_arguments: Vec<String>,
    /// By address: each node hands out tokens of its own.
    tokens: Mutex<BTreeMap<String, String>>,
}

impl Aegis {
    pub fn new(settings: Settings, credentials: Option<Credentials>) -> Result<Self, Error> {
        let authority = match &settings.authority {
            Some(path) => Some(std::fs::read(path).map_err(|error| Error::BadSetting {
                setting: "authority",
                why: format!("names {}, which cannot be read: {error}", path.display()),
            })?),
            None => None,
        };
        if !is_path_segment(&settings.node_id) {
            return Err(Error::BadSetting {
                setting: "node_id",
                why: "may hold letters, digits, dot, dash and underscore only".to_owned(),
            });
        }
        Ok(Self {
            client: call::client(settings.timeout, authority.as_deref())?,
            scheme: if authority.is_some() { "https" } else { "http" },
            // There is no `--version`; the help is printed by code that runs on this host.
            probe_arguments: vec!["--help".to_owned()],
            tokens: Mutex::default(),
            settings,
            credentials,
        })
    }

    pub fn probe_arguments(&self) -> &[String] {
        &self.probe_arguments
    }

    pub fn rejoin_evidence(&self) -> RejoinEvidence {
        self.settings.rejoin_evidence
    }

    pub async fn health(&self) -> HealthSample {
        look(&self.client, &self.url(&self.settings.address, "/health")).await
    }

    /// The same look at another node's database.
    pub async fn health_of(&self, peer: &Peer) -> HealthSample {
        look(&self.client, &self.url(&peer.address, "/health")).await
    }

    /// Told to each other node: told to the node itself, it would answer 200 and do nothing.
    pub async fn drain(&self, peers: &[Peer]) -> Result<(), Error> {
        let told = join_all(peers.iter().map(async |peer| {
            let outcome = self.drain_at(peer).await;
            outcome.map_err(|error| (peer.name.clone(), Box::new(error)))
        }));
        let failed: Vec<_> = told.await.into_iter().filter_map(Result::err).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::Peers(failed))
        }
    }

    pub async fn peer_view(&self, peer: &Peer) -> Result<Option<Seen>, Error> {
        let path = "/api/v1/cluster/peers";
        let answer = self
            .ask(Method::GET, &peer.address, path)
            .await?
            .success()?;
        let list = answer.json()?;
        let not_understood = |why: &str| Error::NotUnderstood {
            url: answer.url.clone(),
            why: why.to_owned(),
        };
        let rows = list
            .as_array()
            .ok_or_else(|| not_understood("it is no list"))?;
        let own = rows
            .iter()
            .find(|row| row["id"] == self.settings.node_id.as_str());
        let Some(own) = own else {
            return Ok(None);
        };
        let last_seen_ms = own["last_seen"].as_u64();
        Ok(Some(Seen {
            online: own["status"] == "Online",
            last_seen_ms: last_seen_ms.ok_or_else(|| not_understood("last_seen is no number"))?,
        }))
    }

    async fn drain_at(&self, peer: &Peer) -> Result<(), Error> {
        let path = format!("/api/v1/admin/nodes/{}/drain", self.settings.node_id);
        let answer = self
            .ask(Method::POST, &peer.address, &path)
            .await?
            .success()?;
        let body = answer.json()?;
        // The status alone says 200 also when nothing was done.
        if body["success"] == true {
            Ok(())
        } else {
            Err(Error::SaidNo {
                url: answer.url,
                message: body["message"]
                    .as_str()
                    .unwrap_or("no reason given")
                    .to_owned(),
            })
        }
    }

    /// With a login where the configuration has one; an expired token is fetched anew, once.
    async fn ask(&self, method: Method, address: &str, path: &str) -> Result<Answer, Error> {
        let url = self.url(address, path);
        let request = |token: Option<&str>| {
            let request = self.client.request(method.clone(), &url);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            call::send(request, &url)
        };
        let Some(credentials) = &self.credentials else {
            return request(None).await;
        };
        let known = self.tokens().get(address).cloned();
        if let Some(token) = known {
            let answer = request(Some(&token)).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
        }
        let token = self.log_in(address, credentials).await?;
        self.tokens().insert(address.to_owned(), token.clone());
        request(Some(&token)).await
    }

    async fn log_in(&self, address: &str, credentials: &Credentials) -> Result<String, Error> {
        let url = self.url(address, "/api/v1/auth/login");
        let body = json!({ "username": credentials.username, "password": credentials.password });
        let answer = call::send(self.client.post(&url).json(&body), &url).await?;
        if !answer.status.is_success() {
            return Err(Error::LoginRefused {
                url,
                status: answer.status.as_u16(),
            });
        }
        let token = answer.json()?["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| Error::NotUnderstood {
            url,
            why: "it holds no token".to_owned(),
        })
    }

    fn url(&self, address: &str, path: &str) -> String {
        format!("{}://{address}{path}", self.scheme)
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look at a `/health` URL, which is open to everybody.
pub async fn look(client: &Client, url: &str) -> HealthSample {
    let answer = match call::send(client.get(url), url).await {
        Ok(answer) => answer,
        Err(error) => return HealthSample::sick(error.to_string()),
    };
    match answer.json() {
        Ok(body) => judge(answer.status, &body),
        Err(error) => HealthSample::sick(error.to_string()),
    }
}

/// Healthy is only what says so in the known words, version included.
fn judge(status: StatusCode, body: &Value) -> HealthSample {
    let version = body["version"].as_str().map(str::to_owned);
    let word = body["status"].as_str();
    let detail = match (status.as_u16(), word, &version) {
        (200, Some("healthy"), Some(_)) => "healthy".to_owned(),
        (200, Some("healthy"), None) => "it says healthy without a version".to_owned(),
        (200, Some(word), _) => format!("it says {word}"),
        (200, None, _) => "it says nothing about its status".to_owned(),
        (status, ..) => format!("it answered {status}"),
    };
    HealthSample {
        healthy: detail == "healthy",
        version,
        detail,
    }
}

fn is_path_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text != "." && text != ".." && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: Value) -> HealthSample {
        judge(StatusCode::from_u16(status).unwrap(), &body)
    }

    #[test]
    fn only_the_known_words_are_healthy() {
        let good = judged(200, json!({ "status": "healthy", "version": "0.3.0" }));
        assert_eq!(
            (good.healthy, good.version.as_deref()),
            (true, Some("0.3.0"))
        );
        for (status, body) in [
            (503, json!({ "status": "healthy", "version": "0.3.0" })),
            (200, json!({ "status": "unhealthy", "version": "0.3.0" })),
            (200, json!({ "status": "healthy" })),
            (200, json!({ "status": "healthy", "version": 3 })),
            (200, json!({ "version": "0.3.0" })),
            (200, json!("healthy")),
            (200, json!(null)),
        ] {
            assert!(!judged(status, body.clone()).healthy, "{status} {body}");
        }
    }

    #[test]
    fn a_node_id_cannot_leave_its_place_in_a_path() {
        for bad in ["", "..", "a/b", "a b", "a%2fb", "a?b"] {
            assert!(!is_path_segment(bad), "{bad}");
        }
        assert!(is_path_segment("node-1.example_org"));
    }

    #[test]
    fn credentials_are_two_lines_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user");
        std::fs::write(&path, "admin\ncorrect horse battery\n").unwrap();
        let credentials = Credentials::from_file(&path).unwrap();
        assert_eq!(credentials.password, "correct horse battery");
        assert!(!format!("{credentials:?}").contains("horse"));
        for bad in ["", "admin\n", "a\nb\nc\n", "\npassword\n"] {
            std::fs::write(&path, bad).unwrap();
            let error = Credentials::from_file(&path).unwrap_err().to_string();
            assert!(
                error.contains("two lines") && !error.contains("password\n"),
                "{error}"
            );
        }
    }
}
