//! The loop around the host's machine: it tells the machine what the log says, what was seen and what
//! came of its acts, and does what the machine asks for, in that order. It decides nothing.

use crate::base::sabotage::Bug;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::boot::{self, Boot};
use super::executor::Executor;
use super::files;
use super::hands::Hands;
use super::link::{Link, Told};
use super::machine::{Act, Action, Done, Failure, FailureKind, Gave, Host, Input, Look, advance};
use super::readiness::{State, Switch};
use crate::fleet::intent::Begin;
use crate::fleet::observation::Observation;

/// How often the machine is told the time when nothing else wakes it. Waits that end by time alone, and
/// looks, have times of their own.
const TICK: Duration = Duration::from_millis(200);
/// How often an idle database is looked at: as often as the leader wants to hear of it.
const LOOK_IDLE: Duration = Duration::from_secs(1);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Some databases undo a drain by themselves, Aegis with its next heartbeat in five seconds.
const DRAIN_AGAIN: Duration = Duration::from_secs(2);
/// A database that takes longer to answer is not healthy; one look must not hold up the next for ever.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Reports wait here only while one is on its way; the machine says a lost one again.
const REPORTS_WAITING_MAX: usize = 16;

/// One host's machine and all that it works with.
pub struct Driver {
    pub host: Host,
    pub hands: Arc<dyn Hands>,
    pub link: Arc<dyn Link>,
    pub switch: Switch,
    pub boot: Boot,
}

/// What the parts of the driver that run beside it tell it.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful wait in the channel at once"
)]
enum News {
    Input(Input),
    Looked(Option<Look>),
}

/// What is under way beside the loop.
struct Beside {
    news: mpsc::UnboundedSender<News>,
    reports: mpsc::Sender<Observation>,
    looking: bool,
    /// When the newest look began.
    looked_at: Option<Instant>,
    sampled: Option<(Instant, Worth)>,
    drained_at: Option<Instant>,
    act: Option<(u64, AbortHandle)>,
    newest: Option<Look>,
    ready: bool,
}

/// What makes a sample worth sending before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worth {
    term: u64,
    healthy: bool,
    drained: bool,
    ready: bool,
}

