//! The library's face in the first seed's names. It talks to this host's daemon over its control socket;
//! the daemons roll the cluster. Nothing is decided here.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::digest::Digest;
use crate::client::{self, Client, Endpoint, Settings};

/// Where the daemon's control socket lies, when it is not in the usual place.
pub const CONTROL_SOCKET_VARIABLE: &str = "AEGIS_UPDATES_CONTROL_SOCKET";
const CONTROL_SOCKET: &str = "/run/aegis-updates/control.sock";
/// Longer than a change of leader, so that one in between goes unnoticed.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Creates and executes update plans on the cluster that this host belongs to.
#[derive(Debug, Clone)]
pub struct UpdateOrchestrator {
    socket: PathBuf,
}

/// A node as the caller knows it. `node_id` is the node's name in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    pub node_id: String,
    pub name: String,
    pub address: String,
    /// A hint. Who leads is Raft's answer.
    pub is_leader: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UpdatePlan {
    pub id: String,
    pub version: String,
    pub binary_url: String,
    pub sha256: String,
    pub status: UpdateStatus,
    /// Each node's status by its name.
    pub node_statuses: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateStatus {
    Pending,
    InProgress,
    Paused,
    RollingBack,
    Completed,
    Failed,
    RolledBack,
    Cancelled,
}

/// What went wrong, with the stable code of the API or of the check made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: String,
    pub detail: String,
}

impl UpdateOrchestrator {
    /// `binary` and `data_dir` are the daemon's to know; they are taken for the seed's sake and not read.
    pub fn new(_binary: impl Into<PathBuf>, _data_dir: impl Into<PathBuf>) -> Self {
        let given = std::env::var_os(CONTROL_SOCKET_VARIABLE).map(PathBuf::from);
        Self {
            socket: given.unwrap_or_else(|| PathBuf::from(CONTROL_SOCKET)),
        }
    }

    /// Creates a Pending plan. Malformed input is refused before the daemon is asked.
    pub fn create_plan(
        &self,
        version: &str,
        binary_url: &str,
        sha256: &str,
        nodes: Vec<ClusterNode>,
    ) -> Result<UpdatePlan, Error> {
        sha256
            .parse::<Digest>()
            .map_err(|error| Error::new("malformed_sha256", error.to_string()))?;
        semver::Version::parse(version)
            .map_err(|error| Error::new("malformed_version", error.to_string()))?;
        let names: Vec<String> = nodes.into_iter().map(|node| node.node_id).collect();
        if names.is_empty() {
            return Err(Error::new(
                "empty_nodes",
                "the list of nodes is empty".to_owned(),
            ));
        }
        let body =
            json!({"version": version, "binary_url": binary_url, "sha256": sha256, "nodes": names});
        let answer = self.apart(|client| async move { client.post("/plan", &body).await })?;
        plan(&answer["plan"])
    }

    /// Starts the plan and waits for its end: `Ok` when every node runs the new binary.
    pub async fn execute_plan(&self, id: &str) -> Result<(), Error> {
        let client = self.client()?;
        client
            .post("/execute", &json!({"plan_id": id}))
            .await
            .map_err(Error::from)?;
        completed(&client, id).await
    }

    /// Has these nodes of a finished plan taken back by a plan of its own, and waits for its end.
    pub(crate) async fn take_back(&self, id: &str, nodes: &[ClusterNode]) -> Result<(), Error> {
        let names: Vec<&str> = nodes.iter().map(|node| node.node_id.as_str()).collect();
        let client = self.client()?;
        let path = format!("/plans/{id}/rollback");
        let answer = client.post(&path, &json!({"nodes": names})).await;
        let started = plan(&answer.map_err(Error::from)?["plan"])?;
        completed(&client, &started.id).await
    }

    pub fn get_plan(&self, id: &str) -> Result<UpdatePlan, Error> {
        let path = format!("/status/{id}");
        let answer = self.apart(|client| async move { client.get(&path).await })?;
        plan(&answer["plan"])
    }

