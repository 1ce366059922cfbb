//! Asks the public API all the time what a plan is doing, at whichever member answers, and remembers when
//! none did. It follows no journal: what it knows is what any client could.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::api::Api;
use super::clock::Clock;
use super::tape::Line;

const EVERY: Duration = Duration::from_millis(200);
/// Longer than a member needs for an answer, shorter than any outage of interest.
const LIMIT: Duration = Duration::from_millis(1_500);
/// Time without an answer that is worth a line.
const SILENT_MS: u64 = 1_000;

/// A running sampler. Dropping it ends the asking.
#[derive(Debug)]
pub struct Sampler {
    lines: Arc<Mutex<Vec<Line>>>,
    asking: JoinHandle<()>,
}

impl Sampler {
    pub fn start(api: Api, plan: String, clock: Clock) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let asking = tokio::spawn(ask(api, plan, clock, Arc::clone(&lines)));
        Self { lines, asking }
    }

    pub fn finish(self) -> Vec<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lines)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

async fn ask(api: Api, plan: String, clock: Clock, lines: Arc<Mutex<Vec<Line>>>) {
    let path = format!("/plans/{plan}");
    let mut answered_ms = clock.now_ms();
    let mut last = None;
    for turn in 0.. {
        tokio::time::sleep(EVERY).await;
        let Some(member) = api.members.get(turn % api.members.len().max(1)) else {
            return;
        };
        let answer = timeout(LIMIT, api.at(member, "GET", &path, None, None)).await;
        let now_ms = clock.now_ms();
        let status = match answer {
            Ok(Ok(answer)) if answer.status.is_success() => {
                let status = answer.body.pointer("/plan/status").and_then(Value::as_str);
                status.map(str::to_owned)
            }
            _ => continue,
        };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.saturating_sub(answered_ms) > SILENT_MS {
            lines.push(Line::Silence {
                from_ms: answered_ms,
                until_ms: now_ms,
            });
        }
        answered_ms = now_ms;
        if status != last {
            last.clone_from(&status);
            lines.push(Line::Status {
                at_ms: now_ms,
                plan: plan.clone(),
                status: status.unwrap_or_default(),
            });
        }
    }
}
