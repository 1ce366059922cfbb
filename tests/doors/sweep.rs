//! Every command, in many forms, against clusters at many stages: whatever is refused has changed nothing,
//! whichever of a refusal's ways was taken, and nothing that is refused was thought impossible.

use std::collections::{BTreeMap, BTreeSet};

use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::{Generation, MemberId, NodeName, PlanId};
use aegis_updates::base::version;
use aegis_updates::fleet::intent::{Begin, Evidence, Which};
use aegis_updates::fleet::observation::{Answer, Database, Notice, Observation, Rejoin, Report};
use aegis_updates::machine::apply::apply;
use aegis_updates::machine::command::{
    Change, Command, Founder, NodeFailure, Purpose, Raise, Settings, Take,
};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Head, State};
use aegis_updates::machine::submission::Position;
use aegis_updates::plans::plan::Direction;
use aegis_updates::plans::progress::Step;
use aegis_updates::plans::strategy::Strategy;

use super::rig::{ME, Rig};
use super::scene::{PLAN, healthy, join_token, joiner, name, old, spec, submission, token};

macro_rules! commands {
    ($($command:ident)*) => {
        /// A command that is not listed below stops the build.
        const fn word(command: &Command) -> &'static str {
            match command {
                $(Command::$command { .. } => stringify!($command),)*
            }
        }

        const ALL: &[&str] = &[$(stringify!($command)),*];
    };
}

commands! {
    CreatePlan Execute Pause Resume Cancel Rollback RetryNode SkipNode ReleaseSlot ClearDrift CreateToken
    RevokeToken OpenMembership CloseMembership Finalize Form Join Observe Begin OpenTerm Tick Take StandDown
    HandoffFailed FailNode GiveUpNode LoseQuorum
}

const MEMBERS: [MemberId; 3] = [ME, MemberId(2), MemberId(9)];
const PLANS: [PlanId; 2] = [PLAN, PlanId(9)];

fn nodes() -> Vec<NodeName> {
    [1, 2, 3, 9].map(name).to_vec()
}

/// The newest generation that this node was given, the one before and the one after.
fn generations(state: &State, node: &NodeName) -> Vec<Generation> {
    let newest = state.nodes.get(node).map(|node| node.generation);
    let newest = newest.unwrap_or(Generation {
        incarnation: 1,
        number: 1,
    });
    let before = Generation {
        number: newest.number.saturating_sub(1),
        ..newest
    };
    vec![before, newest, newest.next()]
}

fn of_operators() -> Vec<Command> {
    let mut commands = vec![
        Command::CreatePlan(spec(None, Strategy::default())),
        Command::CreatePlan(spec(Some(&[]), Strategy::default())),
        Command::CreatePlan(spec(Some(&[9]), Strategy::default())),
        Command::RevokeToken { id: "x".to_owned() },
        token("viewer-1", "another", Grant::Join),
        join_token("join", Digest::of(b"join")),
    ];
    for plan in PLANS {
        for revision in [None, Some(7)] {
            commands.push(Command::Execute { plan, revision });
        }
        for direction in [None, Some(Direction::Forward), Some(Direction::Back)] {
            commands.push(Command::Resume { plan, direction });
        }
        commands.push(Command::Pause { plan });
        commands.push(Command::Cancel { plan });
        for nodes in [None, Some([name(2)].into()), Some([name(9)].into())] {
            commands.push(Command::Rollback { plan, nodes });
        }
        for node in nodes() {
            let retried = node.clone();
            commands.push(Command::RetryNode {
                plan,
                node: retried,
            });
            commands.push(Command::SkipNode { plan, node });
        }
    }
    for node in nodes() {
        commands.push(Command::ClearDrift { node: node.clone() });
        for (host_is_off, heard) in [(false, false), (false, true), (true, false), (true, true)] {
            let node = node.clone();
            commands.push(Command::ReleaseSlot {
                node,
                host_is_off,
                heard,
            });
        }
    }
    commands
}

