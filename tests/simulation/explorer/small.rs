//! The explorer's world: three hosts, all voters; letters and decisions under way as data; time stands still but
//! where a move lets it pass. The machines are the real ones. What can happen is in `moves`.

use std::rc::Rc;

use aegis_updates::access::principal::Principal;
use aegis_updates::access::token::Grant;
use aegis_updates::agent::machine::{Act, Host as Machine, Ledger};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::{MemberId, NodeName, PlanId};
use aegis_updates::fleet::intent::Begin;
use aegis_updates::fleet::observation::Observation;
use aegis_updates::machine::apply::apply_membership;
use aegis_updates::machine::command::{Command, Founder, Joiner, Settings};
use aegis_updates::machine::state::State;
use aegis_updates::plans::spec::{Release, Spec};
use aegis_updates::plans::strategy::{Deadlines, OnNodeFailure, Strategy};

pub const HOSTS: usize = 3;
/// The only plan.
pub const PLAN: PlanId = PlanId(1);

/// What is the same on every path of one exploration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// The new binary is never healthy on this host.
    pub bad: Option<usize>,
    /// A planted bug: whoever comes to lead frees every slot.
    pub new_leaders_free_slots: bool,
}

/// A state of the log, and the digest of what it means.
#[derive(Debug)]
pub struct Stamped {
    pub state: State,
    pub index: u64,
    pub meaning: String,
}

/// One host: its machine, its files and its database's process, without time.
#[derive(Debug, Clone)]
pub struct Seat {
    pub machine: Machine,
    pub installed: Digest,
    pub aside: Option<Digest>,
    pub staged: Option<Digest>,
    pub kept: Option<Digest>,
    pub runs: Option<Digest>,
    pub run: u32,
    pub ready: bool,
    pub drained: bool,
    pub acting: Option<(u64, Act)>,
    /// Taken from traffic by its daemon while it served.
    pub down_by_plan: bool,
    /// What its member has applied.
    pub applied: Rc<Stamped>,
    /// It applies nothing more until it catches up, at the latest some entries after this one.
    pub lags: Option<u64>,
    /// The machine when it was last printed, and what that gave: most moves change one host.
    pub printed: Option<Rc<(Machine, Digest)>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Letter {
    Report(Observation),
    Begin(Begin),
}

#[derive(Debug, Clone)]
pub struct Small {
    pub setup: Setup,
    pub now_ms: u64,
    /// When the newest entry was appended.
    pub appended_ms: u64,
    pub term: u64,
    pub leader: usize,
    pub newest: Rc<Stamped>,
    pub seats: Vec<Seat>,
    pub letters: Vec<(usize, Letter)>,
    /// What the leader decided and has not appended yet; and one that hangs while it decides anew, since when.
    pub decided: Option<Command>,
    pub held: Option<(Command, u64)>,
    /// A lagging leader has not seen its own last proposal come back.
    pub in_flight: bool,
    pub troubles: u8,
    /// The first thing found wrong on this path.
    pub wrong: Option<String>,
}

pub fn old() -> Digest {
    Digest::of(b"old")
}

pub fn new() -> Digest {
    Digest::of(b"new")
}

pub fn name(seat: usize) -> NodeName {
    ["a", "b", "c"][seat].parse().expect("a letter is a name")
}

pub fn member(seat: usize) -> MemberId {
    MemberId(seat as u64 + 1)
}

impl Small {
    /// A formed cluster whose plan is staged everywhere: from here on order matters.
    pub fn start(setup: Setup) -> Self {
        let nothing = Rc::new(Stamped {
            state: State::default(),
            index: 0,
            meaning: String::new(),
        });
        let seat = |number: usize| Seat {
            machine: Machine::new(Ledger::new(name(number))),
            installed: old(),
            aside: None,
            staged: None,
            kept: None,
            runs: Some(old()),
            run: 1,
            ready: true,
            drained: false,
            acting: None,
            down_by_plan: false,
            applied: Rc::clone(&nothing),
            lags: None,
            printed: None,
        };
        let mut small = Self {
            setup,
            now_ms: 1_000,
            appended_ms: 1_000,
            term: 1,
            leader: 0,
            newest: Rc::clone(&nothing),
            seats: (0..HOSTS).map(seat).collect(),
            letters: Vec::new(),
            decided: None,
            held: None,
            in_flight: false,
            troubles: 0,
            wrong: None,
        };
        small.form();
        small.plan();
        small
    }

    fn form(&mut self) {
        self.open_term();
        let admin = Principal::Host { member: member(0) };
        let settings = Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: vec!["http://origin/".to_owned()],
            voters_max: 5,
        };
        let founder = Founder {
            cluster: "small".to_owned(),
            node: name(0),
            member: member(0),
            address: "http://a".to_owned(),
            api: "http://a".to_owned(),
            peer: "a".to_owned(),
            zone: None,
            settings,
            token: None,
        };
        self.append(admin.clone(), Command::Form(founder));
        for seat in 1..HOSTS {
            let secret = Digest::of(name(seat).as_str().as_bytes());
            let token = Command::CreateToken {
                id: format!("join-{seat}"),
                hash: secret,
                grants: Grant::Join,
                ttl_ms: 1_000_000,
            };
            self.append(admin.clone(), token);
            let host = name(seat).to_string();
            let joiner = Joiner {
                token: secret,
                nonce: secret,
                node: name(seat),
                address: format!("http://{host}"),
                api: format!("http://{host}"),
                peer: host,
                zone: None,
            };
            self.append(admin.clone(), Command::Join(joiner));
        }
        let mut state = self.newest.state.clone();
        let members: Vec<_> = (0..HOSTS).map(member).collect();
        apply_membership(&mut state, self.position(), &members, &members, false);
        self.push(state);
        for seat in 0..HOSTS {
            self.wake(seat);
        }
    }

    fn plan(&mut self) {
        let admin = Principal::Host { member: member(0) };
        self.quietly(|small| {
            small
                .newest
                .state
                .nodes
                .values()
                .all(|node| node.sequence > 0)
        });
        let release = Release {
            version: semver::Version::new(2, 0, 0),
            url: "http://origin/new".to_owned(),
            sha256: new(),
        };
        let spec = Spec {
            release,
            // The leader's node and one more; the third member only votes and serves.
            nodes: Some([name(0), name(1)].into()),
            strategy: strategy(),
        };
        self.append(admin.clone(), Command::CreatePlan(spec));
        let execute = Command::Execute {
            plan: PLAN,
            revision: None,
        };
        self.append(admin, execute);
        self.quietly(|small| {
            small
                .newest
                .state
                .live_plan()
                .is_some_and(|plan| plan.all_staged())
        });
    }

    /// The first of what can happen, again and again, until something is so.
    fn quietly(&mut self, so: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            if so(self) {
                return;
            }
            let first = self.usual().into_iter().next();
            self.take(&first.expect("something can happen"));
        }
        panic!("it did not come to be");
    }
}

/// Nothing waits in it but for other parties; and the databases' count alone would let two be down, so that
/// what keeps it to one is the slot.
fn strategy() -> Strategy {
    let none = Millis(0);
    Strategy {
        min_available: Some(1),
        on_node_failure: OnNodeFailure::RollbackAll,
        deadlines: Deadlines {
            drain_grace: none,
            ready_settle: none,
            soak: none,
            health_successes: 1,
            verify: Millis(2_000),
            ..Deadlines::default()
        },
        ..Strategy::default()
    }
}
