//! What one round does, all of it from its number: how it goes back, and whether, where and when the
//! leader's daemon is killed.

use std::fmt;

use aegis_updates::plans::progress::Step;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The finished plan is taken back, from what the hosts kept.
    Rollback,
    /// Another plan, to the release before.
    Forward,
}

/// The daemon that leads is killed when a node enters a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    pub on_way_back: bool,
    pub step: Step,
    /// Nodes that enter the step before.
    pub passed: usize,
    /// Started again only when another daemon leads; else at once, as a supervisor does.
    pub after_successor: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Script {
    pub number: usize,
    pub back: Back,
    pub kill: Option<Kill>,
}

impl Script {
    /// Every second round kills; eighteen consecutive rounds kill at each step once.
    pub fn of(number: usize) -> Self {
        let turn = number / 2;
        let kill = Step::ALL.get(turn % Step::ALL.len()).map(|step| Kill {
            // What goes back by rollback needs no staging.
            on_way_back: !(turn / 2).is_multiple_of(2) && *step != Step::Staging,
            step: *step,
            // All are staged at once.
            passed: match step {
                Step::Staging => 0,
                _ => turn % 3,
            },
            after_successor: (turn / 3).is_multiple_of(2),
        });
        Self {
            number,
            back: if turn.is_multiple_of(2) {
                Back::Rollback
            } else {
                Back::Forward
            },
            kill: kill.filter(|_| number % 2 == 1),
        }
    }
}

impl fmt::Display for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rollback => "by rollback",
            Self::Forward => "by a plan",
        })
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {} of node {} on the way {}",
            self.step,
            self.passed + 1,
            if self.on_way_back { "back" } else { "forth" }
        )
    }
}
