//! Valid values: what simulated clusters wrote into their log, their state's rows and their hosts' ledgers.

use aegis_updates::agent::machine::Ledger;
use aegis_updates::machine::apply::{apply, apply_first_of_term, apply_membership};
use aegis_updates::machine::state::State;
use aegis_updates::machine::submission::{Position, Submission};

use crate::random::Random;
use crate::setting::Setting;
use crate::world::World;
use crate::world::log::Payload;

/// Seeds of the simulation that end well, with releases good and bad, rollbacks, pauses and faults.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=12;
/// Of each seed's entries, so that rare commands are not drowned in reports and ticks.
const PER_KIND: usize = 12;
/// Between two looks at the ledgers, in virtual time.
const LEDGERS_EVERY_MS: u64 = 2_000;

/// A submission, and the state that it was about to be applied to.
pub struct Moment {
    pub state: State,
    pub position: Position,
    pub submission: Submission,
}

pub fn moments() -> Vec<Moment> {
    let mut moments = Vec::new();
    for seed in SEEDS {
        let mut world = world(seed);
        world.run();
        let mut seen = std::collections::BTreeMap::<_, usize>::new();
        let mut state = State::default();
        for at in 0..world.log.len() {
            let (position, entry) = world.log.entry(at);
            match &entry.payload {
                Payload::Blank => apply_first_of_term(&mut state, position),
                Payload::Membership {
                    voters,
                    members,
                    joint,
                } => {
                    apply_membership(&mut state, position, voters, members, *joint);
                }
                Payload::Submission(submission) => {
                    let kind = crate::oracle::word(&submission.command);
                    let met = seen.entry(kind).or_default();
                    if *met < PER_KIND {
                        *met += 1;
                        moments.push(Moment {
                            state: state.clone(),
                            position,
                            submission: (**submission).clone(),
                        });
                    }
                    apply(&mut state, position, submission);
                }
            }
            state.touched.clear();
        }
    }
    moments
}

/// A host's ledger as it lay on its disk, with the clock of that moment.
pub fn ledgers() -> Vec<Ledger> {
    let mut ledgers: Vec<Ledger> = Vec::new();
    for seed in SEEDS {
        let mut world = world(seed);
        for _ in 0..60 {
            let until = world.now + LEDGERS_EVERY_MS;
            world.run_until(LEDGERS_EVERY_MS, |world| world.now >= until);
            for member in &world.members {
                let ledger = &member.agent.disk;
                if ledger.work.is_some() && !ledgers.contains(ledger) {
                    ledgers.push(ledger.clone());
                }
            }
        }
    }
    ledgers
}

fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let setting = Setting::draw(&mut random.split());
    let mut world = World::new(random.next(), setting, false);
    world.form();
    world
}
