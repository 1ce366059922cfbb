//! One round: a cluster is formed, plans meet trouble, trouble ends, everything comes to rest, and the record
//! is judged.

use std::sync::Arc;
use std::time::Duration;

use aegis_updates::base::digest::Digest;
use aegis_updates::control::service::{Consistency, Denied, Service};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::image;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::plans::plan::Status;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::checks::registers::Did;
use super::clients::Client;
use super::met::Met;
use super::random::Random;
use super::setting::Setting;
use super::trouble::{Trouble, supervise};
use super::world::World;
use crate::support::client;

/// The longest deadlines of a round's plans are a minute, and one may follow another.
const RESTS_WITHIN: Duration = Duration::from_secs(240);
/// What takes longer is told on the way.
const SLOW: Duration = Duration::from_secs(20);
const BEAT: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(100);

pub struct Ended {
    /// Everything that is wrong with this seed.
    pub wrong: Vec<String>,
    /// What came when, in a line.
    pub told: String,
    /// The same for the same seed where time is the seed's too.
    #[allow(dead_code)] // Read only there.
    pub trace: Digest,
}

pub async fn run(seed: u64, setting: Setting, met: Arc<Met>) -> Ended {
    let began = Instant::now();
    let mut random = Random::new(seed ^ 0x5eed);
    let world = World::form(seed, setting, met).await;
    let formed = began.elapsed();
    let (stop, stopped) = watch::channel(false);
    let mut beats = JoinSet::new();
    beats.spawn(beat(world.clone()));
    beats.spawn(supervise(world.clone()));
    let mut busy = clients(&world, &mut random, &stopped);
    if !world.setting.calm {
        // Some rounds give plans room to move, others hardly any.
        let pace = match random.percent(60) {
            true => (500, 3_000),
            false => (100, 900),
        };
        for number in 0..2 {
            let trouble = Trouble {
                world: world.clone(),
                random: random.split(),
                stop: stopped.clone(),
                moves_members: number == 0,
                pace,
            };
            busy.spawn(trouble.run());
        }
    }
    sleep(Duration::from_millis(world.setting.troubles_ms)).await;
    let _ = stop.send(true);
    let mut wrong = Vec::new();
    while let Some(ended) = busy.join_next().await {
        if let Err(panicked) = ended {
            wrong.push(format!("a task of the test: {panicked}"));
        }
    }
    let troubled = began.elapsed();
    if random.percent(60) {
        go_on(&world).await;
    }
    if let Err(unrest) = rest(&world).await {
        wrong.push(format!(
            "I11: not at rest within {RESTS_WITHIN:?}: {unrest}"
        ));
    }
    let rested = began.elapsed();
    wrong.extend(judge(&world).await);
    beats.shutdown().await;
    let requests = world.history.size();
    end(&world).await;
    let told = format!(
        "{} members, formed {formed:.1?}, troubles over {troubled:.1?}, at rest {rested:.1?}, \
         {requests} requests, {} wrong",
        world.setting.members,
        wrong.len()
    );
    let trace = world.watch.trace(&world.history);
    Ended { wrong, told, trace }
}

fn clients(
    world: &Arc<World>,
    random: &mut Random,
    stopped: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut busy = JoinSet::new();
    for number in 0..world.setting.clients {
        let client = Client {
            world: world.clone(),
            random: random.split(),
            steers: if number == 0 { 40 } else { 3 },
            pause: world.setting.pause_ms,
            traces: 0,
            number,
        };
        busy.spawn(client.run(stopped.clone()));
    }
    busy
}

/// The databases live on by themselves.
async fn beat(world: Arc<World>) {
    loop {
        world.fleet.with(|_| ());
        sleep(BEAT).await;
    }
}

/// An operator who finds the plan paused once it is quiet has it go on.
async fn go_on(world: &Arc<World>) {
    let Some(state) = read(world).await else {
        return;
    };
    let Some(plan) = state.live_plan() else {
        return;
    };
    let Status::Paused { of, .. } = plan.status else {
        return;
    };
    let (plan, direction) = (plan.id, Some(of));
    drop(state);
    let began_ns = world.history.now_ns();
    let call = client(Command::Resume { plan, direction });
    let asked = world.any();
    let said = world.on(
        &asked,
        move |station| async move { station.submit(call).await },
    );
    let steered = |revision| Did::Steered {
        event: "resume",
        revision,
    };
    match said.await {
        Some(Ok(Reply::Plan { revision, .. })) => {
            world.met.count("resumed_in_the_end");
            let did = steered(Some(revision));
            world.history.wrote(plan, began_ns, true, did);
        }
        Some(Ok(_) | Err(Denied::Refused(_))) => {}
        Some(Err(Denied::Unavailable(_))) | None => {
            world.history.wrote(plan, began_ns, false, steered(None));
        }
    }
}

