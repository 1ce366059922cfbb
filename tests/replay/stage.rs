//! Turmoil's stage: one client plays the round; what only the outside can do to a host it asks for, and gets between
//! two steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aegis_updates::base::digest::Digest;
use aegis_updates_raft::ground::replayed;
use tokio::sync::oneshot;
use turmoil::{Builder, Sim};

use super::ground;
use super::met::Met;
use super::round::{self, Ended};
use super::setting::Setting;

/// What a host runs until it is ended.
pub type Software = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = turmoil::Result>>>>;

pub enum Order {
    Start(IpAddr, Software),
    End(IpAddr, oneshot::Sender<()>),
}

/// Nothing happens between two steps; a message takes one at least.
const STEP: Duration = Duration::from_millis(2);
const LATENCY_MAX: Duration = Duration::from_millis(12);
/// Longer than any round may take to come to rest.
const LASTS_MAX: Duration = Duration::from_secs(1_800);

thread_local! {
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    static ORDERS: RefCell<VecDeque<Order>> = const { RefCell::new(VecDeque::new()) };
}

/// What panics say while a seed is played is kept with it.
pub fn listen() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.with_borrow_mut(|panics| match panics {
            Some(panics) => panics.push(panic.to_string()),
            None => usual(panic),
        });
    }));
}

pub fn order(order: Order) {
    ORDERS.with_borrow_mut(|orders| orders.push_back(order));
}

/// One seed, from forming to judgement.
pub fn play(seed: u64, setting: Setting, met: Arc<Met>) -> Ended {
    PANICS.set(Some(Vec::new()));
    let played = catch_unwind(AssertUnwindSafe(|| act(seed, setting, met)));
    let mut wrong = PANICS.take().unwrap_or_default();
    match played {
        Ok(Ok(ended)) if wrong.is_empty() => return ended,
        Ok(Ok(ended)) => wrong.extend(ended.wrong),
        Ok(Err(error)) => wrong.push(error.to_string()),
        Err(_) => {}
    }
    Ended {
        wrong,
        told: "not played to its end".to_owned(),
        trace: Digest::of(b""),
    }
}

fn act(seed: u64, setting: Setting, met: Arc<Met>) -> turmoil::Result<Ended> {
    ORDERS.with_borrow_mut(VecDeque::clear);
    ground::begin();
    replayed::begin(seed);
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(STEP)
        .max_message_latency(LATENCY_MAX)
        .simulation_duration(LASTS_MAX)
        .enable_random_order()
        .build();
    let result = Rc::new(RefCell::new(None));
    let ended = result.clone();
    sim.client("round", async move {
        let round = round::run(seed, setting, met).await;
        ended.replace(Some(round));
        Ok(())
    });
    let mut hosts = Hosts::default();
    while !sim.step()? {
        hosts.obey(&mut sim);
    }
    let ended = result.take();
    Ok(ended.expect("a round that is over has a result"))
}

/// Each host's next software.
#[derive(Default)]
struct Hosts(BTreeMap<IpAddr, Rc<RefCell<Option<Software>>>>);

impl Hosts {
    fn obey(&mut self, sim: &mut Sim<'_>) {
        while let Some(order) = ORDERS.with_borrow_mut(VecDeque::pop_front) {
            match order {
                Order::End(address, done) => {
                    sim.crash(address);
                    // Who asked may have gone.
                    let _ = done.send(());
                }
                Order::Start(address, software) => match self.0.get(&address) {
                    Some(next) => {
                        next.replace(Some(software));
                        sim.bounce(address);
                    }
                    None => {
                        let next = Rc::new(RefCell::new(Some(software)));
                        self.0.insert(address, next.clone());
                        sim.host(address, move || {
                            let software = next.take().expect("a host is started with software");
                            software()
                        });
                    }
                },
            }
        }
    }
}
