//! The small texts that stand in paths, files and flags: names, ids, digests, durations, tickets.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use aegis_updates::access::principal::Role;
use aegis_updates::access::secret::JoinTicket;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::{NodeName, PlanId};
use aegis_updates::plans::origins::Origins;

use crate::runner::{Target, Verdict};

#[test]
fn texts() {
    let digest = Digest::of(b"it");
    let ticket = format!("auj_{digest}.{digest}.127.0.0.1:7461");
    let texts = [
        "node-1",
        "p-17",
        "30s",
        "1h30m",
        "250ms",
        "admin",
        "https://ok.example/releases/",
        "file:///srv/",
        &digest.to_string(),
        &ticket,
    ];
    let target = Target {
        name: "texts",
        seeds: texts.map(|text| text.as_bytes().to_vec()).to_vec(),
        shape: None,
        inputs: 30_000,
        judge: &|_, bytes| judge(bytes),
    };
    target.run();
}

fn judge(bytes: &[u8]) -> Result<Verdict, String> {
    let text = String::from_utf8_lossy(bytes);
    let ticket = JoinTicket::from_str(&text).ok();
    if let Some(ticket) = &ticket
        && JoinTicket::from_str(&ticket.reveal()).as_ref() != Ok(ticket)
    {
        return Err("the ticket is another".to_owned());
    }
    let origins = Origins::parse(&[text.to_string()]).is_ok();
    let read = [
        same::<NodeName>(&text)?,
        same::<PlanId>(&text)?,
        same::<Digest>(&text)?,
        same::<Millis>(&text)?,
        same::<Role>(&text)?,
        ticket.is_some(),
        origins,
    ];
    match read.contains(&true) {
        true => Ok(Verdict::Accepted),
        false => Ok(Verdict::Unread),
    }
}

/// Whether it is one; then what it shows is it again.
fn same<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Result<bool, String> {
    let Ok(value) = text.parse::<T>() else {
        return Ok(false);
    };
    match value.to_string().parse::<T>() {
        Ok(again) if again == value => Ok(true),
        _ => Err(format!("{value:?} shows itself as {value}")),
    }
}
