//! The exhaustive explorer: three members, a plan over two of their nodes, a budget of one; every order of
//! delivering, deciding, appending and acting, with a bounded number of troubles anywhere, through the real
//! functions. What must hold is judged in every state; where nothing can happen, everything must rest.

mod group;
mod host;
mod moves;
mod small;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use aegis_updates::base::digest::Digest;
use moves::{Kind, Move};
use small::{Setup, Small};

/// States that one exploration may visit in CI; `STATES` for more.
const STATES: u64 = 8_000;

/// What one exploration visited.
#[derive(Debug)]
struct Visited {
    states: usize,
    moves: usize,
    depth: usize,
    /// Nothing was left to visit.
    exhausted: bool,
    /// How the plan stood where everything rested.
    ends: BTreeMap<String, usize>,
}

/// Every state that `troubles` troubles of these kinds can lead to, as far as the bound reaches. Breadth first, so
/// that a path to something wrong is a shortest one.
fn explore(setup: Setup, kinds: &[Kind], troubles: u8) -> Result<Visited, String> {
    let states_max = crate::number("STATES", STATES) as usize;
    let mut start = Small::start(setup);
    let first = start.fingerprint();
    let mut parents: HashMap<Digest, (Digest, Option<Move>)> =
        HashMap::from([(first, (first, None))]);
    let mut queue = VecDeque::from([(start, first, 0)]);
    let mut visited = Visited {
        states: 1,
        moves: 0,
        depth: 0,
        exhausted: true,
        ends: BTreeMap::new(),
    };
    while let Some((small, print, depth)) = queue.pop_front() {
        visited.depth = depth;
        if small.rests() {
            *visited.ends.entry(small.end()).or_default() += 1;
            // What still hangs may strike a plan that is over.
            if small.held.is_none() {
                continue;
            }
        }
        if parents.len() >= states_max {
            visited.exhausted = false;
            continue;
        }
        for one in small.moves(kinds, troubles) {
            let mut next = small.clone();
            next.take(&one);
            visited.moves += 1;
            let print_next = next.fingerprint();
            if parents.contains_key(&print_next) {
                continue;
            }
            parents.insert(print_next, (print, Some(one)));
            if let Err(wrong) = next.judge() {
                return Err(format!("{wrong}\n{}", path(&parents, print_next)));
            }
            queue.push_back((next, print_next, depth + 1));
        }
        visited.states = parents.len();
    }
    Ok(visited)
}

fn path(parents: &HashMap<Digest, (Digest, Option<Move>)>, to: Digest) -> String {
    let mut words = Vec::new();
    let mut at = to;
    while let Some((parent, Some(one))) = parents.get(&at) {
        words.push(format!("{one:?}"));
        at = *parent;
    }
    words.reverse();
    words.join("\n")
}

/// Says how many states there are.
fn told(what: &str, setup: Setup, kinds: &[Kind], troubles: u8) -> Visited {
    let visited = explore(setup, kinds, troubles)
        .unwrap_or_else(|wrong| panic!("{what}, {kinds:?}: {wrong}"));
    println!("explored: {what}, {troubles} of {kinds:?}: {visited:?}");
    visited
}

/// How many troubles a path may have: one in CI, `TROUBLES` for more.
fn troubles() -> u8 {
    crate::number("TROUBLES", 1) as u8
}

#[test]
fn without_trouble_every_order_completes() {
    let visited = told("a good release", Setup::default(), &[], 0);
    let ends: Vec<_> = visited.ends.keys().map(String::as_str).collect();
    assert!(visited.exhausted && ends == ["Completed"], "{visited:?}");
}

#[test]
fn a_good_release_with_a_trouble_anywhere() {
    let mut ends = BTreeSet::new();
    for kind in Kind::ALL {
        let visited = told("a good release", Setup::default(), &[kind], troubles());
        // A member or a decision that is late multiplies what follows, beyond what CI has time for.
        let all = visited.exhausted || kind == Kind::Lateness || troubles() > 1;
        assert!(all, "{kind:?}: {visited:?}");
        ends.extend(visited.ends.into_keys());
    }
    assert_eq!(
        ends.iter().collect::<Vec<_>>(),
        ["Cancelled", "Completed", "Paused", "RolledBack"]
    );
}

/// The second node is the leader's own: whoever took over takes both back.
#[test]
fn a_release_that_is_bad_on_the_second_node_with_a_trouble_anywhere() {
    let setup = Setup {
        bad: Some(0),
        ..Setup::default()
    };
    let mut ends = BTreeSet::new();
    for kind in Kind::ALL {
        let visited = told("bad on the second node", setup, &[kind], troubles());
        ends.extend(visited.ends.into_keys());
    }
    assert!(
        ends.contains("RolledBack") && !ends.contains("Completed"),
        "{ends:?}"
    );
}

/// The explorer catches: with a bug planted in its world it finds two hosts down, by a shortest path.
#[test]
fn a_leader_that_frees_slots_is_found() {
    let setup = Setup {
        new_leaders_free_slots: true,
        ..Setup::default()
    };
    let found = explore(setup, &[Kind::Leaders], 1)
        .err()
        .unwrap_or_default();
    assert!(found.starts_with("I2: "), "{found:?}");
    println!("planted, and found: {found}");
}
