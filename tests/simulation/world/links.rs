//! Which messages pass between which hosts. One-way cuts are possible.

use std::collections::BTreeSet;

use aegis_updates::base::ids::MemberId;

#[derive(Debug, Default)]
pub struct Links {
    cut: BTreeSet<(MemberId, MemberId)>,
}

impl Links {
    pub fn passes(&self, from: MemberId, to: MemberId) -> bool {
        from == to || !self.cut.contains(&(from, to))
    }

    pub fn cut(&mut self, from: MemberId, to: MemberId) {
        self.cut.insert((from, to));
    }

    /// Cuts all between two sides, both ways.
    pub fn split(&mut self, all: &[MemberId], side: &BTreeSet<MemberId>) {
        for from in all {
            for to in all {
                if side.contains(from) != side.contains(to) {
                    self.cut(*from, *to);
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }
}
