//! The group of the explorer's world: commits an entry at once, and judges it. Delay is in the letters, in the
//! decisions under way and in members that lag.

use std::fmt::Write as _;
use std::rc::Rc;

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::agent::machine::Input;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::decision::begin;
use aegis_updates::decision::decide::{Decision, decide};
use aegis_updates::fleet::view::{ClusterView, Heard, Host, Sample, Voter};
use aegis_updates::machine::apply::{Outcome, apply, apply_first_of_term};
use aegis_updates::machine::check::check;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::image;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::machine::submission::{Position, Submission};

use super::small::{HOSTS, Letter, PLAN, Small, Stamped, member, name};
use crate::invariants::{i01, i03, i04, i10};
use crate::oracle::{Step, Times};

impl Small {
    pub fn position(&self) -> Position {
        Position {
            index: self.newest.index + 1,
            term: self.term,
            leader: member(self.leader),
        }
    }

    pub fn push(&mut self, mut state: State) {
        state.touched.clear();
        let meaning = meaning(&state);
        let index = self.newest.index + 1;
        self.newest = Rc::new(Stamped {
            state,
            index,
            meaning,
        });
        for seat in self.seats.iter_mut().filter(|seat| seat.lags.is_none()) {
            seat.applied = Rc::clone(&self.newest);
        }
    }

    /// Commits an entry. True unless it was refused for good.
    pub fn append(&mut self, actor: Principal, command: Command) -> bool {
        let mut state = self.newest.state.clone();
        let submission = Submission {
            elapsed_ms: self.now_ms - self.appended_ms,
            run_ms: None,
            wall_ms: self.now_ms,
            actor,
            reason: Some("a reason".to_owned()),
            request: None,
            command,
        };
        let appended_ms = std::mem::replace(&mut self.appended_ms, self.now_ms);
        let position = self.position();
        let Outcome { result, facts } = apply(&mut state, position, &submission);
        let step = Step {
            now_ms: self.now_ms,
            position,
            appended_ms,
            command: &submission.command,
            before: Some(&self.newest.state),
            after: &state,
            result: &result,
            facts: &facts,
            times: &Times::default(),
        };
        let judged = [
            ("I1", i01::judge(&step)),
            ("I3", i03::judge(&step)),
            ("I4", i04::judge(&step)),
            ("I10", i10::judge_state(&step)),
        ];
        let broken = judged
            .into_iter()
            .find_map(|(which, judged)| judged.err().map(|detail| format!("{which}: {detail}")));
        let torn = check(&state).first().map(|first| format!("check: {first}"));
        let torn = torn.filter(|_| !self.setup.new_leaders_free_slots);
        self.wrong = self.wrong.take().or(broken).or(torn);
        let stands = matches!(result, Ok(_) | Err(Refusal::TermNotOpen));
        self.push(state);
        stands
    }

    pub fn append_decided(&mut self, command: Option<Command>) {
        let leader = Principal::Member {
            member: member(self.leader),
        };
        if let Some(command) = command {
            self.append(leader, command);
        }
    }

    pub fn operator(&mut self, command: Command) {
        let operator = Principal::Token {
            id: "operator".to_owned(),
            role: Role::Operator,
        };
        self.append(operator, command);
    }

    pub fn open_term(&mut self) {
        let mut state = self.newest.state.clone();
        apply_first_of_term(&mut state, self.position());
        self.push(state);
        self.append_decided(Some(Command::OpenTerm { idle_ms: Some(0) }));
    }

    pub fn deliver(&mut self, from: usize, letter: Letter) {
        let actor = Principal::Member {
            member: member(from),
        };
        match letter {
            Letter::Report(report) => {
                let sequence = report.sequence;
                if !self.append(actor, Command::Observe(report)) {
                    self.tell(from, Input::ReportRefused { sequence });
                }
            }
            Letter::Begin(begin) => {
                let state = &self.seats[self.leader].applied.state;
                let node = name(from);
                match begin::may(state, &self.view(), &node, &begin) {
                    Ok(()) => {
                        let entry = Command::Begin {
                            node,
                            begin: begin.clone(),
                        };
                        if !self.append(actor, entry) {
                            let reason = "the log refused it".to_owned();
                            self.tell(from, Input::BeginRefused { begin, reason });
                        }
                    }
                    Err(refusal) => {
                        let reason = format!("{refusal:?}");
                        self.tell(from, Input::BeginRefused { begin, reason });
                    }
                }
            }
        }
    }

