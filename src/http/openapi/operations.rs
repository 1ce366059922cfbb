//! What the document says of each route beyond what all share: what it is for, what it takes, how it answers.

use axum::http::Method;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::{cluster, create, nodes, seed, steering, tokens};
use super::others::{
    Cluster, Done, Finalized, Journal, Members, NodeAnswer, Nodes, Problem, TokenMade, Tokens,
    Versions, Whoami,
};
use super::plans::{
    Explanation, PlanAnswer, PlanList, PlanNodes, PlanStatus, PlanWritten, Preview,
};
use super::texts::{Duration, Place, PlanId};

/// A schema by its name, and how it and what it refers to are collected.
#[derive(Clone, Copy)]
pub struct Named {
    name: fn() -> String,
    pub collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

pub struct Operation {
    pub summary: &'static str,
    /// Parameters after the question mark.
    pub query: &'static [(&'static str, Named)],
    pub body: Option<Named>,
    /// Whether a request without a body is one with an empty object.
    pub body_required: bool,
    /// How it may succeed.
    pub answers: Vec<(u16, Named)>,
    /// How it may fail, besides the ways in which every request may.
    pub failures: &'static [u16],
}

/// A name of something that is not there.
const NAMED: &[u16] = &[404];
/// What the core may say against a write.
const WRITE: &[u16] = &[404, 409, 422];
/// Those that name a revision, too.
const REVISED: &[u16] = &[404, 409, 412, 422];

const READ: &[(&str, Named)] = &[("consistency", named::<Consistency>())];
const SHOW: &[(&str, Named)] = &[
    ("consistency", named::<Consistency>()),
    ("digest", named::<Asked>()),
];
const LIST: &[(&str, Named)] = &[
    ("consistency", named::<Consistency>()),
    ("limit", named::<Limit>()),
    ("cursor", named::<PlanId>()),
    ("status", named::<PlanStatus>()),
];
const PAGE: &[(&str, Named)] = &[("limit", named::<Limit>()), ("cursor", named::<Place>())];
const WAIT: &[(&str, Named)] = &[("wait", named::<Duration>())];

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Consistency {
    /// As a majority confirms it now.
    Linearizable,
    /// As this member knows it; works without quorum.
    Local,
}

/// False where it is left out.
pub struct Asked;

impl PartialSchema for Asked {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }
}

impl ToSchema for Asked {
    fn name() -> std::borrow::Cow<'static, str> {
        "Truth".into()
    }
}

/// Entries on a page; 100 where it is left out.
pub struct Limit;

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new().schema_type(Type::Integer);
        integer.minimum(Some(1)).maximum(Some(1_000)).into()
    }
}

impl ToSchema for Limit {}

/// Server-sent events, each so: `id` is a place in the journal, `data` a record. The last one is `end`.
#[derive(ToSchema)]
pub struct Event {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
}

pub const fn named<T: ToSchema>() -> Named {
    Named {
        name: || T::name().into_owned(),
        collect: |schemas| {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        },
    }
}

pub const fn problem() -> Named {
    named::<Problem>()
}

impl Named {
    pub fn reference(self) -> RefOr<Schema> {
        Ref::from_schema_name((self.name)()).into()
    }
}

impl Operation {
    fn new<T: ToSchema>(summary: &'static str, status: u16) -> Self {
        Self {
            summary,
            query: &[],
            body: None,
            body_required: false,
            answers: vec![(status, named::<T>())],
            failures: &[],
        }
    }

    fn or(mut self, status: u16) -> Self {
        let first = self.answers.first().map(|(_, answer)| *answer);
        self.answers.extend(first.map(|answer| (status, answer)));
        self
    }

    fn query(self, query: &'static [(&'static str, Named)]) -> Self {
        Self { query, ..self }
    }

    fn body<T: ToSchema>(self) -> Self {
        let body = Some(named::<T>());
        Self { body, ..self }
    }

    fn needs<T: ToSchema>(self) -> Self {
        let body_required = true;
        Self {
            body_required,
            ..self.body::<T>()
        }
    }

    fn fails(self, failures: &'static [u16]) -> Self {
        Self { failures, ..self }
    }
}

fn read<T: ToSchema>(summary: &'static str) -> Operation {
    Operation::new::<T>(summary, 200).query(READ)
}

fn act(summary: &'static str) -> Operation {
    Operation::new::<Done>(summary, 200).fails(WRITE)
}

fn steer(summary: &'static str) -> Operation {
    Operation::new::<PlanWritten>(summary, 200).fails(WRITE)
}

/// `None`: a route that is missing here. A test names it.
pub fn operation(method: &Method, path: &str) -> Option<Operation> {
    of_plans(method, path).or_else(|| of_hosts_and_rights(method, path))
}

