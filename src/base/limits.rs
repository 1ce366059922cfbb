//! Every bound of the system with the argument for it. Defaults an operator may change are in SURFACE's
//! words; fixed ones say why they are fixed.

use super::duration::Millis;

/// A DNS label's length, so that a name can be a host name too.
pub const NAME_LENGTH_MAX: usize = 63;
/// One entry moves `run` no further than this, so that an outage hardly moves it.
pub const RUN_STEP_MAX: Millis = Millis(2_000);
/// A committed tick a second is enough to time steps of seconds, and costs one small entry.
pub const TICK_INTERVAL: Millis = Millis(1_000);
/// Evidence stays young.
pub const QUORUM_ACK_AGE_MAX: Millis = Millis(1_000);
pub const HEALTH_AGE_MAX: Millis = Millis(3_000);
/// A take whose first begin comes later is made again on fresh evidence.
pub const TAKE_AGE_MAX: Millis = Millis(5_000);
/// Longer than a slow commit, shorter than what an operator would call "just now".
pub const BEGIN_LEASE: Millis = Millis(4_000);
/// A host that cannot get its begin granted gives the node back after this.
pub const BEGIN_WAIT: Millis = Millis(30_000);
pub const ISOLATED_AFTER: Millis = Millis(10_000);
/// A host gets this long after an outage before the leader calls it late.
pub const RECONNECT_GRACE: Millis = Millis(15_000);
pub const QUORUM_LOSS_GRACE: Millis = Millis(10_000);
/// Time for a person to say no before everything is taken back.
pub const ROLLBACK_NOTICE: Millis = Millis(10_000);
/// A host looks at the database this shortly before it acts on an unhealthy node's rollback.
pub const LOOK_AGE_MAX: Millis = Millis(1_000);
/// A host reboot takes three to five minutes.
pub const UNREACHABLE_AFTER: Millis = Millis(300_000);
/// Three tries tell a slow voter from one that cannot take over.
pub const HANDOFF_TRIES_MAX: u32 = 3;
pub const PENDING_PLANS_MAX: usize = 5;
pub const PENDING_EXPIRY: Millis = Millis::seconds(7 * 86_400);
pub const REQUEST_KEYS_MAX: usize = 10_000;
pub const REQUEST_KEY_LENGTH_MAX: usize = 255;
pub const REQUEST_KEY_TTL: Millis = Millis::seconds(86_400);
pub const REASON_LENGTH_MAX: usize = 1_000;
pub const URL_LENGTH_MAX: usize = 2_048;
pub const TOKEN_TTL: Millis = Millis::seconds(90 * 86_400);
pub const JOIN_TOKEN_TTL: Millis = Millis::seconds(3_600);
pub const TOKENS_MAX: usize = 10_000;
pub const NODES_MAX: usize = 1_000;
pub const VOTERS_MAX: usize = 5;
/// Values within values of a message, an entry or a row: ours are a dozen deep, and a thread's stack carries this many.
pub const NESTING_MAX: usize = 64;
pub const CLOCK_SKEW_MAX: Millis = Millis(10_000);
