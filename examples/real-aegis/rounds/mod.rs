//! `--rounds N`: forth and back on one cluster, again and again, the daemon that leads killed in every second
//! round; then what the database itself loses without the product's care. A line for each round, and one in
//! the form of the nets.

mod forget;
mod leg;
mod own_loss;
mod script;

use std::time::Duration;

use aegis_updates::demo::act::Act;
use aegis_updates::demo::acts::body;
use aegis_updates::demo::cluster::{Cluster, Tools};
use aegis_updates::demo::error::Error;
use aegis_updates::demo::live::say;
use aegis_updates::demo::load::{Acknowledged, Outcome};
use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::releases::Release;
use aegis_updates::demo::scene::Order;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::json;

use leg::{Leg, Travelled, travel};
use script::{Back, Script};

/// Of what went wrong in a round, printed.
const QUOTED_MAX: usize = 10;

/// Of one round, or of all.
#[derive(Debug, Default)]
struct Sums {
    rolls: usize,
    backs: usize,
    requests: usize,
    writes: usize,
    failed: usize,
    lost: usize,
}

#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    violations: usize,
    killed: usize,
    not_reached: usize,
    sums: Sums,
}

/// One cluster, and what its databases keep of what they acknowledged, to the end.
#[derive(Debug)]
struct Ground {
    cluster: Cluster,
    kept: Vec<Acknowledged>,
}

/// True when nothing was violated.
pub async fn play(
    tools: &Tools,
    (old, new): (&Release, &Release),
    (from, count): (usize, usize),
    keep: bool,
) -> Result<bool, Error> {
    let clock = tools.clock;
    let from_ms = clock.now_ms();
    let mut tally = Tally::default();
    let mut present = None;
    for number in from..from + count {
        let mut ground = match present.take() {
            Some(ground) => ground,
            None => Ground {
                cluster: Cluster::form_with(tools.clone(), old).await?,
                kept: Vec::new(),
            },
        };
        let bad = round(&mut ground, Script::of(number), (old, new), &mut tally).await;
        if bad.is_empty() {
            present = Some(ground);
        } else {
            // Rounds after it are not to suffer from it: they get a cluster of their own.
            tell(&mut ground.cluster, &bad);
        }
        tally.violations += bad.len();
    }
    if let Some(mut ground) = present {
        let bad = last_words(&ground, &mut tally).await;
        tally.violations += bad.len();
        if bad.is_empty() {
            own_loss::measure(&ground.cluster).await?;
        }
        if keep || !bad.is_empty() {
            tell(&mut ground.cluster, &bad);
        }
    }
    tally.print(Duration::from_millis(clock.now_ms() - from_ms).as_secs());
    Ok(tally.violations == 0 && tally.runs == count && count > 0)
}

fn tell(cluster: &mut Cluster, bad: &[String]) {
    for violation in bad.iter().take(QUOTED_MAX) {
        say(&format!("  {violation}"));
    }
    say(&format!("  kept: {}", cluster.keep().display()));
}

/// Plays one; its violations.
async fn round(
    ground: &mut Ground,
    script: Script,
    releases: (&Release, &Release),
    tally: &mut Tally,
) -> Vec<String> {
    tally.runs += 1;
    let mut told = Told::default();
    let ended = forth_and_back(ground, script, releases, &mut told).await;
    if let Err(error) = ended {
        told.bad.push(format!("it could not go on: {error}"));
    }
    let kill = match (script.kill, told.killed.take()) {
        (None, _) => "no kill".to_owned(),
        (Some(kill), Some(name)) => {
            tally.killed += 1;
            format!("{name} led and was killed {kill}")
        }
        (Some(kill), None) => {
            tally.not_reached += 1;
            told.bad.push(format!("there was no kill {kill}"));
            "no kill".to_owned()
        }
    };
    let verdict = match told.bad.len() {
        0 => "ok".to_owned(),
        count => format!("{count} VIOLATIONS"),
    };
    say(&format!(
        "round {}: {}; {kill}; {verdict}",
        script.number,
        told.ways.join(", ")
    ));
    tally.sums.add(&told.sums);
    told.bad
}

/// What a round has to tell.
#[derive(Debug, Default)]
struct Told {
    ways: Vec<String>,
    killed: Option<String>,
    bad: Vec<String>,
    sums: Sums,
}

