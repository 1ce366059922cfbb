//! The order of what makes a swap durable, read from the system calls of a real daemon in a roll: the new
//! file is written, synced, the second begin is in the log, the rename, the directory's sync, the stop.

use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::Journal;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::journal::fact::Fact;

use crate::one_node::{self, host};
use crate::stage::{self, PATIENCE};
use crate::support::strace::{Strace, is_here};
use crate::tally::Tally;

const CALLS: &str = "trace=write,pwrite64,writev,sendto,sendmsg,copy_file_range,sendfile,ioctl,fsync,fdatasync,rename,renameat,renameat2";
/// A traced daemon is slow.
const BOUND: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_durable_before_the_database_is_stopped() {
    if !is_here() {
        return;
    }
    let mut cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let leader = one_node::leader(&cluster).await;
    let names = cluster.names();
    let node = names.into_iter().find(|name| *name != leader).unwrap();
    let log = cluster.directory().join("strace");
    let pid = host(&cluster, &node).daemon_pid().unwrap();
    // Enough of each call to see the begin in an entry of the log, and the paths behind descriptors.
    let Some(strace) = Strace::attach(pid, &["-y", "-s", "2048", "-e", CALLS], &log).await else {
        return;
    };
    roll(&mut cluster, &node).await;
    let trace = strace.end().await;
    stage::all_healthy(&cluster, &observer).await;
    let install_path = host(&cluster, &node).install_path();
    let directory = install_path.parent().unwrap().to_str().unwrap();
    let found = Order::read(&trace, directory);
    let mut tally = Tally::new("swap-order");
    tally.ran("traced-roll", found.is_in_order());
    tally.end();
}

async fn roll(cluster: &mut Cluster, node: &str) {
    let published = cluster.publish(&Recipe::sound("1.1.0"), "1.1.0").await;
    let (release, url) = published.unwrap();
    let mut journal = Journal::new(cluster.api.clone());
    journal.read_on().await.unwrap();
    let begin = journal.records.len();
    let plan = one_node::start(cluster, &release, &url, node).await;
    let ends = |fact: &Fact| matches!(fact, Fact::PlanStatus { plan: of, to, .. } if *of == plan && to == "Completed");
    let patience = BOUND.max(PATIENCE);
    stage::until(&mut journal, begin, patience, ends)
        .await
        .unwrap_or_else(|last| panic!("no end; last: {last}"));
}

/// Lines of the trace, counted from one.
#[derive(Debug, Default)]
struct Order {
    written: Option<usize>,
    synced: Option<usize>,
    begun: Option<usize>,
    renamed: Option<usize>,
    directory: Option<usize>,
    stopped: Option<usize>,
}

impl Order {
    fn read(trace: &str, directory: &str) -> Self {
        let mut order = Self::default();
        let part = format!("<{directory}/.database.aegis-updates-part>");
        let install = format!("\"{directory}/database\"");
        let synced_directory = format!("<{directory}>");
        let calls = calls(trace);
        // The last of each before the next: earlier ones belong to an earlier step.
        let renamed = calls.iter().find(|call| {
            call.text.contains("rename")
                && call.text.contains(&install)
                && call.text.contains("= 0")
        });
        let Some(renamed) = renamed else {
            return order;
        };
        order.renamed = Some(renamed.begin);
        for call in &calls {
            let sync = call.text.contains("sync(");
            let filled = call.text.contains("write(") || call.text.contains("copy_file_range(");
            if filled && call.text.contains(&part) {
                order.written = Some(call.end);
            } else if sync && call.text.contains(&part) {
                order.synced = Some(call.end);
            } else if call.text.contains("/raft/db/")
                && call.text.contains("Second")
                && call.begin < renamed.begin
            {
                order.begun = order.begun.or(Some(call.end));
            } else if sync && call.text.contains(&synced_directory) && call.begin > renamed.begin {
                order.directory = order.directory.or(Some(call.end));
            } else if call.text.contains(r#"\"verb\":\"stop\""#) {
                order.stopped = order.stopped.or(Some(call.begin));
            }
        }
        order
    }

    /// What was covered, or what came too early.
    fn is_in_order(&self) -> Result<String, String> {
        let in_order = [
            ("the file is written", self.written),
            ("the file is synced", self.synced),
            ("the second begin is in the log", self.begun),
            ("the rename", self.renamed),
            ("the directory is synced", self.directory),
            ("the stop", self.stopped),
        ];
        let mut before = ("the beginning", 0);
        for (what, line) in in_order {
            let line = line.ok_or_else(|| format!("{what} was not seen: {self:?}"))?;
            if line <= before.1 {
                return Err(format!("{what} came before {}: {self:?}", before.0));
            }
            before = (what, line);
        }
        Ok("in-order".to_owned())
    }
}

/// A system call from the line on which it began to that on which it ended.
struct Call {
    text: String,
    begin: usize,
    end: usize,
}

/// Joins what strace tears apart when threads overlap.
fn calls(trace: &str) -> Vec<Call> {
    let mut done = Vec::new();
    let mut torn: Vec<(String, Call)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((pid, text)) = line.split_once(' ') else {
            continue;
        };
        let number = number + 1;
        if text.contains("<unfinished ...>") {
            let call = Call {
                text: text.to_owned(),
                begin: number,
                end: number,
            };
            torn.push((pid.to_owned(), call));
        } else if text.contains(" resumed>") {
            if let Some(at) = torn.iter().position(|(of, _)| of == pid) {
                let (_, mut call) = torn.swap_remove(at);
                call.text.push_str(text);
                call.end = number;
                done.push(call);
            }
        } else {
            done.push(Call {
                text: text.to_owned(),
                begin: number,
                end: number,
            });
        }
    }
    done
}

#[test]
fn a_trace_in_the_wrong_order_is_seen() {
    let good = [
        r#"7 write(5</d/.database.aegis-updates-part>, "x", 1) = 1"#,
        "7 fsync(5</d/.database.aegis-updates-part> <unfinished ...>",
        "8 write(3</d/updater/raft/db/000004.log>, \"..\", 2) = 2",
        "7 <... fsync resumed>) = 0",
        r#"8 write(3</d/updater/raft/db/000004.log>, "Begin which Second", 18) = 18"#,
        r#"7 rename("/d/.database.aegis-updates-new", "/d/database") = 0"#,
        "7 fsync(6</d>) = 0",
        r#"7 write(9<UNIX-STREAM:[1->2]>, "{\"verb\":\"stop\",\"timeout_ms\":1}\n", 30) = 30"#,
    ];
    let read = |lines: &[&str]| Order::read(&lines.join("\n"), "/d");
    let order = read(&good);
    assert_eq!(
        (order.written, order.synced, order.begun),
        (Some(1), Some(4), Some(5))
    );
    assert_eq!(
        (order.renamed, order.directory, order.stopped),
        (Some(6), Some(7), Some(8))
    );
    let mut late = good;
    late.swap(6, 7);
    let order = read(&late);
    assert!(order.stopped < order.directory);
    let without: Vec<_> = good
        .iter()
        .filter(|line| !line.contains("fsync(6"))
        .copied()
        .collect();
    assert_eq!(read(&without).directory, None);
}
