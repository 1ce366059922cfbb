//! What everybody saw of a round, gathered into its record.

use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::releases::Release;
use aegis_updates::demo::tape::{FORMAT, Header, Line, Tape, Traffic};

use super::ground::{Ground, TIMINGS};
use super::play::{REST_WITHIN, Watchers};
use crate::stage::PATIENCE;
use crate::support::wait::wait_until;

pub async fn gather(
    ground: &Ground,
    watchers: Watchers,
    lines: Vec<Line>,
    installed: &Release,
) -> Tape {
    let sent = watchers.load.sent();
    let more = async || watchers.load.sent() > sent + 50;
    wait_until(PATIENCE, "the load went on", more).await;
    let log = watchers.load.finish().await;
    drop(watchers.front);
    let back = read_back(&log.acknowledged, &ground.cluster.databases()).await;
    let traffic = Traffic::of(&log, &back);
    let mut journal = watchers.journal;
    // What was read before counts all the same.
    let _ = journal.read_on().await;
    let seen = watchers.observer.finish().await;
    let mut tape = Tape {
        header: Header {
            format: FORMAT,
            cluster: "three daemons beside reference nodes".to_owned(),
            nodes: ground.cluster.names(),
            min_available: 2,
            max_unavailable: 1,
            quorum_loss_grace_ms: TIMINGS.quorum_loss_grace.0,
            rest_within_ms: u64::try_from(REST_WITHIN.as_millis()).unwrap(),
            installed: installed.sha256.clone(),
            from_ms: watchers.from_ms,
            to_ms: ground.cluster.tools.clock.now_ms(),
        },
        lines,
    };
    tape.add_facts(&journal.records);
    tape.add_seen(&seen);
    let paths = watchers.install.finish().into_iter().map(Line::Path);
    tape.lines.extend(paths);
    tape.lines.push(Line::Traffic(traffic));
    tape
}
