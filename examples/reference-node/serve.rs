//! One node from start to exit: open the data, bind the port, serve, stop on a signal, save.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::auth::Auth;
use crate::fault::{Fault, Switch};
use crate::node::Node;
use crate::options::{Environment, Serve};
use crate::peers::{self, Own, Peers};
use crate::routes;
use crate::say::say;
use crate::store::{self, Store};
use crate::trailer::Release;

/// How long requests in flight may take after a stop signal; a client that never finishes its body
/// would otherwise keep the node for ever.
const FINISH_LIMIT: Duration = Duration::from_secs(10);

/// How often the faults that depend on time are looked at.
const FAULT_LAP: Duration = Duration::from_millis(20);

pub async fn run(release: Release, options: Serve, environment: Environment) -> Result<(), String> {
    let start = count_start(&options.data_dir)?;
    let fault = match &environment.fault {
        Some(text) => text.parse()?,
        None => Fault::of_release(&release, &options.node_id, start)?,
    };
    match fault {
        Fault::CrashAtStart => {
            say("crashing at start, as this release does");
            std::process::abort();
        }
        Fault::HangAtStart => {
            say("hanging at start, as this release does");
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let format = if fault == Fault::ChangesFormat {
        store::FORMAT_CHANGED
    } else {
        store::FORMAT
    };
    // Before anybody can see this node healthy: a stop right after that must save too.
    let signals = Signals::catch()?;
    let listener = bind(&options.host, options.port)?;
    let address = listener
        .local_addr()
        .map_err(|source| format!("cannot read the bound address: {source}"))?;
    let store = Arc::new(Store::open(&options.data_dir, format)?);
    let own = Own {
        id: options.node_id,
        name: options.node_name,
        address: format!("{}:{}", options.host, address.port()),
        version: release.version.clone(),
        started: Instant::now(),
    };
    say(&format!(
        "node {} of version {} listens on {address}, start {start}, fault {fault}",
        own.id, own.version
    ));
    let peers = Arc::new(Peers::new(own, options.peers));
    tokio::spawn(peers::run(Arc::clone(&peers), environment.rhythm));
    let node = Node {
        release: Arc::new(release),
        faults: Arc::new(Switch::new(fault)),
        peers,
        store: Arc::clone(&store),
        auth: Arc::new(Auth::new(environment.user)),
        start,
    };
    let faults = Arc::clone(&node.faults);
    serve(node, listener, signals, &faults).await?;
    let Some(store) = Arc::into_inner(store) else {
        say(
            "a request is still at work after the stop; the log keeps every acknowledged write as it is",
        );
        return Ok(());
    };
    tokio::task::spawn_blocking(move || store.close())
        .await
        .map_err(|source| format!("saving failed: {source}"))??;
    say("saved, bye");
    Ok(())
}

/// Binding with a plain listener is exclusive: no other socket may listen on the port.
fn bind(host: &str, port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((host, port)).map_err(|source| {
        format!("cannot listen on {host}:{port}: {source}; is another database there?")
    })?;
    listener
        .set_nonblocking(true)
        .map_err(|source| format!("cannot set up the listener: {source}"))?;
    Ok(listener)
}

/// Serves until a stop signal, then finishes what is in flight.
async fn serve(
    node: Node,
    listener: TcpListener,
    mut signals: Signals,
    faults: &Arc<Switch>,
) -> Result<(), String> {
    let held = listener
        .try_clone()
        .map_err(|source| format!("cannot duplicate the listener: {source}"))?;
    let listener = tokio::net::TcpListener::from_std(listener)
        .map_err(|source| format!("cannot register the listener: {source}"))?;
    let exit_watch = tokio::spawn(exit_when_due(Arc::clone(faults)));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut until = stopped.clone();
    let server = axum::serve(listener, routes::router(node)).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = until.wait_for(|stop| *stop).await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        result = &mut server => {
            return Err(format!("the server ended by itself: {result:?}"));
        }
        () = signals.wait(faults) => {}
    }
    let fault = faults.read().0;
    // Without this the port would close only when the clone does, after the data is saved.
    let held = match fault {
        Fault::KeepPort { ms } => Some((held, ms)),
        _ => {
            drop(held);
            None
        }
    };
    stop.send_replace(true);
    if tokio::time::timeout(FINISH_LIMIT, &mut server)
        .await
        .is_err()
    {
        say("requests in flight did not finish; going on without them");
        server.abort();
    }
    exit_watch.abort();
    if let Fault::SlowStop { ms } = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    match held {
        Some((listener, ms)) => hold_port(listener, ms),
        None => Ok(()),
    }
}

/// The signals that stop a node.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on a signal no longer ends the process by itself.
    fn catch() -> Result<Self, String> {
        let catch =
            |kind| signal(kind).map_err(|source| format!("cannot listen for signals: {source}"));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    /// Returns at a signal that this release obeys.
    async fn wait(&mut self, faults: &Switch) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            if faults.read().0 != Fault::IgnoreTerm {
                return say("stopping at a signal");
            }
            say("ignoring a stop signal, as this release does");
        }
    }
}

/// Exits without saving when the fault says so; never returns otherwise.
async fn exit_when_due(faults: Arc<Switch>) {
    loop {
        let (fault, age) = faults.read();
        if matches!(fault, Fault::ExitAfter { ms } if age >= Duration::from_millis(ms)) {
            say("exiting after a healthy while, as this release does");
            std::process::exit(1);
        }
        tokio::time::sleep(FAULT_LAP).await;
    }
}

/// Starts a child in a process group of its own that holds the listening socket as its standard input.
fn hold_port(listener: TcpListener, ms: u64) -> Result<(), String> {
    Command::new("/proc/self/exe")
        .args(["hold-port", &ms.to_string()])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
        .map_err(|source| format!("cannot start the child that keeps the port: {source}"))
}

/// Counts starts in a file of the data directory, durably, since a fault may depend on the number.
fn count_start(directory: &Path) -> Result<u64, String> {
    let path = directory.join("starts");
    let at =
        |source: std::io::Error| format!("cannot count this start in {}: {source}", path.display());
    fs::create_dir_all(directory).map_err(at)?;
    let earlier: u64 = match fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("{} does not hold a number", path.display()))?,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => 0,
        Err(source) => return Err(at(source)),
    };
    let start = earlier + 1;
    let aside = directory.join("starts.new");
    let mut file = File::create(&aside).map_err(at)?;
    writeln!(file, "{start}")
        .and_then(|()| file.sync_all())
        .map_err(at)?;
    fs::rename(&aside, &path).map_err(at)?;
    Ok(start)
}