impl Driver {
    /// Runs until `stop` changes; an act in flight is then left to end by itself, or by the next daemon.
    /// Gives an error when the ledger could not be written: nothing may be done that it does not hold.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), files::Error> {
        let (news, mut arriving) = mpsc::unbounded_channel();
        let (reports, waiting) = mpsc::channel(REPORTS_WAITING_MAX);
        let reporting = tokio::spawn(report(self.link.clone(), waiting, news.clone()));
        let mut beside = Beside {
            news,
            reports,
            looking: false,
            looked_at: None,
            sampled: None,
            drained_at: None,
            act: None,
            newest: None,
            ready: self.host.ledger.ready,
        };
        let mut changes = self.link.changes();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.tell(&mut beside, Input::Restarted).await?;
        let ended = loop {
            tokio::select! {
                _ = stop.changed() => break Ok(()),
                _ = ticks.tick() => {}
                () = at(self.due(&beside)) => {}
                _ = changes.changed() => {}
                Some(news) = arriving.recv() => {
                    if let Err(error) = self.hear(&mut beside, news).await {
                        break Err(error);
                    }
                    continue;
                }
            }
            if let Err(error) = self.lap(&mut beside).await {
                break Err(error);
            }
        };
        reporting.abort();
        ended
    }

    /// What is told again and again, because only changes of it mean something.
    async fn lap(&mut self, beside: &mut Beside) -> Result<(), files::Error> {
        let age = u64::try_from(self.link.contact_age().as_millis()).unwrap_or(u64::MAX);
        let at_ms = boot::now_ms().saturating_sub(age);
        self.tell(beside, Input::Contact { at_ms }).await?;
        if let Some(applied) = self.link.applied() {
            self.tell(beside, Input::Applied(applied)).await?;
        }
        self.tell(beside, Input::Tick).await?;
        if !beside.looking && is_due(beside.looked_at, self.look_every()) {
            self.look(beside);
        }
        self.sample(beside);
        if self.host.ledger.drained && is_due(beside.drained_at, DRAIN_AGAIN) {
            self.drain_again(beside);
        }
        Ok(())
    }

    /// The next time at which there is something to do that no event announces.
    fn due(&self, beside: &Beside) -> Option<Instant> {
        let look = match beside.looking {
            true => None,
            false => beside.looked_at.map(|at| at + self.look_every()),
        };
        let now_ms = boot::now_ms();
        let machine = self.host.due_ms(now_ms);
        let machine = machine.map(|due| Instant::now() + Duration::from_millis(due - now_ms));
        look.into_iter().chain(machine).min()
    }

    /// A node in hand is looked at as its plan says.
    fn look_every(&self) -> Duration {
        let in_hand = self.host.ledger.work.as_ref();
        match in_hand.is_some_and(|work| !work.is_answered()) {
            true => self.host.look_pace().0.as_duration(),
            false => LOOK_IDLE,
        }
    }

    async fn hear(&mut self, beside: &mut Beside, news: News) -> Result<(), files::Error> {
        let input = match news {
            News::Looked(look) => {
                beside.looking = false;
                let Some(look) = look else {
                    return Ok(());
                };
                beside.newest = Some(look.clone());
                self.show_ready(beside);
                self.sample(beside);
                Input::Look(look)
            }
            News::Input(input) => {
                if let Input::Done(done) = &input
                    && beside.act.as_ref().is_some_and(|(id, _)| *id == done.id)
                {
                    beside.act = None;
                }
                input
            }
        };
        self.tell(beside, input).await
    }

    async fn tell(&mut self, beside: &mut Beside, input: Input) -> Result<(), files::Error> {
        let mut todo: VecDeque<Action> = advance(&mut self.host, input, self.boot.now()).into();
        while let Some(action) = todo.pop_front() {
            self.act(beside, action).await?;
        }
        Ok(())
    }

    async fn act(&mut self, beside: &mut Beside, action: Action) -> Result<(), files::Error> {
        match action {
            Action::Persist => self.hands.keep(&self.host.ledger).await?,
            Action::SetReady(ready) => {
                beside.ready = ready || Bug::SkipDrain.is_planted();
                self.show_ready(beside);
            }
            Action::Look => self.look(beside),
            // A full queue drops it: it is said again until the log shows it.
            Action::Propose(observation) => drop(beside.reports.try_send(observation)),
            Action::Ask(begin) => self.ask(beside, begin),
            Action::Run { id, act } => self.start(beside, id, act),
            Action::Cancel { id } => cancel(beside, id),
        }
        Ok(())
    }

    /// `/ready` is the machine's word *and* the database's health.
    fn show_ready(&self, beside: &Beside) {
        let healthy = beside.newest.as_ref().map(|look| look.database.healthy);
        let (state, reason) = match (beside.ready, healthy) {
            (true, Some(true)) => (State::Ready, "the database is healthy"),
            (true, Some(false)) => (State::Drained, "the database is not healthy"),
            // A daemon that has just started knows nothing new: what was said before it stands.
            (true, None) => return,
            (false, _) => (State::Drained, "the node is in hand"),
        };
        let known = self.switch.now();
        if (known.state, known.reason.as_str()) != (state, reason) {
            self.switch.set(state, reason);
        }
    }

    fn look(&self, beside: &mut Beside) {
        if beside.looking {
            return;
        }
        beside.looking = true;
        beside.looked_at = Some(Instant::now());
        let (_, patience) = self.host.look_pace();
        let (hands, news) = (self.hands.clone(), beside.news.clone());
        let drained = self.host.ledger.drained;
        tokio::spawn(async move {
            let look = match timeout(LOOK_MAX, hands.look(drained, patience)).await {
                Ok(Ok(look)) => Some(look),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the database cannot be looked at");
                    None
                }
                Err(_) => {
                    tracing::warn!("a look at the database did not end");
                    None
                }
            };
            // The loop has ended when nobody listens.
            let _ = news.send(News::Looked(look));
        });
    }

    /// Each second, and at once when a leader that knows nothing has begun, or what gates look at changed.
    fn sample(&self, beside: &mut Beside) {
        let Some(look) = beside.newest.clone() else {
            return;
        };
        let worth = Worth {
            term: self.link.term(),
            healthy: look.database.healthy,
            drained: look.database.drained,
            ready: self.switch.now().state == State::Ready,
        };
        let told = beside
            .sampled
            .as_ref()
            .filter(|(at, told)| at.elapsed() < SAMPLE_EVERY && *told == worth);
        if told.is_some() {
            return;
        }
        beside.sampled = Some((Instant::now(), worth));
        let (hands, link) = (self.hands.clone(), self.link.clone());
        let (ledger, switch) = (self.host.ledger.clone(), self.switch.clone());
        tokio::spawn(async move {
            let sample = hands.sample(&ledger, &look, &switch).await;
            link.sample(sample).await;
        });
    }

    fn drain_again(&self, beside: &mut Beside) {
        beside.drained_at = Some(Instant::now());
        let hands = self.hands.clone();
        tokio::spawn(async move {
            if let Err(error) = hands.drain_again().await {
                tracing::debug!(%error, "the drain was not renewed");
            }
        });
    }

    fn ask(&self, beside: &Beside, begin: Begin) {
        let (link, news) = (self.link.clone(), beside.news.clone());
        tokio::spawn(async move {
            let reason = match link.begin(begin.clone()).await {
                Told::Refused(reason) | Told::Undelivered(reason) => reason,
                // It shows in what is applied, or its lease ends unused.
                Told::Taken | Told::Unknown => return,
            };
            tracing::info!(reason, "a begin was not granted");
            let _ = news.send(News::Input(Input::BeginRefused { begin, reason }));
        });
    }

    fn start(&self, beside: &mut Beside, id: u64, act: Act) {
        tracing::info!(id, act = act.name(), "acting");
        let (hands, news) = (self.hands.clone(), beside.news.clone());
        let early = Executor::ends_early(&act);
        let name = act.name();
        let running = tokio::spawn(async move { hands.run(&act).await });
        let handle = running.abort_handle();
        tokio::spawn(async move {
            let result = match running.await {
                Ok(result) => result,
                Err(error) if error.is_cancelled() => Err(Failure::new(
                    FailureKind::Cancelled,
                    "ended before it was done",
                )),
                Err(error) => Err(Failure::new(FailureKind::Lasting, error.to_string())),
            };
            tell_outcome(id, name, &result);
            let _ = news.send(News::Input(Input::Done(Done { id, result })));
        });
        beside.act = early.then_some((id, handle));
    }
}

fn tell_outcome(id: u64, act: &str, result: &Result<Gave, Failure>) {
    match result {
        Ok(_) => tracing::info!(id, act, "done"),
        Err(failure) => {
            tracing::warn!(id, act, kind = ?failure.kind, detail = failure.detail, "not done");
        }
    }
}

/// Only acts that may end early have a handle; the others end as they would have.
fn cancel(beside: &mut Beside, id: u64) {
    if let Some((_, handle)) = beside.act.take_if(|(running, _)| *running == id) {
        handle.abort();
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

/// One report after another, so that a later one never overtakes an earlier.
async fn report(
    link: Arc<dyn Link>,
    mut waiting: mpsc::Receiver<Observation>,
    news: mpsc::UnboundedSender<News>,
) {
    while let Some(observation) = waiting.recv().await {
        let sequence = observation.sequence;
        match link.observe(observation).await {
            Told::Refused(reason) => {
                tracing::warn!(sequence, reason, "a report was refused");
                let _ = news.send(News::Input(Input::ReportRefused { sequence }));
            }
            Told::Taken | Told::Undelivered(_) | Told::Unknown => {}
        }
    }
}
