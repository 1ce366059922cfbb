//! Ledger files: one that is read is the same when it is written again, and no host's machine panics over it.

use aegis_updates::agent::machine::{Applied, Host, Input, Ledger, Look, Now, advance};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::Generation;
use aegis_updates::fleet::observation::Database;

use crate::corpus::ledgers;
use crate::runner::{Shape, Target, Verdict};

#[test]
fn ledgers_of_hosts() {
    let ledgers = ledgers();
    let seed = |ledger: &Ledger| serde_json::to_vec(ledger).expect("it is encoded");
    let target = Target {
        name: "ledgers",
        seeds: ledgers.iter().map(seed).collect(),
        shape: Some(Shape {
            read: &|bytes| serde_json::from_slice(bytes).ok(),
            write: &|value| serde_json::to_vec(&value).ok(),
        }),
        inputs: 6_000,
        judge: &|_, bytes| judge(bytes),
    };
    target.run();
}

fn judge(bytes: &[u8]) -> Result<Verdict, String> {
    let Ok(ledger) = serde_json::from_slice::<Ledger>(bytes) else {
        return Ok(Verdict::Unread);
    };
    let again = serde_json::to_vec(&ledger).map_err(|error| error.to_string())?;
    match serde_json::from_slice::<Ledger>(&again) {
        Ok(read) if read == ledger => {}
        other => return Err(format!("{ledger:?} is read as {other:?}")),
    }
    let _ = ledger.startable();
    live(ledger);
    Ok(Verdict::Accepted)
}

/// A daemon starts with it, in the boot in which it was written and in another, early and late.
fn live(ledger: Ledger) {
    let other = Digest::of(b"another boot");
    for boot in [ledger.boot.unwrap_or(other), other] {
        for ms in [0, 60_000, 1 << 40] {
            let now = Now { boot, ms };
            let mut host = Host::new(ledger.clone());
            advance(&mut host, Input::Restarted, now);
            for input in inputs(&ledger, ms) {
                advance(&mut host, input, now);
                let _ = (host.due_ms(ms), host.look_pace());
                let later = Now {
                    boot,
                    ms: ms + 900_000,
                };
                advance(&mut host, Input::Tick, later);
            }
        }
    }
}

fn inputs(ledger: &Ledger, ms: u64) -> Vec<Input> {
    let look = |healthy| Look {
        at_ms: ms,
        database: Database {
            digest: ledger.known.digest,
            installed: ledger.known.installed,
            version: Some("1.0.0".to_owned()),
            healthy,
            drained: ledger.drained,
        },
        process: ledger.known.process,
        detail: None,
    };
    let applied = |generation| Applied {
        generation,
        intent: ledger.work.as_ref().map(|work| work.intent.clone()),
        live: true,
        open: Vec::new(),
        answered: None,
        sequence: ledger.sequence,
    };
    vec![
        Input::Contact { at_ms: ms },
        Input::Look(look(true)),
        Input::Applied(applied(ledger.newest)),
        Input::Look(look(false)),
        Input::Applied(applied(Generation::default())),
        Input::Look(look(true)),
    ]
}