fn of_membership() -> Vec<Command> {
    let founder = Founder {
        cluster: "another".to_owned(),
        node: name(1),
        member: ME,
        address: String::new(),
        api: String::new(),
        peer: String::new(),
        zone: None,
        settings: Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: Vec::new(),
            voters_max: 5,
        },
        token: None,
    };
    let mut commands = vec![
        Command::Form(founder),
        Command::Join(joiner(2, Digest::of(b"guessed"))),
        Command::CloseMembership { done: true },
        Command::CloseMembership { done: false },
    ];
    for to in [None, Some(0), Some(1), Some(2)] {
        commands.push(Command::Finalize(Raise {
            to: to.map(version::Cluster),
            supported: BTreeMap::new(),
        }));
    }
    for node in nodes() {
        let changes = [
            Change::Promote { node: node.clone() },
            Change::Demote { node: node.clone() },
            Change::Remove {
                node: node.clone(),
                reachable: true,
            },
            Change::Remove {
                node,
                reachable: false,
            },
        ];
        commands.extend(changes.map(|change| Command::OpenMembership { change }));
    }
    let member = MemberId(9);
    let change = Change::Add { member };
    commands.push(Command::OpenMembership { change });
    commands
}

fn reports() -> Vec<Report> {
    let answers = [
        Answer::Staged,
        Answer::AlreadyThere,
        Answer::Updated {
            rejoin: Rejoin::Peers,
        },
        Answer::RolledBack {
            rejoin: Rejoin::Own,
        },
        Answer::GivenBack {
            reason: "no begin".to_owned(),
        },
        Answer::Recovered,
        Answer::StoodDown,
        Answer::Failed {
            step: Step::Verifying,
            class: Class::HealthGateFailed,
            detail: "sick".to_owned(),
        },
    ];
    let answered = answers.into_iter().flat_map(|answer| {
        [false, true].map(|acted| Report::Answered {
            answer: answer.clone(),
            acted,
        })
    });
    let detail = || "somebody".to_owned();
    let others = [
        Report::Preflight {
            rollback_target: old(),
        },
        Report::Entered(Step::Staging),
        Report::Entered(Step::Draining),
        Report::Entered(Step::Soaking),
        Report::Noticed(Notice::Changed),
        Report::Noticed(Notice::UnknownHands { detail: detail() }),
        Report::Noticed(Notice::ActedIsolated { detail: detail() }),
    ];
    answered.chain(others).collect()
}

fn of_hosts(state: &State) -> Vec<Command> {
    let mut commands = Vec::new();
    for node in nodes() {
        let sequence = state.nodes.get(&node).map_or(0, |node| node.sequence);
        for generation in generations(state, &node) {
            for which in [Which::First, Which::Second] {
                for attempt in [1, 2] {
                    let begin = Begin {
                        generation,
                        which,
                        attempt,
                    };
                    let node = node.clone();
                    commands.push(Command::Begin { node, begin });
                }
            }
            for report in reports() {
                for sequence in [sequence, sequence + 1] {
                    for database in [healthy(), Database::default()] {
                        commands.push(Command::Observe(Observation {
                            node: node.clone(),
                            generation,
                            sequence,
                            database,
                            report: report.clone(),
                        }));
                    }
                }
            }
        }
    }
    commands
}

fn of_the_leader(state: &State) -> Vec<Command> {
    let mut commands = vec![
        Command::OpenTerm { idle_ms: None },
        Command::OpenTerm {
            idle_ms: Some(60_000),
        },
        Command::Tick { previous_ms: 1 },
        Command::Tick {
            previous_ms: 60_000,
        },
    ];
    for target in [None, Some(MemberId(2))] {
        let reason = "it lags".to_owned();
        commands.push(Command::HandoffFailed { target, reason });
    }
    for plan in PLANS {
        let lost = vec![name(2)];
        commands.push(Command::LoseQuorum { plan, lost });
        let revision = state.plans.get(&plan).map_or(1, |plan| plan.revision);
        for node in nodes() {
            for after in generations(state, &node) {
                commands.push(Command::FailNode(NodeFailure {
                    plan,
                    node: node.clone(),
                    after,
                    class: Class::Unreachable,
                    detail: "silent".to_owned(),
                    seen_run_ms: None,
                }));
                commands.push(Command::GiveUpNode {
                    plan,
                    node: node.clone(),
                    after,
                });
                commands.extend(takes(plan, revision, &node, after));
            }
        }
    }
    for node in nodes() {
        for after in generations(state, &node) {
            let node = node.clone();
            commands.push(Command::StandDown { node, after });
        }
    }
    commands
}

