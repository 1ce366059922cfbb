//! Every refusal is reached through the door that it declares, at a real member, and changes nothing:
//! neither the state (but for clock, applied index and request keys) nor the journal. A refusal without a
//! case does not compile.

mod cli;
mod http;
mod internal;
mod kinds;
mod late;
mod member;
mod peers;
mod rig;
mod scene;
mod stranger;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod versions;

use aegis_updates::http::refused;
use aegis_updates::machine::refusal::{Door, Refusal};
use serde_json::{Value, json};

use self::rig::Rig;

/// Each refusal with its door, over HTTP with the status that SURFACE gives it, and its case.
macro_rules! refusals {
    (
        http { $($http:ident $status:literal $http_case:ident,)* }
        member { $($member:ident $member_case:ident,)* }
        internal { $($internal:ident $internal_case:ident,)* }
    ) => {
        /// Exhaustive: a refusal that is not listed below stops the build.
        const fn listed_door(refusal: &Refusal) -> Door {
            match refusal {
                $(Refusal::$http { .. } => Door::Http,)*
                $(Refusal::$member { .. } => Door::Member,)*
                $(Refusal::$internal { .. } => Door::Internal,)*
            }
        }

        mod over_http {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $http_case() {
                let case = crate::http::$http_case().await;
                crate::over_http(stringify!($http), $status, case).await;
            })*
        }

        mod by_members {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $member_case() {
                let case = crate::member::$member_case().await;
                crate::by_a_member(stringify!($member), case).await;
            })*
        }

        mod inside {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $internal_case() {
                let case = crate::internal::$internal_case().await;
                crate::inside(stringify!($internal), case).await;
            })*
        }
    };
}

refusals! {
    http {
        UnknownPlan 404 unknown_plan,
        UnknownNode 404 unknown_node,
        EmptyNodes 422 empty_nodes,
        NotInPlan 404 not_in_plan,
        UrlNotAllowed 422 url_not_allowed,
        Downgrade 422 downgrade,
        NodeBusy 422 node_busy,
        QuorumUnsafe 422 quorum_unsafe,
        NoSecondNode 422 no_second_node,
        Drift 422 drift,
        PlanLive 409 plan_live,
        WrongStatus 409 wrong_status,
        WrongNodeStatus 422 wrong_node_status,
        NotReady 409 not_ready,
        RevisionMismatch 412 revision_mismatch,
        TooManyPending 422 too_many_pending,
        DirectionNeeded 422 direction_needed,
        NothingToRollBack 422 nothing_to_roll_back,
        HostHeard 422 host_heard,
        BeginOpen 422 begin_open,
        NoSlot 422 no_slot,
        KeyReused 422 key_reused,
        RequestTableFull 429 request_table_full,
        TokenExists 422 token_exists,
        UnknownToken 404 unknown_token,
        TooManyTokens 422 too_many_tokens,
        ReasonTooLong 400 reason_too_long,
        MembershipChanging 422 membership_changing,
        SlotHeld 422 slot_held,
        WouldLoseQuorum 422 would_lose_quorum,
        VotersFull 422 voters_full,
        ClusterVersion 409 cluster_version,
        VersionUnsupported 409 version_unsupported,
    }
    member {
        NotFormed not_formed,
        AlreadyFormed already_formed,
        BadJoinToken bad_join_token,
        NameTaken name_taken,
        TooManyNodes too_many_nodes,
        StaleGeneration stale_generation,
        StaleReport stale_report,
        ForeignReport foreign_report,
        BeginAnswered begin_answered,
        BeginOutOfOrder begin_out_of_order,
        BeginRepeated begin_repeated,
        PlanNotInProgress plan_not_in_progress,
        TakeOfOldTerm take_of_old_term,
        TakeTooOld take_too_old,
    }
    internal {
        TermNotOpen term_not_open,
        TermAlreadyOpen term_already_open,
        NotTheLeader not_the_leader,
        StaleDecision stale_decision,
        GateShut gate_shut,
        MembershipNotOpen membership_not_open,
        Internal internal,
    }
}

async fn over_http(variant: &str, status: u16, (rig, ask): http::Case) {
    let before = rig.print();
    let answer = ask.send(&rig.api).await;
    let told = answer.json();
    assert_eq!(rig.print(), before, "{variant}: {told}");
    let refusal = refusal_in(variant, &told["details"]);
    expect(variant, &refusal, Door::Http);
    assert_eq!(answer.status, status, "{told}");
    assert_eq!(refused::status(&refusal).as_u16(), status);
    assert_eq!(told["success"], json!(false));
    assert_eq!(told["code"], json!(refusal.code()));
    assert_eq!(told["error"], json!(refusal.to_string()));
    assert_eq!(told["remedy"], json!(refused::remedy(&refusal)));
    rig.end().await;
}

async fn by_a_member(variant: &str, (rig, ask): member::Case) {
    let before = rig.print();
    let refusal = ask.send(&rig).await;
    assert_eq!(rig.print(), before, "{refusal:?}");
    expect(variant, &refusal, Door::Member);
    rig.end().await;
}

async fn inside(variant: &str, (rig, entry): internal::Case) {
    let before = rig.print();
    let outcome = rig.append_bytes(entry).await;
    assert_eq!(rig.print(), before, "{outcome:?}");
    let refusal = outcome.expect_err("a refusal");
    expect(variant, &refusal, Door::Internal);
    rig.end().await;
}

/// It is the one that was meant, declares this door, and says what happened and what to do.
fn expect(variant: &str, refusal: &Refusal, door: Door) {
    let shown = format!("{refusal:?}");
    assert_eq!(shown.split([' ', '{']).next(), Some(variant), "{shown}");
    assert_eq!(refusal.door(), door);
    assert_eq!(listed_door(refusal), door);
    assert_ne!(refusal.to_string(), refusal.code(), "no sentence");
    assert!(!refused::remedy(refusal).is_empty());
}

/// The refusal itself, from what the answer tells of it.
fn refusal_in(variant: &str, details: &Value) -> Refusal {
    let tag = snake_case(variant);
    let named = match details.as_object() {
        Some(fields) if fields.is_empty() => json!(tag),
        _ => json!({ tag: details }),
    };
    serde_json::from_value(named).unwrap_or_else(|error| panic!("{variant} in {details}: {error}"))
}

fn snake_case(variant: &str) -> String {
    let mut text = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// An alarm is the one refusal that leaves a trace: the fact that something impossible was met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impossible_state_is_journalled_and_pauses_the_live_plan() {
    use aegis_updates::fleet::observation::{Answer, Report};
    use aegis_updates::journal::fact::Fact;
    use aegis_updates::machine::command::Command;

    // Staged without a preflight: there is no way back to take the node with.
    let rig = Rig::running().await;
    for number in 1..=3 {
        let staged = Report::Answered {
            answer: Answer::Staged,
            acted: false,
        };
        rig.see(number, scene::healthy(), staged).await;
    }
    let before = rig.journal().await.len();
    let take = Command::Take(rig.take(2, &[1, 2, 3]));
    let refused = rig.put(rig::ME, take).await;
    assert!(
        matches!(refused, Err(Refusal::Internal { .. })),
        "{refused:?}"
    );
    let journal = rig.journal().await;
    let new: Vec<_> = journal[before..]
        .iter()
        .map(|record| &record.fact)
        .collect();
    assert!(
        matches!(new[..], [Fact::Alarm { .. }, Fact::PlanStatus { .. }]),
        "{new:?}"
    );
    let paused = rig.state().plans[&scene::PLAN].status.name();
    assert_eq!(paused, "Paused");
    rig.end().await;
}
