//! Whether balancers may send clients to this host's database, and the two ways in which they ask: a
//! status for `/ready`, and HAProxy's agent check. Who switches it, and when, is not known here.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Balancers ask one short question each; more at once is not a balancer.
const ANSWERS_AT_ONCE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    Drained,
}

/// The state with the reason for it, which status shows and the probe ports do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    pub state: State,
    pub reason: String,
}

/// One switch, shared by all who ask.
#[derive(Debug, Clone)]
pub struct Switch {
    now: Arc<watch::Sender<Readiness>>,
}

impl Switch {
    /// A daemon that restarts begins with what its ledger says, so that its death changes nothing.
    pub fn new(state: State, reason: &str) -> Self {
        let (now, _) = watch::channel(Readiness {
            state,
            reason: reason.to_owned(),
        });
        Self { now: Arc::new(now) }
    }

    pub fn set(&self, state: State, reason: &str) {
        self.now.send_replace(Readiness {
            state,
            reason: reason.to_owned(),
        });
    }

    pub fn now(&self) -> Readiness {
        self.now.borrow().clone()
    }

    /// Wakes on each change.
    pub fn watch(&self) -> watch::Receiver<Readiness> {
        self.now.subscribe()
    }

    /// Status and body of `GET /ready`: whoever asks is nobody, and learns nothing else.
    pub fn ready_answer(&self) -> (u16, &'static str) {
        match self.now.borrow().state {
            State::Ready => (200, "ready\n"),
            State::Drained => (503, "draining\n"),
        }
    }

    /// HAProxy's agent check (its management manual): one line, then the connection closes.
    pub fn agent_check_answer(&self) -> &'static str {
        match self.now.borrow().state {
            State::Ready => "up ready\n",
            State::Drained => "drain\n",
        }
    }
}

/// Answers agent checks until it is dropped.
pub async fn serve_agent_check(listener: TcpListener, switch: Switch) {
    let places = Arc::new(Semaphore::new(ANSWERS_AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = switch.agent_check_answer();
                tokio::spawn(async move {
                    say(stream, answer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the agent-check port could not accept a connection");
                // Out of descriptors, most likely: asking again at once would only burn a core.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn say(mut stream: TcpStream, answer: &'static str) {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // A balancer that hangs up before the answer asks again soon.
    let _ = tokio::time::timeout(PATIENCE, told).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn ask(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn both_answers_follow_the_switch_and_keep_the_reason_to_themselves() {
        let switch = Switch::new(State::Ready, "healthy");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve_agent_check(listener, switch.clone()));
        assert_eq!(switch.ready_answer(), (200, "ready\n"));
        assert_eq!(ask(address).await, "up ready\n");
        let mut changes = switch.watch();
        switch.set(State::Drained, "n1 is being updated to 1.1.0");
        changes.changed().await.unwrap();
        assert_eq!(switch.ready_answer(), (503, "draining\n"));
        assert_eq!(ask(address).await, "drain\n");
        assert!(switch.now().reason.contains("1.1.0"));
        server.abort();
    }
}