async fn rest(world: &Arc<World>) -> Result<(), String> {
    let (began, mut told) = (Instant::now(), SLOW);
    loop {
        let Some(unrest) = unrest(world).await else {
            return Ok(());
        };
        let waited = began.elapsed();
        if waited > RESTS_WITHIN {
            return Err(unrest);
        }
        if waited > told {
            eprintln!("no rest after {waited:.0?}: {unrest}");
            told += SLOW;
        }
        sleep(LOOK).await;
    }
}

/// What does not rest, if anything. Members that were removed are put to sleep on the way.
async fn unrest(world: &Arc<World>) -> Option<String> {
    let Some(state) = read(world).await else {
        return Some(format!("a member does not answer\n{}", world.told()));
    };
    bury(world, &state).await;
    let moves = state.plans.values().find_map(|plan| match plan.status {
        Status::InProgress | Status::RollingBack => Some(format!("{} is {}", plan.id, plan.status)),
        Status::Paused { .. } if plan.cancelling => Some(format!("{} is being cancelled", plan.id)),
        _ => None,
    });
    if let Some(moves) = moves {
        return Some(format!("{moves}; {}", waits(world).await));
    }
    if let Some(change) = &state.head.membership.opened {
        return Some(format!("membership changes: {change:?}"));
    }
    if let Some(left_out) = world.fleet.with(|hosts| hosts.left_out()) {
        let nodes: Vec<_> = state.nodes.values().collect();
        return Some(format!("{left_out}: {nodes:?}"));
    }
    // Nobody is let in while a node is in hand, and a plan that is left paused may keep one so.
    let in_hand = state.nodes.values().any(|node| node.slot.is_some());
    let mut states = world.states();
    states.retain(|(_, state)| !in_hand || state.head.applied > 0);
    let same = |state: &Arc<State>| state.head.applied == states[0].1.head.applied;
    let apart: Vec<_> = states
        .iter()
        .map(|(id, state)| (id, state.head.applied))
        .collect();
    if states.iter().all(|(_, state)| same(state)) {
        return None;
    }
    Some(format!("members are apart: {apart:?}\n{}", world.told()))
}

async fn read(world: &Arc<World>) -> Option<Arc<State>> {
    let began_ns = world.history.now_ns();
    let asked = world.any();
    let read = world.on(&asked, async |station| {
        station.read(Consistency::Linearizable).await
    });
    let state = read.await?.ok()?.state;
    world.history.read(began_ns, &state);
    Some(state)
}

async fn bury(world: &Arc<World>, state: &State) {
    let gone = {
        let mut seats = world.seats.lock().unwrap();
        let gone = seats.keys().find(|name| !state.nodes.contains_key(*name));
        let gone = gone.cloned();
        gone.and_then(|name| seats.remove(&name))
    };
    if let Some(life) = gone.and_then(|seat| seat.life) {
        life.kill().await;
    }
}

async fn waits(world: &Arc<World>) -> String {
    let asked = world.any();
    let explained = world.on(&asked, async |station| station.explain().await);
    match explained.await {
        Some(Ok(waits)) => {
            let told = waits.iter();
            let told: Vec<String> = told
                .map(|wait| format!("{} {:?}: {}", wait.code, wait.subject, wait.detail))
                .collect();
            told.join("; ")
        }
        other => format!("explain says {other:?}"),
    }
}

async fn judge(world: &Arc<World>) -> Vec<String> {
    let mut wrong = world.fleet.with(|hosts| std::mem::take(&mut hosts.wrong));
    wrong.extend(world.watch.take_wrong());
    let states = world.states();
    let digests: Vec<_> = states
        .iter()
        .map(|(id, state)| (*id, state.head.applied, image::digest(state)))
        .collect();
    for (id, applied, digest) in &digests {
        let (first, at, known) = &digests[0];
        if applied == at && digest != known {
            wrong.push(format!("I14: members {first} and {id} differ at {at}"));
        }
    }
    match states.first() {
        Some((_, state)) => wrong.extend(world.history.judge(state)),
        None => wrong.push("nobody is left".to_owned()),
    }
    wrong
}

async fn end(world: &Arc<World>) {
    let seats = std::mem::take(&mut *world.seats.lock().unwrap());
    for life in seats.into_values().filter_map(|seat| seat.life) {
        life.end().await;
    }
}