    pub fn decision(&self) -> Decision {
        decide(&self.seats[self.leader].applied.state, &self.view())
    }

    /// All evidence is fresh at the instant of deciding: what hangs after that makes it old.
    fn view(&self) -> ClusterView {
        let head = &self.seats[self.leader].applied.state.head;
        let host = |seat: usize| {
            let database = self.database(seat);
            let ledger = &self.seats[seat].machine.ledger;
            let sample = Sample {
                healthy: database.healthy,
                version: database.version,
                digest: database.digest,
                ready: self.seats[seat].ready,
                drained: database.drained,
                safe_to_stop: Ok(()),
                disk_free_bytes: u64::MAX,
                generation: ledger.newest,
                step: ledger.step(),
            };
            let age = Millis(0);
            let heard = Heard::Heard { age, sample };
            let host = Host {
                heard,
                ..Host::default()
            };
            (name(seat), host)
        };
        let voter = |seat| (member(seat), Voter { caught_up: true });
        ClusterView {
            me: Some(member(self.leader)),
            leads: head.term.number == self.term && head.term.opened,
            term: self.term,
            quorum_ack_age: Some(Millis(0)),
            membership_changing: false,
            voters: (0..HOSTS).map(voter).collect(),
            hosts: (0..HOSTS).map(host).collect(),
        }
    }

    /// What must hold in every state.
    pub fn judge(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let down = (0..HOSTS).filter(|seat| self.seats[*seat].down_by_plan);
        let down: Vec<String> = down.map(|seat| name(seat).to_string()).collect();
        if down.len() > 1 {
            return Err(format!("I2: {} are down by plan at once", down.join(", ")));
        }
        if self.usual().is_empty() && !self.rests() {
            return Err("I11: nothing can happen, and nothing rests".to_owned());
        }
        Ok(())
    }

    /// How the plan stands, in its own word.
    pub fn end(&self) -> String {
        let plan = self.newest.state.plans.get(&PLAN);
        plan.map_or_else(String::new, |plan| plan.status.name().to_owned())
    }

    /// Everything that can make a difference later, and nothing that only remembers how it came about.
    pub fn fingerprint(&mut self) -> Digest {
        let mut text = self.newest.meaning.clone();
        for seat in &mut self.seats {
            let known = seat.printed.take_if(|known| known.0 != seat.machine);
            drop(known);
            let printed = seat.printed.get_or_insert_with(|| {
                let print = Digest::of(format!("{:?}", seat.machine).as_bytes());
                Rc::new((seat.machine.clone(), print))
            });
            let files = [
                Some(printed.1),
                Some(seat.installed),
                seat.aside,
                seat.staged,
                seat.kept,
                seat.runs,
            ];
            let flags = [seat.ready, seat.drained, seat.down_by_plan];
            text.push_str(&seat.applied.meaning);
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "{files:?}{flags:?}{}{:?}{:?}",
                seat.run, seat.lags, seat.acting
            );
        }
        let _ = write!(text, "{:?}{:?}{:?}", self.letters, self.decided, self.held);
        let _ = write!(text, "{} {} ", self.now_ms, self.appended_ms);
        let _ = write!(
            text,
            "{} {} {} {}",
            self.term, self.leader, self.in_flight, self.troubles
        );
        Digest::of(text.as_bytes())
    }
}

fn meaning(state: &State) -> String {
    let mut state = state.clone();
    state.head.journal = Default::default();
    image::digest_of_effects(&state).map_or_else(|error| error, |digest| digest.to_string())
}
