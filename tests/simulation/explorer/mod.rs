//! The exhaustive explorer: three hosts, a budget of one, one plan; every order of delivering, deciding, appending
//! and acting, with a bounded number of troubles anywhere, through the real functions. What must hold is judged
//! in every state; where nothing can happen, everything must rest.

mod group;
mod host;
mod moves;
mod small;

use std::collections::{BTreeMap, HashMap, VecDeque};

use aegis_updates::base::digest::Digest;
use moves::Move;
use small::{Setup, Small};

/// What one exploration visited.
#[derive(Debug)]
struct Visited {
    states: usize,
    moves: usize,
    depth: usize,
    /// How the plan stood where everything rested.
    ends: BTreeMap<String, usize>,
}

/// Every state that `troubles` troubles can lead to. Breadth first, so that a path to something wrong is a
/// shortest one.
fn explore(setup: Setup, troubles: u8) -> Result<Visited, String> {
    let mut start = Small::start(setup);
    let first = start.fingerprint();
    let mut parents: HashMap<Digest, (Digest, Option<Move>)> =
        HashMap::from([(first, (first, None))]);
    let mut queue = VecDeque::from([(start, first, 0)]);
    let mut visited = Visited {
        states: 1,
        moves: 0,
        depth: 0,
        ends: BTreeMap::new(),
    };
    let most = crate::number("STATES", u64::MAX) as usize;
    while let Some((small, print, depth)) = queue.pop_front() {
        if parents.len() > most {
            println!("{visited:?}");
            break;
        }
        visited.depth = depth;
        if small.rests() {
            *visited.ends.entry(small.end()).or_default() += 1;
        }
        for one in small.moves(troubles) {
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
fn told(what: &str, setup: Setup, troubles: u8) -> Visited {
    let visited = explore(setup, troubles).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
    println!("explored: {what}, at most {troubles} troubles: {visited:?}");
    visited
}

/// How many troubles a path may have: one in CI, `TROUBLES` for more.
fn troubles() -> u8 {
    crate::number("TROUBLES", 1) as u8
}

#[test]
fn without_trouble_every_order_completes() {
    let visited = told("a good release", Setup::default(), 0);
    assert_eq!(
        visited.ends.keys().collect::<Vec<_>>(),
        ["Completed"],
        "{visited:?}"
    );
}

#[test]
fn a_good_release_with_troubles_anywhere() {
    let visited = told("a good release", Setup::default(), troubles());
    for end in ["Completed", "Cancelled", "Paused", "RolledBack"] {
        assert!(visited.ends.contains_key(end), "{end}: {visited:?}");
    }
}

#[test]
fn a_release_that_is_bad_on_the_second_host_with_troubles_anywhere() {
    let setup = Setup {
        bad: Some(0),
        ..Setup::default()
    };
    let visited = told("bad on the second host", setup, troubles());
    assert!(!visited.ends.contains_key("Completed"), "{visited:?}");
    assert!(visited.ends.contains_key("RolledBack"), "{visited:?}");
}

/// The explorer catches: with a bug planted in its world it finds two hosts down, by a shortest path.
#[test]
fn a_leader_that_frees_slots_is_found() {
    let setup = Setup {
        new_leaders_free_slots: true,
        ..Setup::default()
    };
    let found = explore(setup, 1).err().unwrap_or_default();
    assert!(found.starts_with("I2: "), "{found:?}");
    println!("planted, and found: {found}");
}
