//! Clients of one member's API who go on asking while the other members are away: what they asked, how
//! soon they were answered, and with which word. What the words must be is judged here too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aegis_updates::demo::api::{Answer, Api};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::stage::PATIENCE;

/// The write timeout, and what the specification allows on top of it.
const ANSWERED_WITHIN: Duration = Duration::from_millis(2_500);
/// Enough that some are always on their way, also when most wait for two seconds.
const CLIENTS: usize = 40;
/// A principal may ask 50 times a second.
const PRINCIPALS: usize = 8;
/// Between two requests of one client.
const PACE: Duration = Duration::from_millis(150);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answered from the member's own state.
    Local,
    Read,
    Write,
    /// It may rightly take longer than a write, as soon as there is a quorum.
    Long,
}

#[derive(Debug, Clone)]
struct Ask {
    kind: Kind,
    method: &'static str,
    path: String,
    body: Option<Value>,
    /// The token that it makes, by name.
    makes: Option<String>,
}

#[derive(Debug)]
struct Asked {
    ask: Ask,
    start: Instant,
    end: Instant,
    answer: Result<Answer, String>,
}

/// Clients at work.
pub struct Callers {
    stop: CancellationToken,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Vec<Asked>>,
}

/// Everything that was asked.
pub struct Asks(Vec<Asked>);

/// What they ask about, and where.
#[derive(Debug, Clone)]
pub struct Subject {
    pub member: String,
    pub plan: String,
    /// A node that is not taken yet; nothing that is asked about it changes anything.
    pub node: String,
    /// A plan like the one that is live.
    pub body: Value,
}

/// Who they are to the API; made while the cluster can still make tokens.
pub async fn principals(api: &Api) -> Vec<Api> {
    let mut principals = Vec::new();
    for number in 0..PRINCIPALS {
        let name = format!("caller-{number}");
        let body = json!({ "id": name, "role": "admin" });
        let made = api.post("/tokens", &body, &name, PATIENCE).await.unwrap();
        principals.push(Api {
            token: made["secret"].as_str().unwrap().to_owned(),
            ..api.clone()
        });
    }
    principals
}

impl Callers {
    pub fn start(principals: &[Api], subject: &Subject) -> Self {
        let stop = CancellationToken::new();
        let answered = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(call(
                principals[number % principals.len()].clone(),
                subject.clone(),
                number,
                stop.clone(),
                Arc::clone(&answered),
            ));
        }
        Self {
            stop,
            answered,
            clients,
        }
    }

    /// Requests answered so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    pub async fn finish(self) -> Asks {
        self.stop.cancel();
        Asks(
            self.clients
                .join_all()
                .await
                .into_iter()
                .flatten()
                .collect(),
        )
    }
}

async fn call(
    api: Api,
    subject: Subject,
    client: usize,
    stop: CancellationToken,
    answered: Arc<AtomicUsize>,
) -> Vec<Asked> {
    let mut asks = Vec::new();
    // Clients begin at different places, so that at any moment every kind is on its way.
    for number in client.. {
        let ask = ask(&subject, client, number);
        let key =
            matches!(ask.kind, Kind::Write | Kind::Long).then(|| format!("{client}-{number}"));
        let start = Instant::now();
        let sent = api.at(
            &subject.member,
            ask.method,
            &ask.path,
            ask.body.as_ref(),
            key.as_deref(),
        );
        let answer = sent.await.map_err(|error| error.to_string());
        let end = Instant::now();
        answered.fetch_add(1, Ordering::Relaxed);
        asks.push(Asked {
            ask,
            start,
            end,
            answer,
        });
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(PACE) => {}
        }
    }
    asks
}

/// One request after the other, reads and writes by turns.
fn ask(subject: &Subject, client: usize, number: usize) -> Ask {
    let Subject {
        plan, node, body, ..
    } = subject;
    let name = format!("made-{client}-{number}");
    let get = |kind, path: String| (kind, "GET", path, None);
    let (kind, method, path, body) = match number % 20 {
        0 => get(Kind::Local, "/cluster?consistency=local".to_owned()),
        1 => (
            Kind::Write,
            "POST",
            "/tokens".to_owned(),
            Some(json!({ "id": name, "role": "viewer" })),
        ),
        2 => get(Kind::Read, format!("/plans/{plan}")),
        3 => (
            Kind::Write,
            "POST",
            "/cluster/join-tokens".to_owned(),
            Some(json!({})),
        ),
        4 => get(Kind::Local, format!("/plans/{plan}?consistency=local")),
        5 => (Kind::Write, "POST", format!("/nodes/{node}/clear"), None),
        6 => get(Kind::Read, "/nodes".to_owned()),
        7 => (Kind::Write, "POST", "/plan".to_owned(), Some(body.clone())),
        8 => get(Kind::Local, "/nodes?consistency=local".to_owned()),
        9 => (
            Kind::Write,
            "POST",
            "/plans/p-999999/pause".to_owned(),
            None,
        ),
        10 => get(Kind::Read, format!("/plans/{plan}/explain")),
        11 => (Kind::Write, "DELETE", "/tokens/nobody".to_owned(), None),
        12 => get(
            Kind::Local,
            format!("/plans/{plan}/explain?consistency=local"),
        ),
        13 => (
            Kind::Long,
            "POST",
            "/plans/preview".to_owned(),
            Some(body.clone()),
        ),
        14 => get(Kind::Local, "/version?consistency=local".to_owned()),
        15 => (
            Kind::Long,
            "POST",
            format!("/cluster/members/{node}/promote"),
            None,
        ),
        16 => get(Kind::Read, "/version".to_owned()),
        17 => (
            Kind::Long,
            "POST",
            "/cluster/leader".to_owned(),
            Some(json!({ "to": node })),
        ),
        18 => get(Kind::Local, "/journal?limit=20".to_owned()),
        _ => get(Kind::Read, "/history".to_owned()),
    };
    let makes = (path == "/tokens" && method == "POST").then_some(name);
    Ask {
        kind,
        method,
        path,
        body,
        makes,
    }
}

