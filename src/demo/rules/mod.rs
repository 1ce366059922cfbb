//! What must hold in every record of a run, seen from outside the daemons: one file for each invariant of
//! QUALITY.md that can be seen there. Each is a function of the record alone, so that a live run and a later
//! look at its file are judged by the same words.

mod slots;

mod i01;
mod i02;
mod i03;
mod i04;
mod i05;
mod i07;
mod i08;
mod i09;
mod i10;
mod i11;
mod i18;
mod i22;

#[cfg(test)]
pub mod fabricated;

use super::tape::Tape;

/// A rule gives one sentence for each violation.
type Rule = fn(&Tape) -> Vec<String>;

const RULES: [(&str, Rule); 12] = [
    ("I1", i01::check),
    ("I2", i02::check),
    ("I3", i03::check),
    ("I4", i04::check),
    ("I5", i05::check),
    ("I7", i07::check),
    ("I8", i08::check),
    ("I9", i09::check),
    ("I10", i10::check),
    ("I11", i11::check),
    ("I18", i18::check),
    ("I22", i22::check),
];

/// Every rule's name with its violations.
pub fn judge(tape: &Tape) -> Vec<(&'static str, Vec<String>)> {
    RULES.map(|(name, rule)| (name, rule(tape))).into()
}

/// All violations, each with the name of its rule.
pub fn violations(tape: &Tape) -> Vec<String> {
    let named = |(name, found): (&str, Vec<String>)| {
        found
            .into_iter()
            .map(move |violation| format!("{name}: {violation}"))
            .collect::<Vec<_>>()
    };
    judge(tape).into_iter().flat_map(named).collect()
}