async fn forth_and_back(
    ground: &mut Ground,
    script: Script,
    (old, new): (&Release, &Release),
    told: &mut Told,
) -> Result<(), Error> {
    let number = script.number;
    let kill = |back: bool| script.kill.filter(|kill| kill.on_way_back == back);
    let leg = Leg {
        name: format!("round-{number}-forth"),
        order: by_plan(&ground.cluster, new).await?,
        to: new,
        kill: kill(false),
    };
    let forth = travel(&mut ground.cluster, leg).await?;
    told.sums.rolls += usize::from(forth.act.status == "Completed");
    let plan = forth.plan;
    let mut taken = told.take_in(forth, format!("→ {}", new.version));
    if !told.bad.is_empty() {
        return Ok(());
    }
    let leg = Leg {
        name: format!("round-{number}-back"),
        order: match script.back {
            Back::Rollback => Order::Rollback(plan),
            Back::Forward => by_plan(&ground.cluster, old).await?,
        },
        to: old,
        kill: kill(true),
    };
    let back = travel(&mut ground.cluster, leg).await?;
    told.sums.backs += usize::from(back.act.status == "Completed");
    let how = format!("→ {} {}", old.version, script.back);
    let taken_back = told.take_in(back, how);
    // Written under the new release, or carried over by it, and now read from the old one.
    let again = read_back(&taken, &ground.cluster.databases()).await;
    told.lose("after the way back", &again.lost);
    taken.extend(taken_back);
    ground
        .kept
        .extend(forget::all_but_some(taken, &ground.cluster.databases()).await?);
    Ok(())
}

async fn by_plan(cluster: &Cluster, to: &Release) -> Result<Order, Error> {
    let (served, url) = cluster.serve(to).await?;
    let mut plan = body(cluster, &served, &url, OnNodeFailure::default());
    plan["strategy"]["allow_downgrade"] = json!(true);
    Ok(Order::Roll(plan))
}

/// What was kept of all rounds once more, each from the node that took it.
async fn last_words(ground: &Ground, tally: &mut Tally) -> Vec<String> {
    let back = read_back(&ground.kept, &ground.cluster.databases()).await;
    say(&format!(
        "read again: {} writes kept since their rounds, each from the node that took it, {} lost",
        back.checked,
        back.lost.len()
    ));
    tally.sums.lost += back.lost.len();
    back.lost
}

impl Told {
    /// Takes in all but the writes, which are given back.
    fn take_in(&mut self, way: Travelled, how: String) -> Vec<Acknowledged> {
        let Act {
            load,
            status,
            from_ms,
            to_ms,
            read_back,
            ..
        } = way.act;
        let failed = load.sent.iter();
        let failed = failed.filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }));
        let failed = failed.count();
        self.ways.push(format!(
            "{how} {status} in {:.1} s ({} requests, {failed} failed; {} writes, {} lost)",
            (to_ms - from_ms) as f64 / 1_000.0,
            load.sent.len(),
            load.acknowledged.len(),
            read_back.lost.len()
        ));
        self.sums.requests += load.sent.len();
        self.sums.writes += load.acknowledged.len();
        self.sums.failed += failed;
        self.sums.lost += read_back.lost.len();
        self.killed = self.killed.take().or(way.killed);
        let bad = way.violations.into_iter();
        self.bad.extend(bad.map(|why| format!("{how}: {why}")));
        load.acknowledged
    }

    fn lose(&mut self, when: &str, lost: &[String]) {
        self.sums.lost += lost.len();
        let lost = lost.iter();
        self.bad
            .extend(lost.map(|lost| format!("lost {when}: {lost}")));
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.rolls += other.rolls;
        self.backs += other.backs;
        self.requests += other.requests;
        self.writes += other.writes;
        self.failed += other.failed;
        self.lost += other.lost;
    }
}

impl Tally {
    fn print(&self, seconds: u64) {
        say(&format!(
            "net real-aegis: runs={} violations={} seconds={seconds} faults: leader-killed={} not-reached={} rolls={} backs={} requests={} writes={} failed={} lost={}",
            self.runs,
            self.violations,
            self.killed,
            self.not_reached,
            self.sums.rolls,
            self.sums.backs,
            self.sums.requests,
            self.sums.writes,
            self.sums.failed,
            self.sums.lost
        ));
    }
}
