//! An update and a rollback whose future is dropped after each of its polls in turn: what was begun by
//! then ends by itself or not at all, and the next daemon goes on.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Runtime;

use crate::job::{Act, Job, Laid, release};
use crate::support::origin::{Mode, Origin};
use crate::tally::Tally;

/// More polls than one update takes.
const POLLS_MAX: usize = 2_000;

/// Polls what it holds so many times and then gives up, which drops it.
struct Limited<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Limited<F> {
    /// `None`: given up.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            // The last poll leaves something under way; it is dropped there, not when it wakes.
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[test]
fn an_update_dropped_at_any_await_leaves_old_or_new() {
    sweep("awaits-update", Act::Update);
}

#[test]
fn a_rollback_dropped_at_any_await_leaves_old_or_new() {
    sweep("awaits-rollback", Act::RollBack);
}

fn sweep(net: &'static str, act: Act) {
    let mut tally = Tally::new(net);
    // On threads of its own, which no dropped future takes along.
    let beside = Runtime::new().unwrap();
    let origin = beside.block_on(Origin::start());
    let url = origin.offer("release", release("new"), Mode::Honest);
    for polls in 1..POLLS_MAX {
        match play(act, &url, polls) {
            Ok(None) => {
                assert!(polls > 3, "it was dropped only {polls} times");
                return tally.end();
            }
            Ok(Some(left)) => tally.ran("drop", Ok(left.to_owned())),
            Err(why) => tally.ran("drop", Err(format!("after {polls} polls: {why}"))),
        }
    }
    panic!("no end within {POLLS_MAX} polls");
}

/// What the drop left installed; `None` when it came to its end before.
fn play(act: Act, url: &str, polls: usize) -> Result<Option<&'static str>, String> {
    let root = tempfile::tempdir().unwrap();
    let job = Job::lay(root.path());
    let laid = Laid::of(&job);
    if act == Act::RollBack {
        Runtime::new()
            .unwrap()
            .block_on(job.run(Act::Update, url))?;
    }
    let ended = {
        let runtime = Runtime::new().unwrap();
        // Dropping a runtime waits for what runs on its blocking threads, as a daemon's end does.
        runtime.block_on(Limited {
            inner: Box::pin(job.run(act, url)),
            left: polls,
        })
    };
    if let Some(done) = ended {
        done?;
        return Ok(None);
    }
    let left = job.look(&laid)?;
    recover(root.path(), act, url)?;
    let wanted = match act {
        Act::Update => "new",
        Act::RollBack => "old",
    };
    let after = job.look(&laid)?;
    if after != wanted {
        return Err(format!("recovery left {after}"));
    }
    job.is_tidy()?;
    Ok(Some(left))
}

fn recover(root: &Path, act: Act, url: &str) -> Result<(), String> {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(Job::at(root).run(act, url))
}