fn takes(plan: PlanId, revision: u64, node: &NodeName, after: Generation) -> Vec<Command> {
    let purposes = [
        Purpose::Update,
        Purpose::Rollback { marked: false },
        Purpose::Rollback { marked: true },
    ];
    let seen = |healthy| {
        let seen = |number| Evidence {
            node: name(number),
            healthy,
            age_ms: 1,
        };
        [1, 2, 3].map(seen).to_vec()
    };
    let mut commands = Vec::new();
    for purpose in purposes {
        for evidence in [Vec::new(), seen(true), seen(false)] {
            for revision in [revision, revision + 1] {
                commands.push(Command::Take(Take {
                    plan,
                    revision,
                    node: node.clone(),
                    after,
                    purpose,
                    evidence: evidence.clone(),
                }));
            }
        }
    }
    commands
}

/// Clusters at the stages that commands are about.
async fn stages() -> Vec<(&'static str, State)> {
    let mut stages = Vec::new();
    for (stage, rig) in [
        ("unformed", Rig::unformed().await),
        ("formed", Rig::of(3).await),
        ("pending", Rig::pending().await),
        ("running", Rig::running().await),
        ("staged", Rig::staged().await),
        ("taken", Rig::taken().await),
        ("begun", Rig::begun().await),
    ] {
        stages.push((stage, (*rig.state()).clone()));
        rig.end().await;
    }
    // Each with one thing more, done by what is accepted there.
    let more = [
        ("paused", Command::Pause { plan: PLAN }),
        (
            "turned",
            Command::Rollback {
                plan: PLAN,
                nodes: None,
            },
        ),
        ("cancelled", Command::Cancel { plan: PLAN }),
        (
            "changing",
            Command::OpenMembership {
                change: Change::Add {
                    member: MemberId(9),
                },
            },
        ),
    ];
    for (stage, state) in stages.clone() {
        for (added, command) in &more {
            let mut state = state.clone();
            if put(&mut state, ME, command).is_ok() {
                let both = format!("{stage}, {added}");
                stages.push((both.leak(), state));
            }
        }
    }
    stages
}

fn put(state: &mut State, member: MemberId, command: &Command) -> Result<(), Refusal> {
    let position = Position {
        index: state.head.applied + 1,
        term: state.head.term.number,
        leader: ME,
    };
    let outcome = apply(state, position, &submission(member, command.clone()));
    outcome.result.map(|_| ())
}

/// But for what also a refused command moves: the clock, the applied index, the term that was entered.
/// Requests came without keys here.
fn is_same(one: &State, other: &State) -> bool {
    let State {
        head,
        nodes,
        plans,
        tokens,
        requests,
        touched: _,
    } = one;
    let head = Head {
        clock: other.head.clock,
        term: other.head.term.clone(),
        applied: other.head.applied,
        ..head.clone()
    };
    head == other.head
        && *nodes == other.nodes
        && *plans == other.plans
        && *tokens == other.tokens
        && *requests == other.requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_refused_has_changed_nothing_and_was_not_thought_impossible() {
    let (mut tried, mut refused) = (BTreeSet::new(), BTreeSet::new());
    // One of each sort is enough to see what is wrong.
    let mut wrong = BTreeMap::new();
    for (stage, state) in stages().await {
        let commands = [
            of_operators(),
            of_membership(),
            of_hosts(&state),
            of_the_leader(&state),
        ];
        let mut tried_on = state.clone();
        for command in commands.iter().flatten() {
            tried.insert(word(command));
            for member in MEMBERS {
                let Err(refusal) = put(&mut tried_on, member, command) else {
                    tried_on = state.clone();
                    continue;
                };
                let what = format!("{stage}: member {member}: {command:?}: {refusal:?}");
                let impossible = matches!(refusal, Refusal::Internal { .. });
                if impossible || !is_same(&tried_on, &state) {
                    wrong
                        .entry((word(command), refusal.to_string()))
                        .or_insert(what);
                    tried_on = state.clone();
                }
                refused.insert(refusal.code());
            }
        }
    }
    let wrong: Vec<_> = wrong.into_values().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tried, ALL.iter().copied().collect());
    // Most refusals come by more than one way; those of the table above are each met at least once.
    assert!(refused.len() >= 30, "{refused:?}");
}