    fn client(&self) -> Result<Client, Error> {
        if !self.socket.exists() {
            let detail = format!(
                "no daemon answers at {}; is aegis-updates serving?",
                self.socket.display()
            );
            return Err(Error::new("no_daemon", detail));
        }
        let endpoints = vec![Endpoint::ControlSocket(self.socket.clone())];
        let settings = Settings {
            endpoints,
            timeout: CALL_TIMEOUT,
            ..Settings::default()
        };
        Client::new(settings).map_err(Error::from)
    }

    /// Runs one call on a thread and runtime of its own, so that a caller inside a runtime may be
    /// synchronous all the same.
    fn apart<F, Fut>(&self, call: F) -> Result<Value, Error>
    where
        F: FnOnce(Client) -> Fut + Send,
        Fut: Future<Output = Result<Value, client::Error>>,
    {
        let client = self.client()?;
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| Error::new("internal", error.to_string()))?;
            runtime.block_on(call(client)).map_err(Error::from)
        };
        std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| {
            Err(Error::new(
                "internal",
                "the call's thread ended early".to_owned(),
            ))
        })
    }
}

/// Waits for the plan's end: `Ok` when it is Completed.
async fn completed(client: &Client, id: &str) -> Result<(), Error> {
    loop {
        let answer = client
            .get(&format!("/status/{id}"))
            .await
            .map_err(Error::from)?;
        let plan = plan(&answer["plan"])?;
        let ended = match plan.status {
            UpdateStatus::Completed => return Ok(()),
            UpdateStatus::Pending | UpdateStatus::InProgress | UpdateStatus::RollingBack => None,
            UpdateStatus::Paused => Some("plan_paused"),
            UpdateStatus::Failed => Some("plan_failed"),
            UpdateStatus::RolledBack => Some("plan_rolled_back"),
            UpdateStatus::Cancelled => Some("plan_cancelled"),
        };
        if let Some(code) = ended {
            let detail = answer["plan"]["detail"]
                .as_str()
                .unwrap_or("see the plan's events");
            return Err(Error::new(code, format!("plan {id}: {detail}")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn plan(value: &Value) -> Result<UpdatePlan, Error> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let status = text("status").and_then(|name| UpdateStatus::of(&name));
    let (Some(id), Some(status)) = (text("id"), status) else {
        return Err(Error::new(
            "not_understood",
            "the daemon's answer carries no plan".to_owned(),
        ));
    };
    let statuses = value["node_statuses"].as_object().into_iter().flatten();
    let statuses = statuses
        .map(|(name, status)| (name.clone(), status.as_str().unwrap_or_default().to_owned()));
    Ok(UpdatePlan {
        id,
        version: text("version").unwrap_or_default(),
        binary_url: text("binary_url").unwrap_or_default(),
        sha256: text("sha256").unwrap_or_default(),
        status,
        node_statuses: statuses.collect(),
    })
}

impl UpdateStatus {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "Pending" => Self::Pending,
            "InProgress" => Self::InProgress,
            "Paused" => Self::Paused,
            "RollingBack" => Self::RollingBack,
            "Completed" => Self::Completed,
            "Failed" => Self::Failed,
            "RolledBack" => Self::RolledBack,
            "Cancelled" => Self::Cancelled,
            _ => return None,
        })
    }
}

impl Error {
    fn new(code: &str, detail: String) -> Self {
        Self {
            code: code.to_owned(),
            detail,
        }
    }
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        let code = match &error {
            client::Error::Unreachable { .. } => "no_daemon",
            client::Error::OutcomeUnknown { .. } => "outcome_unknown",
            client::Error::Refused(refused) => refused.code.as_str(),
            client::Error::Setting { .. } => "internal",
            client::Error::NotUnderstood { .. } => "not_understood",
        };
        Self {
            code: code.to_owned(),
            detail: error.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl std::error::Error for Error {}
