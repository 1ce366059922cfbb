//! Follows a plan by its journal events, from member to member, until it ends or needs somebody.
//! Every line goes to stderr; the result is the exit status and the plan on stdout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::exit::{Exit, Failure};
use super::say::note;
use super::{Done, Session, plan};
use crate::client::Error;
use crate::plans::progress::Step;

/// Before the next member is tried, when one was lost.
const PAUSE: Duration = Duration::from_millis(300);
/// Without any member for so long, the plan cannot be watched from here.
const LOST_MAX: Duration = Duration::from_secs(60);

/// `back`: taking back is what was asked for.
pub async fn watch(session: &Session, id: &str, back: bool) -> Done {
    let end = session
        .globals
        .timeout
        .map(|timeout| Instant::now() + timeout.as_duration());
    let timed_out = async {
        match end {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = follow(session, id) => {
            let shown = outcome?;
            plan::print(session, &shown);
            Ok(Exit::of_plan(&shown["plan"], back))
        }
        () = timed_out => {
            note!("the time is up; the plan goes on: `aegis-updates watch {id}`");
            Ok(Exit::StillRunning)
        }
        _ = tokio::signal::ctrl_c() => {
            note!("detached; the plan goes on: `aegis-updates watch {id}`");
            Ok(Exit::StillRunning)
        }
    }
}

/// The plan as it is when there is nothing more to wait for.
async fn follow(session: &Session, id: &str) -> Result<Value, Failure> {
    let mut progress = Progress::new();
    let mut lost_since: Option<Instant> = None;
    loop {
        match session.client.events(id, progress.last.as_deref()).await {
            Ok(stream) => {
                if progress.read(session, id, stream).await? {
                    lost_since = None;
                }
            }
            Err(Error::Refused(refused)) if !matches!(refused.status, 429 | 503) => {
                return Err(Error::Refused(refused).into());
            }
            Err(error) => {
                let since = *lost_since.get_or_insert_with(Instant::now);
                if since.elapsed() > LOST_MAX {
                    return Err(error.into());
                }
            }
        }
        if let Ok(shown) = session.client.get(&format!("/plans/{id}")).await
            && Exit::of_plan(&shown["plan"], false) != Exit::StillRunning
        {
            return Ok(shown);
        }
        session.client.turn();
        sleep(PAUSE).await;
    }
}

struct Progress {
    /// Id of the last event: another member goes on after it.
    last: Option<String>,
    /// When the first node was taken, in `run` time, and how many are done.
    first_taken_run_ms: Option<u64>,
    done: BTreeSet<String>,
    /// What was told last of each node: a step and the status that follows from it are one line.
    told: BTreeMap<String, String>,
    colour: bool,
}

impl Progress {
    fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            last: None,
            first_taken_run_ms: None,
            done: BTreeSet::new(),
            told: BTreeMap::new(),
            colour: !plain && std::io::stderr().is_terminal(),
        }
    }

    /// Reads until the stream ends, or the plan stands still for somebody; true when anything came.
    async fn read(
        &mut self,
        session: &Session,
        id: &str,
        mut stream: reqwest::Response,
    ) -> Result<bool, Failure> {
        let mut buffer = String::new();
        let mut came = false;
        while let Ok(Some(chunk)) = stream.chunk().await {
            came = true;
            buffer.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = buffer.find("\n\n") {
                let event: String = buffer.drain(..end + 2).collect();
                if self.event(session, id, &event).await {
                    return Ok(came);
                }
            }
        }
        Ok(came)
    }

    /// True when nothing more is to be awaited.
    async fn event(&mut self, session: &Session, id: &str, text: &str) -> bool {
        if text.contains("event: end") {
            return true;
        }
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        if let Some(place) = field("id: ") {
            self.last = Some(place.to_owned());
        }
        let data = field("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
        let Some(data) = data else {
            return false;
        };
        if let Some(line) = self.line(&data) {
            note!("{line}");
        }
        let fact = &data["fact"];
        if fact["fact"] == "node_status" && fact["to"] == "Updated" {
            self.estimate(session, id, &data).await;
        }
        // Old events of a plan that went on since are told as well, so the plan itself is asked.
        fact["fact"] == "plan_status" && fact["to"] == "Paused" && is_paused(session, id).await
    }

    fn line(&mut self, data: &Value) -> Option<String> {
        let fact = &data["fact"];
        let text = |name: &str| fact[name].as_str().unwrap_or_default();
        let detail = |name: &str| {
            let detail = fact[name].as_str();
            detail.map_or_else(String::new, |detail| format!(": {detail}"))
        };
        let what = match text("fact") {
            "plan_status" => format!("plan {}{}", text("to"), detail("detail")),
            "plan_cancelling" => "plan is being cancelled".to_owned(),
            "quorum_lost" => format!("quorum lost{}", detail("cause")),
            "taken" => {
                self.first_taken_run_ms = self.first_taken_run_ms.or(data["run_ms"].as_u64());
                format!("{} taken ({})", text("node"), text("goal"))
            }
            // The same moment is told by the fact of the take, or of the step.
            "node_status" if text("to") == "Taken" || is_step(text("to")) => return None,
            "step_entered" => format!("{} {}", text("node"), text("step")),
            // The take itself follows, with what it is for.
            "node_status" if text("to") == "Taken" => return None,
            "node_status" => {
                if text("to") == "Updated" {
                    self.done.insert(text("node").to_owned());
                }
                format!(
                    "{} {}{}",
                    text("node"),
                    self.coloured(text("to")),
                    detail("detail")
                )
            }
            "stood_down" => format!("{} is put back", text("node")),
            "unknown_hands" => format!(
                "{} was changed by somebody else{}",
                text("node"),
                detail("detail")
            ),
            "acted_isolated" => format!("{} acted by itself{}", text("node"), detail("detail")),
            "term_opened" => format!("member {} leads", fact["leader"]),
            "handoff_failed" => format!("leadership could not be handed over{}", detail("reason")),
            "alarm" => format!("ALARM{}", detail("detail")),
            _ => return None,
        };
        let node = text("node").to_owned();
        if !node.is_empty() && self.told.insert(node, what.clone()).as_ref() == Some(&what) {
            return None;
        }
        let at = data["at"]
            .as_str()
            .and_then(|at| at.get(11..19))
            .unwrap_or("        ");
        Some(format!("{at}  {what}"))
    }

    fn coloured(&self, status: &str) -> String {
        let code = match status {
            "Updated" => "32",
            "Failed" | "NeedsOperator" => "31",
            "RollingBack" | "RolledBack" | "Skipped" => "33",
            _ => return status.to_owned(),
        };
        if self.colour {
            format!("\x1b[{code}m{status}\x1b[0m")
        } else {
            status.to_owned()
        }
    }

    /// What is left takes as long a node as what is done took.
    async fn estimate(&self, session: &Session, id: &str, data: &Value) {
        let Ok(shown) = session.client.get(&format!("/plans/{id}")).await else {
            return;
        };
        let all = shown["plan"]["nodes"].as_array().map_or(0, Vec::len);
        let done = self.done.len();
        let left = all.saturating_sub(done);
        let taken = self.first_taken_run_ms.zip(data["run_ms"].as_u64());
        let Some((from, to)) = taken.filter(|_| left > 0 && done > 0) else {
            return;
        };
        let each_s = to.saturating_sub(from) / 1_000 / done as u64;
        note!(
            "          {done} of {all} nodes, about {} s to go",
            each_s * left as u64
        );
    }
}

fn is_step(status: &str) -> bool {
    Step::ALL.iter().any(|step| step.name() == status)
}

async fn is_paused(session: &Session, id: &str) -> bool {
    let shown = session.client.get(&format!("/plans/{id}")).await;
    shown.is_ok_and(|shown| shown["plan"]["status"] == "Paused")
}
