//! The members lose their quorum while a node is drained and not begun past the boundary: its own host puts
//! it back, and its database is never stopped.

use aegis_updates::base::duration::Millis;
use aegis_updates::base::limits::BEGIN_WAIT;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;
use aegis_updates::plans::progress::Step;
use hyper::StatusCode;
use tokio::time::Instant;

use crate::quorum_loss::{Fate, bring_back, says, take_away};
use crate::rolls::{NAMES, Roll, all_run};
use crate::stage::{self, PATIENCE};

/// The loss must come before the second begin, however late the journal is read on a busy machine.
const DRAIN_GRACE: Millis = Millis(6_000);

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_is_put_back_by_its_own_host() {
    let mut timings = Timings::DEMO;
    timings.drain_grace = DRAIN_GRACE;
    let mut cluster = stage::cluster_on(timings, &Recipe::sound("1.0.0")).await;
    let observer = stage::observe(&cluster).await;
    let mut roll = Roll::begin(&cluster).await;
    let stand = roll.until_second_enters(Step::Draining).await;
    let in_hand = &stand.in_hand;
    says(&cluster, in_hand, StatusCode::SERVICE_UNAVAILABLE, PATIENCE).await;
    let lives = || {
        let record = observer.record();
        let life = |name| record.running(name).map(|process| process.life);
        NAMES.map(life)
    };
    let before = lives();
    let others = [stand.updated.clone(), stand.last.clone()];
    take_away(&mut cluster, &others, Fate::Frozen).await;
    let lost = Instant::now();
    let started = observer.record().starts(in_hand, roll.from_ms);
    assert_eq!(started, 0, "the loss came after the second begin");
    says(&cluster, in_hand, StatusCode::OK, BEGIN_WAIT.as_duration()).await;
    println!("back in traffic {:?} after the loss", lost.elapsed());
    assert_eq!(lives(), before, "a database was restarted");
    bring_back(&mut cluster, &others, Fate::Frozen).await;

    // It took longer than the grace: the one that was updated goes back, the one in hand never left.
    assert_eq!(
        roll.end().await,
        "RolledBack",
        "{:#?}",
        roll.facts().collect::<Vec<_>>()
    );
    all_run(&cluster, &observer, &roll.old).await;
    let starts = |name: &String| observer.record().starts(name, roll.from_ms);
    let starts = [&stand.updated, in_hand, &stand.last].map(starts);
    assert_eq!(starts, [2, 0, 0]);
}
