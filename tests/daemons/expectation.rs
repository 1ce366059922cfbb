//! What must come of each cell of the crash matrix, written before it is run. The cells themselves come
//! from the enum of steps, so that a new step has cells at once.

use std::fmt;
use std::ops::RangeInclusive;

use aegis_updates::plans::progress::Step;

/// Whose host is hit: the node that is updated is a follower's, or that of the daemon that led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Follower,
    Leader,
}

/// What is killed with -9 when the journal says that the step was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Daemon,
    Database,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub role: Role,
    pub step: Step,
    pub victim: Victim,
}

/// How the cell must end: the plan's status, and how often the node's database was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub status: &'static str,
    pub starts: RangeInclusive<usize>,
}

const ROLES: [Role; 2] = [Role::Follower, Role::Leader];
const VICTIMS: [Victim; 3] = [Victim::Daemon, Victim::Database, Victim::Both];

/// Every cell.
pub fn cells() -> impl Iterator<Item = Cell> {
    let of_role = |role| Step::ALL.into_iter().map(move |step| (role, step));
    let pairs = ROLES.into_iter().flat_map(of_role);
    pairs.flat_map(|(role, step)| VICTIMS.map(|victim| Cell { role, step, victim }))
}

/// Twelve that between them meet every step, both roles, and every victim four times: the ordinary run.
pub fn fixed() -> Vec<Cell> {
    let cell = |role, step, victim| Cell { role, step, victim };
    use Role::{Follower, Leader};
    use Victim::{Both, Daemon, Database};
    vec![
        cell(Follower, Step::Staging, Daemon),
        cell(Leader, Step::Staging, Both),
        cell(Follower, Step::Draining, Database),
        cell(Leader, Step::Flushing, Daemon),
        cell(Follower, Step::BackingUp, Both),
        cell(Leader, Step::Swapping, Database),
        cell(Follower, Step::Swapping, Daemon),
        cell(Leader, Step::Restarting, Both),
        cell(Follower, Step::Restarting, Daemon),
        cell(Leader, Step::Verifying, Database),
        cell(Follower, Step::Rejoining, Both),
        cell(Leader, Step::Soaking, Database),
    ]
}

impl Cell {
    /// A daemon's death costs its database nothing. A database's death costs one start by its resident
    /// parent, unless it hits the very process that the plan is about to stop.
    pub fn expectation(self) -> Expectation {
        let starts = match (self.victim, self.step) {
            (Victim::Daemon, _) => 1..=1,
            (Victim::Database | Victim::Both, step) => match step {
                // A node that is down is taken first, and a database that is down has nothing to drain: the
                // next start may be the plan's own, before the resident parent's pause is over. And the fact
                // travels while the host goes on: the blow may fall on the old process before or during its
                // stop, or on the new one.
                Step::Staging
                | Step::Draining
                | Step::Flushing
                | Step::BackingUp
                | Step::Swapping
                | Step::Restarting => 1..=2,
                Step::Verifying | Step::Rejoining | Step::Soaking => 2..=2,
            },
        };
        Expectation {
            status: "Completed",
            starts,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Follower => "follower's",
            Role::Leader => "leader's",
        };
        let victim = match self.victim {
            Victim::Daemon => "daemon",
            Victim::Database => "database",
            Victim::Both => "both",
        };
        write!(f, "{role:<11}{:<12}{victim:<9}", self.step.name())
    }
}

#[test]
fn the_fixed_cells_are_twelve_different_ones_that_meet_everything() {
    let fixed = fixed();
    assert_eq!(fixed.len(), 12);
    let all: Vec<Cell> = cells().collect();
    assert_eq!(all.len(), 2 * Step::ALL.len() * 3);
    for (at, cell) in fixed.iter().enumerate() {
        assert!(all.contains(cell) && !fixed[..at].contains(cell), "{cell}");
    }
    for step in Step::ALL {
        assert!(fixed.iter().any(|cell| cell.step == step), "{step}");
    }
    for victim in VICTIMS {
        let times = fixed.iter().filter(|cell| cell.victim == victim).count();
        assert_eq!(times, 4, "{victim:?}");
    }
    for role in ROLES {
        assert_eq!(fixed.iter().filter(|cell| cell.role == role).count(), 6);
    }
}
