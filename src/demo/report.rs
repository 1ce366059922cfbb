//! The report as text: what each act showed, in the words of an operator. It judges nothing itself;
//! the verdicts are verdict.rs.

use std::fmt::Write;

use super::act::Act;
use super::balancer::What;
use super::load::Outcome;
use super::passes::{Pass, own_time, passes, staging_ms};
use super::verdict::{judge, short};

/// The steps that get a column, in the order of a pass.
const STEPS: [&str; 8] = [
    "Draining",
    "Flushing",
    "BackingUp",
    "Swapping",
    "Restarting",
    "Verifying",
    "Rejoining",
    "Soaking",
];

/// How many failed requests are quoted.
const QUOTED_MAX: usize = 5;

/// True when every verdict of every act is good, and there was an act at all.
pub fn is_as_it_should_be(acts: &[Act]) -> bool {
    !acts.is_empty() && acts.iter().flat_map(judge).all(|verdict| verdict.ok)
}

pub fn render(acts: &[Act]) -> String {
    let mut text = String::new();
    for act in acts {
        // Writing to a string cannot fail.
        let _ = render_act(&mut text, act);
    }
    let end = if is_as_it_should_be(acts) {
        "Everything is as it should be."
    } else {
        "Not everything is as it should be: see the lines marked BAD."
    };
    text.push_str(end);
    text.push('\n');
    text
}

fn render_act(text: &mut String, act: &Act) -> std::fmt::Result {
    let took_s = act.to_ms.saturating_sub(act.from_ms) as f64 / 1_000.0;
    writeln!(
        text,
        "{}: {}  ({} in {took_s:.1} s)",
        act.name, act.title, act.status
    )?;
    let passes = passes(&act.facts);
    render_order(text, act, &passes)?;
    render_passes(text, act, &passes)?;
    render_databases(text, act)?;
    render_traffic(text, act)?;
    writeln!(text, "  verdicts")?;
    for verdict in judge(act) {
        let mark = if verdict.ok { "ok " } else { "BAD" };
        writeln!(text, "    {mark}  {:<13}{}", verdict.what, verdict.why)?;
    }
    writeln!(text)
}

fn render_order(text: &mut String, act: &Act, passes: &[Pass]) -> std::fmt::Result {
    let order: Vec<String> = passes
        .iter()
        .map(|pass| {
            let role = if pass.leader { "leader" } else { "follower" };
            let led = act.led_at_start.as_ref() == Some(&pass.node);
            let note = if led { ", led at the start" } else { "" };
            format!("{} ({role} in term {}{note})", pass.node, pass.term)
        })
        .collect();
    let order = if order.is_empty() {
        "no node was taken".to_owned()
    } else {
        order.join(" → ")
    };
    writeln!(text, "  order      {order}")
}

fn render_passes(text: &mut String, act: &Act, passes: &[Pass]) -> std::fmt::Result {
    let staging: Vec<String> = staging_ms(&act.facts)
        .into_iter()
        .map(|(node, took_ms)| format!("{node} {took_ms} ms"))
        .collect();
    if !staging.is_empty() {
        writeln!(
            text,
            "  staging    {} (all nodes, before the first is taken)",
            staging.join(", ")
        )?;
    }
    if passes.is_empty() {
        return Ok(());
    }
    write!(text, "  time       {:<8}{:>9}", "node", "begins")?;
    for step in STEPS {
        write!(text, "{step:>12}")?;
    }
    writeln!(text, "{:>9}  ended as", "own")?;
    let mut own_times = Vec::new();
    for (index, pass) in passes.iter().enumerate() {
        write!(
            text,
            "             {:<8}{:>9}",
            pass.node,
            offset(act, pass.begin_ms)
        )?;
        for step in STEPS {
            let cell = pass
                .duration_ms(step)
                .map_or("-".to_owned(), |ms| format!("{ms} ms"));
            write!(text, "{cell:>12}")?;
        }
        let own = own_time(passes, index, &act.seen);
        own_times.extend(own.map(|own| own.total_ms()));
        let cell = own.map_or("-".to_owned(), |own| format!("{} ms", own.total_ms()));
        writeln!(text, "{cell:>9}  {}", pass.last_step())?;
        if let Some(own) = own {
            writeln!(
                text,
                "             {:<8}own time: take {} ms, files {} ms, stop to start {} ms, noticing the start {} ms",
                "", own.take_ms, own.files_ms, own.gap_ms, own.notice_ms
            )?;
        }
    }
    own_times.sort_unstable();
    if let Some(median) = own_times.get(own_times.len() / 2) {
        writeln!(
            text,
            "  overhead   {median} ms of the updater's own per node (median; the rest is drain, the database's stop, start and health)"
        )?;
    }
    Ok(())
}

fn render_databases(text: &mut String, act: &Act) -> std::fmt::Result {
    writeln!(
        text,
        "  processes  as /proc showed them, with the SHA-256 of what they ran"
    )?;
    let shown = act
        .seen
        .processes
        .iter()
        .filter(|process| process.ended_at_ms.is_none_or(|end| end >= act.from_ms));
    for process in shown {
        let digest = process.digest.as_deref().map_or("unknown", short);
        let end = process.ended_at_ms.map_or("running".to_owned(), |end| {
            format!("ended {}", offset(act, end))
        });
        writeln!(
            text,
            "             {:<8}pid {:<8} {digest}  started {}, {end}",
            process.database,
            process.life.pid,
            offset(act, process.started_at_ms)
        )?;
    }
    Ok(())
}

fn render_traffic(text: &mut String, act: &Act) -> std::fmt::Result {
    let mut took_us: Vec<u64> = act
        .load
        .sent
        .iter()
        .map(|sent| sent.end_us.saturating_sub(sent.start_us))
        .collect();
    took_us.sort_unstable();
    let failed: Vec<_> = act
        .load
        .sent
        .iter()
        .filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }))
        .collect();
    let at = |share: f64| {
        let index = (took_us.len() as f64 * share) as usize;
        took_us
            .get(index.min(took_us.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0) as f64
            / 1_000.0
    };
    writeln!(
        text,
        "  traffic    {} requests on {} connections, {} failed; half within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms",
        took_us.len(),
        act.connections,
        failed.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )?;
    for sent in failed.iter().take(QUOTED_MAX) {
        writeln!(
            text,
            "             {} {sent}",
            offset(act, sent.start_us / 1_000)
        )?;
    }
    for event in &act.balancer {
        let what = match &event.what {
            What::Joined { why } => format!("in rotation: {why}"),
            What::Left { why } => format!("out of rotation: {why}"),
            What::Failed { .. } => continue,
        };
        writeln!(
            text,
            "             {:>9}  {} {what}",
            offset(act, event.at_ms),
            event.backend
        )?;
    }
    Ok(())
}

/// Time since the act began; before it with a minus sign.
fn offset(act: &Act, at_ms: u64) -> String {
    format!(
        "{:+.2} s",
        (at_ms as i64 - act.from_ms as i64) as f64 / 1_000.0
    )
}
