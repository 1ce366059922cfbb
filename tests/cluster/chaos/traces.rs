//! Writes that leave a trace under a name of their own, sent under a key: again while their outcome is
//! unknown, and now and then once more.

use aegis_updates::base::digest::Digest;
use aegis_updates::control::peers::wire::Written as Answer;
use aegis_updates::control::service::{Call, Unavailable};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::submission::RequestKey;

use super::checks::oracle::Written;
use super::clients::Client;
use crate::support::{client, token};

/// How often a write of unknown outcome is sent.
const TRIES: usize = 3;

impl Client {
    /// A write that is sent again under its key while its outcome is unknown, and now and then once more
    /// when it is known: that changes nothing.
    pub async fn leave_trace(&mut self) {
        self.traces += 1;
        let name = format!("trace-{}-{}", self.number, self.traces);
        let began_ns = self.world.history.now_ns();
        let answer = match self.write_once(&name, token(&name)).await {
            Ok(answer) => {
                self.world.history.placed(&name, began_ns, answer.index);
                if self.random.percent(30) {
                    self.repeat(&name, &answer).await;
                }
                match answer.result {
                    Ok(_) => Written::Acknowledged,
                    Err(_) => Written::Never,
                }
            }
            Err(Unavailable::OutcomeUnknown) => Written::Unknown,
            Err(_) => Written::Never,
        };
        self.world.history.token(name, answer);
    }

    async fn repeat(&self, name: &str, first: &Answer) {
        let again = self.write(Some(name), token(name)).await;
        if let Ok(again) = again
            && first.result.is_ok()
            && again.result != first.result
        {
            let (then, now) = (&first.result, &again.result);
            let told = format!("{name} was answered {then:?}, and under the same key {now:?}");
            self.world.watch.wrong(told);
        }
    }

    /// Unknown only if every try was, and `Never` only if the first one was.
    async fn write_once(&self, key: &str, command: Command) -> Result<Answer, Unavailable> {
        let mut answer = self.write(Some(key), command.clone()).await;
        for _ in 1..TRIES {
            if answer != Err(Unavailable::OutcomeUnknown) {
                break;
            }
            let again = self.write(Some(key), command.clone()).await;
            answer = again.map_err(|_| Unavailable::OutcomeUnknown);
        }
        answer
    }

    pub async fn write(&self, key: Option<&str>, command: Command) -> Result<Answer, Unavailable> {
        let request = key.map(|key| RequestKey {
            key: key.to_owned(),
            body: Digest::of(key.as_bytes()),
        });
        let call = Call {
            request,
            ..client(command)
        };
        let asked = self.world.any();
        let wrote = self.world.on(&asked, async move |station| {
            station.replica().submit(call).await
        });
        wrote.await.unwrap_or(Err(Unavailable::OutcomeUnknown))
    }
}