impl Asks {
    /// Judges what was asked from before `lost` to after `restored`, and prints it as a table.
    /// `tokens`: the names of all that exist in the end.
    pub fn judge(&self, lost: Instant, restored: Instant, tokens: &BTreeSet<String>) {
        let meanwhile = |asked: &&Asked| asked.end > lost && asked.start < restored;
        let meanwhile: Vec<&Asked> = self.0.iter().filter(meanwhile).collect();
        let mut bad = Vec::new();
        let mut table: BTreeMap<String, usize> = BTreeMap::new();
        for asked in &meanwhile {
            // What was on its way at either end may have met a quorum.
            let met_quorum = asked.start < lost || asked.end > restored;
            if let Err(why) = asked.verdict(met_quorum, asked.waited(lost, restored)) {
                bad.push(format!("{why}: {asked:?}"));
            }
            *table.entry(asked.row()).or_default() += 1;
        }
        bad.extend(self.0.iter().filter_map(|asked| asked.lied(tokens)));
        // Chance decides how many; requests last a few milliseconds with a quorum.
        let in_flight = meanwhile.iter().filter(|asked| asked.start < lost).count();
        let slowest = meanwhile.iter().map(|asked| asked.took()).max();
        println!(
            "{} requests without quorum, {in_flight} of them in flight at its loss, the slowest {slowest:?}",
            meanwhile.len()
        );
        for (row, count) in table {
            println!("{count:>5}  {row}");
        }
        assert!(
            bad.is_empty(),
            "{} bad answers:\n{}",
            bad.len(),
            bad.join("\n")
        );
        assert!(meanwhile.len() >= 100, "only {} requests", meanwhile.len());
    }
}

impl Asked {
    fn took(&self) -> Duration {
        self.end - self.start
    }

    fn code(&self) -> Option<(u16, &str)> {
        let answer = self.answer.as_ref().ok()?;
        let code = answer.body.get("code").and_then(Value::as_str);
        Some((answer.status.as_u16(), code.unwrap_or_default()))
    }

    /// How long it waited as far as that is bounded: all the time, but what may take long with a quorum
    /// only while there was none.
    fn waited(&self, lost: Instant, restored: Instant) -> Duration {
        match self.ask.kind {
            Kind::Long => self.end.min(restored) - self.start.max(lost),
            Kind::Local | Kind::Read | Kind::Write => self.took(),
        }
    }

    fn verdict(&self, met_quorum: bool, waited: Duration) -> Result<(), String> {
        if waited > ANSWERED_WITHIN {
            return Err(format!("answered after {waited:?}"));
        }
        match (self.ask.kind, self.code()) {
            (_, None) => Err("not answered".to_owned()),
            (Kind::Local, Some((200, _))) => Ok(()),
            (Kind::Local, Some(_)) => Err("a local read failed".to_owned()),
            (_, Some((503, "quorum_lost" | "no_leader"))) => Ok(()),
            (Kind::Write | Kind::Long, Some((503, "outcome_unknown"))) => Ok(()),
            (_, Some((200..500, _))) if met_quorum => Ok(()),
            (_, Some((status, code))) => Err(format!("{status} {code}")),
        }
    }

    /// A token that was certainly not made exists, or one that was made does not.
    fn lied(&self, tokens: &BTreeSet<String>) -> Option<String> {
        let name = self.ask.makes.as_ref()?;
        let exists = tokens.contains(name);
        let lie = match self.code()? {
            (201, _) => !exists,
            (503, "quorum_lost" | "no_leader") => exists,
            _ => false,
        };
        lie.then(|| format!("{name} exists: {exists}, but {self:?}"))
    }

    fn row(&self) -> String {
        let path = self.ask.path.split('?').next().unwrap_or_default();
        let (status, code) = self.code().unwrap_or((0, "no answer"));
        let kind = format!("{:?}", self.ask.kind);
        format!(
            "{kind:<6} {:<6} {path:<32} {status} {code}",
            self.ask.method
        )
    }
}
