//! The cluster before the first event: formed and joined by the real commands, databases up on the old binary.

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::machine::command::{Command, Founder, Joiner, Settings};
use aegis_updates::machine::state::State;
use aegis_updates::machine::submission::Submission;

use super::agent::Agent;
use super::host::Host;
use super::log::{Entry, Payload};
use super::member::{Daemon, Lead, Member, WALL_START_MS};
use super::{Event, World};

/// A join token outlives the forming by far.
const JOIN_TOKEN_TTL_MS: u64 = 3_600_000;

impl World {
    /// Forms the cluster and starts everything.
    pub fn form(&mut self) {
        self.now = 1;
        self.oracle.times.wall_bound_ms = WALL_START_MS;
        let first = MemberId(1);
        self.log.term = 1;
        self.log.leader = Some(first);
        self.log.voters.insert(first);
        self.log.members.insert(first);
        self.log.acknowledged_ms = self.now;
        for number in 0..self.setting.hosts {
            self.members.push(member(number, self.setting.old));
        }
        let mut payloads = vec![Payload::Blank];
        payloads.push(self.submission(
            Principal::Member { member: first },
            Command::OpenTerm { idle_ms: None },
        ));
        let founder = Command::Form(self.founder());
        payloads.push(self.submission(Principal::Host { member: first }, founder));
        payloads.push(membership(1, 1));
        for number in 1..self.setting.hosts {
            payloads.extend(self.joins(number));
            payloads.push(membership(
                (number + 1).min(self.setting.voters),
                number + 1,
            ));
        }
        for payload in payloads {
            let entry = Entry {
                term: 1,
                leader: first,
                appended_ms: self.now,
                payload,
                ticket: None,
            };
            self.log.append(entry, self.now);
        }
        self.start_everything(first);
    }

    fn start_everything(&mut self, first: MemberId) {
        self.members[0].lead = Some(Lead::new(1, self.now));
        for id in self.present() {
            self.members[(id.0 - 1) as usize].agent.life = 1;
            self.start_database(id);
            self.take_lock(id);
            let offset = self.random.between(1, 300);
            self.at_time(self.now + offset, Event::Lap(id));
            let offset = self.random.between(1, 1_000);
            self.at_time(self.now + offset, Event::Sample(id));
        }
        self.members[0].lead = Some(Lead::new(1, self.now));
        let _ = first;
        self.at_time(self.now, Event::Raft);
        self.at_time(self.now + 3_000, Event::Operator);
        let end = self.setting.faults_end_ms;
        self.at_time(end, Event::FaultsEnd);
        let start = self.random.between(3_000, 15_000);
        if self.setting.fault_rate > 0 {
            self.at_time(self.now + start, Event::Fault);
        }
    }

    fn submission(&self, actor: Principal, command: Command) -> Payload {
        Payload::Submission(Box::new(Submission {
            elapsed_ms: 0,
            run_ms: None,
            wall_ms: WALL_START_MS,
            actor,
            reason: None,
            request: None,
            command,
        }))
    }

    fn founder(&self) -> Founder {
        Founder {
            cluster: "simulated".to_owned(),
            node: name(0),
            member: MemberId(1),
            address: "http://n1:1".to_owned(),
            api: "http://n1:2".to_owned(),
            peer: "n1:3".to_owned(),
            zone: self.zone(0),
            settings: Settings {
                quorum_loss_grace_ms: self.setting.grace_ms,
                url_allow: vec!["http://origin/".to_owned()],
                voters_max: 5,
            },
            token: None,
        }
    }

    fn joins(&self, number: usize) -> [Payload; 2] {
        let secret = Digest::of(format!("join {number}").as_bytes());
        let node = name(number);
        let made = Command::CreateToken {
            id: format!("for-{node}"),
            hash: secret,
            grants: Grant::Join,
            ttl_ms: JOIN_TOKEN_TTL_MS,
        };
        let joins = Command::Join(Joiner {
            token: secret,
            nonce: Digest::of(format!("nonce {number}").as_bytes()),
            address: format!("http://{node}:1"),
            api: format!("http://{node}:2"),
            peer: format!("{node}:3"),
            zone: self.zone(number),
            node,
        });
        let admin = Principal::Token {
            id: "admin".to_owned(),
            role: Role::Admin,
        };
        let member = Principal::Member {
            member: MemberId(1),
        };
        [self.submission(admin, made), self.submission(member, joins)]
    }

    fn zone(&self, number: usize) -> Option<String> {
        self.setting.zones.then(|| format!("zone-{}", number % 2))
    }
}

fn name(number: usize) -> NodeName {
    // `n1` and the like are well-formed.
    format!("n{}", number + 1)
        .parse()
        .unwrap_or_else(|_| unreachable!("n{number} is a name"))
}

fn membership(voters: usize, members: usize) -> Payload {
    let up_to = |count: usize| (1..=count as u64).map(MemberId).collect::<Vec<_>>();
    Payload::Membership {
        voters: up_to(voters),
        members: up_to(members),
        joint: false,
    }
}

fn member(number: usize, first: Digest) -> Member {
    Member {
        id: MemberId(number as u64 + 1),
        name: name(number),
        daemon: Daemon::Up,
        off_until_ms: None,
        boot: 1,
        booted_ms: 0,
        wall_offset_ms: 0,
        wall_jumps: Vec::new(),
        state: State::default(),
        applied: 0,
        applied_ms: 0,
        stamped_ms: 0,
        appended: None,
        lags_until_ms: 0,
        lead: None,
        removed: false,
        host: Host::new(number, first),
        agent: Agent::new(name(number)),
        tickets: 0,
        crash_restarts: 0,
    }
}
