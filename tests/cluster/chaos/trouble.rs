//! Trouble: what befalls members, network and databases while plans run. Each fault is ended by whoever made
//! it, at the latest when the round's troubles are over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aegis_updates::agent::boot::now_ms;
use aegis_updates::base::ids::NodeName;
use aegis_updates::control::service::{MemberAct, Service};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::state::Reply;
use tokio::sync::watch;
use tokio::time::sleep;

use super::ground;
use super::member::Life;
use super::random::Random;
use super::weather::Rough;
use super::world::World;
use crate::support::client;

/// How long a supervisor takes to notice.
const SUPERVISED: Duration = Duration::from_millis(100);

pub struct Trouble {
    pub world: Arc<World>,
    pub random: Random,
    pub stop: watch::Receiver<bool>,
    /// Members come and go by this one alone, once each.
    pub moves_members: bool,
    /// The pause between two faults, in milliseconds, at least and at most.
    pub pace: (u64, u64),
}

impl Trouble {
    pub async fn run(mut self) {
        if self.moves_members && self.random.percent(40) {
            self.move_members().await;
        }
        while !self.is_over() {
            let (least, most) = self.pace;
            let pause = self.random.between(least, most);
            sleep(Duration::from_millis(pause)).await;
            match self.random.between(0, 99) {
                0..=21 => self.kill().await,
                22..=37 => self.freeze().await,
                38..=60 => self.cut().await,
                61..=76 => self.rough().await,
                77..=84 => self.transfer().await,
                85..=88 => self.falls_ill(),
                89..=92 => self.database_dies(),
                93..=94 => self.origin_is_down(),
                _ if self.moves_members => self.move_members().await,
                _ => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    async fn lasts(&mut self, least: u64, most: u64) {
        let ms = self.random.between(least, most);
        tokio::select! {
            () = sleep(Duration::from_millis(ms)) => {}
            _ = self.stop.wait_for(|over| *over) => {}
        }
    }

    /// A member that nobody else troubles now.
    fn victim(&mut self) -> Option<NodeName> {
        let mut seats = self.world.seats.lock().unwrap();
        let free = seats.iter().filter(|(_, seat)| !seat.in_trouble);
        let free: Vec<NodeName> = free.map(|(name, _)| name.clone()).collect();
        let name = self.random.pick(&free)?.clone();
        seats.get_mut(&name)?.in_trouble = true;
        Some(name)
    }

    fn leave(&self, name: &NodeName) {
        let mut seats = self.world.seats.lock().unwrap();
        if let Some(seat) = seats.get_mut(name) {
            seat.in_trouble = false;
        }
    }

    async fn kill(&mut self) {
        let Some(name) = self.victim() else { return };
        let world = self.world.clone();
        let dead = async {
            world.met.count("kill");
            let most = if self.random.percent(20) {
                6_000
            } else {
                2_000
            };
            self.lasts(50, most).await;
        };
        restart(&world, &name, dead).await;
        self.leave(&name);
    }

    async fn freeze(&mut self) {
        let Some(name) = self.victim() else { return };
        self.with_life(&name, Life::freeze);
        self.world.met.count(ground::STILL);
        // Now and then longer than a begin's lease.
        let (least, most) = match self.random.percent(25) {
            true => (4_200, 7_000),
            false => (200, 2_500),
        };
        self.lasts(least, most).await;
        self.with_life(&name, Life::thaw);
        self.leave(&name);
    }

    fn with_life(&self, name: &NodeName, act: impl FnOnce(&Life)) {
        let seats = self.world.seats.lock().unwrap();
        if let Some(life) = seats.get(name).and_then(|seat| seat.life.as_ref()) {
            act(life);
        }
    }

    async fn cut(&mut self) {
        let ids: Vec<u64> = {
            let seats = self.world.seats.lock().unwrap();
            seats.values().map(|seat| seat.place.id.0).collect()
        };
        let Some(one) = self.random.pick(&ids).copied() else {
            return;
        };
        let others: Vec<u64> = ids.iter().copied().filter(|id| *id != one).collect();
        let Some(other) = self.random.pick(&others).copied() else {
            return;
        };
        let (what, ways): (_, BTreeSet<(u64, u64)>) = match self.random.between(0, 3) {
            0 => ("cut_one_way", others.iter().map(|id| (*id, one)).collect()),
            1 => ("cut_one_way", others.iter().map(|id| (one, *id)).collect()),
            2 => ("cut_partial", [(one, other), (other, one)].into()),
            _ => {
                let there = others.iter().map(|id| (*id, one));
                let back = others.iter().map(|id| (one, *id));
                ("cut_two_ways", there.chain(back).collect())
            }
        };
        self.world.met.count(what);
        self.world.weather.cut(ways, self.random.percent(30));
        let most = if self.random.percent(10) {
            8_000
        } else {
            3_000
        };
        self.lasts(200, most).await;
        self.world.weather.heal();
    }

    async fn rough(&mut self) {
        let upto = |random: &mut Random, most| random.between(0, most);
        self.world.weather.blow(Rough {
            dropped: upto(&mut self.random, 20),
            delayed: upto(&mut self.random, 30),
            doubled: upto(&mut self.random, 20),
            reordered: upto(&mut self.random, 10),
        });
        self.lasts(500, 3_000).await;
        self.world.weather.blow(Rough::default());
    }

    async fn transfer(&mut self) {
        let to = self.world.any();
        let actor = client(Command::Pause {
            plan: aegis_updates::base::ids::PlanId(0),
        })
        .actor;
        let asked = self.world.any();
        let moved = self.world.on(&asked, async move |station| {
            station.transfer_leader(actor, None, to).await
        });
        if moved.await == Some(Ok(Reply::Done)) {
            self.world.met.count("transfer");
        }
    }

    /// One comes, and then one goes: the founder stays, since it has the CA's key.
    async fn move_members(&mut self) {
        self.moves_members = false;
        // Never left half way: a member that was admitted and has no daemon would be a trouble without end.
        let came = self.world.clone().join().await;
        self.world.met.count("join");
        let gone = {
            let seats = self.world.seats.lock().unwrap();
            let others = seats
                .iter()
                .filter(|(name, seat)| seat.place.authority.is_none() && **name != came);
            let names: Vec<NodeName> = others.map(|(name, _)| name.clone()).collect();
            self.random.pick(&names).cloned()
        };
        let Some(gone) = gone else { return };
        // Refused while a node is in hand: asked again.
        while !self.is_over() {
            let actor = client(Command::CloseMembership { done: true }).actor;
            let (asked, named) = (self.world.any(), gone.clone());
            let removed = self.world.on(&asked, async move |station| {
                let act = MemberAct::Remove;
                station.change_member(actor, None, named, act).await
            });
            if removed.await == Some(Ok(Reply::Done)) {
                self.world.met.count("remove");
                return;
            }
            self.lasts(200, 600).await;
        }
    }

    fn falls_ill(&mut self) {
        let (name, lasts) = (self.world.any(), self.random.between(300, 4_000));
        self.world.met.count("database_sick");
        self.world.fleet.with(|hosts| {
            if let Some(process) = &mut hosts.one(&name).host.process {
                process.sick_until_ms = now_ms() + lasts;
            }
        });
    }

    fn database_dies(&mut self) {
        let name = self.world.any();
        self.world.met.count("database_dies");
        self.world.fleet.with(|hosts| {
            let one = hosts.one(&name);
            if one.host.process.is_some() {
                one.ends_at_ms = Some(now_ms());
            }
        });
    }

    fn origin_is_down(&mut self) {
        let lasts = self.random.between(500, 3_000);
        self.world.met.count("origin_down");
        self.world.fleet.with(|hosts| {
            hosts.origin_down_until_ms = now_ms() + lasts;
        });
    }
}

/// Starts what has fallen again, as a supervisor does.
pub async fn supervise(world: Arc<World>) {
    loop {
        sleep(SUPERVISED).await;
        let fallen = std::mem::take(&mut *world.fallen.lock().unwrap());
        for name in fallen {
            restart(&world, &name, sleep(SUPERVISED)).await;
        }
    }
}

/// Kills a daemon that lives, and begins its next life when `dead` is over.
async fn restart(world: &Arc<World>, name: &NodeName, dead: impl Future<Output = ()>) {
    let taken = {
        let mut seats = world.seats.lock().unwrap();
        let seat = seats.get_mut(name);
        seat.and_then(|seat| Some((seat.place.clone(), seat.life.take()?)))
    };
    let Some((place, life)) = taken else { return };
    life.kill().await;
    dead.await;
    let life = Life::begin(place, world.clone()).await;
    let mut seats = world.seats.lock().unwrap();
    if let Some(seat) = seats.get_mut(name) {
        seat.life = Some(life);
    }
}
