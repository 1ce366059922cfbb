//! Clients that write to every member at a steady rate and repeat nothing: what failed, and how long the
//! slowest waited.

use std::time::Duration;

use aegis_updates::demo::api::Api;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Of each member; each writes twelve times in three seconds.
const CLIENTS: usize = 5;
/// Fifteen clients at four a second are sixty a second.
const PACE: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub struct Outcome {
    pub calls: usize,
    pub failed: Vec<String>,
    pub slowest: Duration,
}

pub struct Writers {
    stop: CancellationToken,
    clients: JoinSet<Outcome>,
    began: Instant,
}

impl Writers {
    pub fn start(principals: &[Api], members: &[String]) -> Self {
        let stop = CancellationToken::new();
        let mut clients = JoinSet::new();
        for (number, member) in members
            .iter()
            .cycle()
            .take(members.len() * CLIENTS)
            .enumerate()
        {
            let api = principals[number % principals.len()].clone();
            clients.spawn(write(api, member.clone(), number, stop.clone()));
        }
        Self {
            stop,
            clients,
            began: Instant::now(),
        }
    }

    /// Everything together, and the rate.
    pub async fn finish(self) -> (Outcome, f64) {
        self.stop.cancel();
        let took = self.began.elapsed();
        let mut all = Outcome::default();
        for one in self.clients.join_all().await {
            all.calls += one.calls;
            all.failed.extend(one.failed);
            all.slowest = all.slowest.max(one.slowest);
        }
        let rate = all.calls as f64 / took.as_secs_f64();
        (all, rate)
    }
}

/// Makes a token and takes it back by turns: both go through the log, and nothing piles up.
async fn write(api: Api, member: String, client: usize, stop: CancellationToken) -> Outcome {
    let mut outcome = Outcome::default();
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut made: Option<String> = None;
    for number in 0_u64.. {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let (method, path, body) = match made.take() {
            Some(name) => ("DELETE", format!("/tokens/{name}"), None),
            None => {
                let name = format!("measured-{client}-{number}");
                let body = json!({ "id": name, "role": "viewer" });
                made = Some(name);
                ("POST", "/tokens".to_owned(), Some(body))
            }
        };
        let start = Instant::now();
        let answer = api.at(&member, method, &path, body.as_ref(), None).await;
        outcome.calls += 1;
        outcome.slowest = outcome.slowest.max(start.elapsed());
        match answer {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => {
                let code = answer.body["code"].as_str().unwrap_or_default();
                let failed = format!("{member} {method} {path}: {} {code}", answer.status);
                outcome.failed.push(failed);
            }
            Err(why) => outcome.failed.push(why.to_string()),
        }
    }
    outcome
}