fn of_plans(method: &Method, path: &str) -> Option<Operation> {
    let operation = match (method.as_str(), path) {
        ("POST", "/plan") => Operation::new::<PlanWritten>("Create a plan", 201)
            .or(200)
            .needs::<create::Body>()
            .fails(WRITE),
        ("POST", "/execute") => Operation::new::<PlanWritten>("Execute a plan", 202)
            .or(200)
            .query(WAIT)
            .needs::<seed::Execute>()
            .fails(REVISED),
        ("GET", "/status/{id}") => read::<PlanAnswer>("A plan (as /plans/{id})").fails(NAMED),
        ("GET", "/history") => read::<PlanList>("All plans (as /plans)").query(LIST),
        ("POST", "/plans/preview") => {
            Operation::new::<Preview>("What executing a plan would meet now", 200)
                .needs::<create::Body>()
                .fails(WRITE)
        }
        ("GET", "/plans") => read::<PlanList>("All plans, newest first").query(LIST),
        ("GET", "/plans/{id}") => read::<PlanAnswer>("A plan").fails(NAMED),
        ("GET", "/plans/{id}/explain") => read::<Explanation>("What a plan waits for").fails(NAMED),
        ("GET", "/plans/{id}/nodes") => read::<PlanNodes>("A plan's nodes").fails(NAMED),
        ("GET", "/plans/{id}/events") => {
            Operation::new::<Event>("What happens to a plan, as it happens", 200).fails(NAMED)
        }
        ("POST", "/plans/{id}/pause") => steer("Begin nothing new").body::<steering::Nothing>(),
        ("POST", "/plans/{id}/resume") => steer("Go on").body::<steering::Resume>(),
        ("POST", "/plans/{id}/cancel") => steer("End it as it is").body::<steering::Nothing>(),
        ("POST", "/plans/{id}/rollback") => steer("Take it back").body::<steering::TakeBack>(),
        ("POST", "/plans/{id}/nodes/{node}/retry") => {
            steer("Try a failed or skipped node again").body::<steering::Nothing>()
        }
        ("POST", "/plans/{id}/nodes/{node}/skip") => {
            steer("Leave a node as it is").body::<steering::Nothing>()
        }
        _ => return None,
    };
    Some(operation)
}

fn of_hosts_and_rights(method: &Method, path: &str) -> Option<Operation> {
    let operation = match (method.as_str(), path) {
        ("GET", "/version") => read::<Versions>("What every node runs"),
        ("GET", "/nodes") => read::<Nodes>("All hosts"),
        ("GET", "/nodes/{node}") => read::<NodeAnswer>("A host").fails(NAMED),
        ("POST", "/nodes/{node}/clear") => {
            act("Take note that a drift is meant").body::<steering::Nothing>()
        }
        ("POST", "/nodes/{node}/release-slot") => {
            act("Free the slot of a host that cannot answer").body::<nodes::ReleaseSlot>()
        }
        ("GET", "/cluster") => {
            read::<Cluster>("Who leads, who votes, how fresh the quorum is").query(SHOW)
        }
        #[cfg(feature = "next-version")]
        ("POST", "/nodes/{node}/annotate") => {
            act("Write a note on a node").needs::<nodes::Annotate>()
        }
        ("POST", "/cluster/finalize") => {
            Operation::new::<Finalized>("Raise the cluster version for good", 200)
                .body::<cluster::Finalize>()
                .fails(WRITE)
        }
        ("POST", "/cluster/leader") => act("Hand leadership over").needs::<cluster::Transfer>(),
        ("GET", "/cluster/members") => read::<Members>("All members"),
        ("DELETE", "/cluster/members/{node}") => act("Remove a member"),
        ("POST", "/cluster/members/{node}/promote") => {
            act("Give a member its vote").body::<steering::Nothing>()
        }
        ("POST", "/cluster/members/{node}/demote") => {
            act("Take a member's vote").body::<steering::Nothing>()
        }
        ("POST", "/cluster/join-tokens") => {
            Operation::new::<TokenMade>("Make a token for one joiner", 201)
                .or(200)
                .body::<tokens::CreateJoin>()
                .fails(WRITE)
        }
        ("GET", "/journal") => Operation::new::<Journal>("The journal", 200).query(PAGE),
        ("GET", "/tokens") => read::<Tokens>("All tokens, without their secrets"),
        ("POST", "/tokens") => Operation::new::<TokenMade>("Make a token", 201)
            .or(200)
            .needs::<tokens::Create>()
            .fails(WRITE),
        ("DELETE", "/tokens/{token}") => act("Revoke a token"),
        ("GET", "/whoami") => Operation::new::<Whoami>("Who asks", 200),
        _ => return None,
    };
    Some(operation)
}
