//! The database processes: start, end, and the resident parent that keeps them running.

use aegis_updates::base::ids::MemberId;

use super::{Event, World};
use crate::invariants::i05;

/// The resident parent waits this long, then twice as long each time, before it starts it again.
const BACKOFF_MS: u64 = 500;
const BACKOFF_MAX_MS: u64 = 8_000;

impl World {
    pub fn start_database(&mut self, id: MemberId) {
        let now = self.now;
        let at = self.at(id);
        let Some(process) = self.members[at].host.start(&self.setting.shelf, now) else {
            return;
        };
        let (run, digest, dies) = (process.run, process.digest, process.dies_at_ms());
        let name = self.members[at].name.clone();
        self.trace.say(
            now,
            format_args!("{name} starts {} as run {run}", digest.short()),
        );
        self.truth.started(id, now, digest);
        let host = &self.members[at].host;
        let judged = i05::judge(digest, self.setting.old, &host.staged, &host.backups);
        self.truth.judged("I5", id, judged);
        if let Some(at) = dies {
            self.at_time(at, Event::DatabaseEnds { member: id, run });
        }
    }

    pub fn database_ends(&mut self, id: MemberId, run: u64) {
        let now = self.now;
        let at = self.at(id);
        let host = &mut self.members[at].host;
        if host
            .process
            .as_ref()
            .is_none_or(|process| process.run != run)
        {
            return;
        }
        let lived = host
            .process
            .take()
            .map_or(0, |process| now - process.started_ms);
        let name = self.members[at].name.clone();
        self.trace.say(now, format_args!("{name} run {run} ends"));
        let restarts = &mut self.members[at].crash_restarts;
        *restarts = if lived > 10_000 { 0 } else { *restarts + 1 };
        let wait = (BACKOFF_MS << (*restarts).min(5)).min(BACKOFF_MAX_MS);
        self.at_time(now + wait, Event::KeepRunning { member: id });
    }

    /// The resident parent's turn: it starts a database that ended by itself.
    pub fn keep_running(&mut self, id: MemberId) {
        let member = self.member(id);
        if member.has_power() && member.host.kept_running && member.host.process.is_none() {
            self.start_database(id);
        }
    }
}
