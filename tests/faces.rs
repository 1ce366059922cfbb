//! The HTTP face over a cluster in memory: who may do what, what malformed requests get, and the shapes
//! of answers. Sockets and real members are other nets' work.

#[path = "faces/conforming.rs"]
mod conforming;
#[path = "faces/core.rs"]
mod core;
#[path = "faces/document.rs"]
mod document;

use std::iter::successors;
use std::sync::Arc;

use aegis_updates::access::principal::Role;
use aegis_updates::cli::Cli;
use aegis_updates::control::service::Unavailable;
use aegis_updates::http::api::Api;
use aegis_updates::http::limiter::Limiter;
use aegis_updates::http::router::{PREFIX, ROUTES, Route, router};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use clap::{CommandFactory as _, Parser as _};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::core::{Core, TTL_MS, secret_of};

struct Face {
    core: Arc<Core>,
    api: Arc<Api>,
}

struct Told {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Face {
    fn new() -> Self {
        Self::limited(1_000_000, 1_000_000)
    }

    fn limited(rate: u64, burst: u64) -> Self {
        let core = Core::formed();
        let api = Api::with_limiter(core.clone(), Limiter::new(rate, burst));
        Self { core, api }
    }

    /// As anybody gets it.
    async fn get_document(&self) -> Value {
        let request = Request::get("/openapi.json").body(Body::empty());
        let response = router(&self.api).oneshot(request.expect("a request")).await;
        let body = response.expect("infallible").into_body().collect().await;
        serde_json::from_slice(&body.expect("a body").to_bytes()).expect("it is JSON")
    }

    async fn ask(&self, role: Option<Role>, method: &str, path: &str, body: &str) -> Told {
        self.keyed(role, method, path, body, None).await
    }

    async fn keyed(
        &self,
        role: Option<Role>,
        method: &str,
        path: &str,
        body: &str,
        key: Option<&str>,
    ) -> Told {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"));
        if let Some(role) = role {
            request = request.header("authorization", format!("Bearer {}", secret_of(role)));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let response = router(&self.api)
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Told {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn admin(&self, method: &str, path: &str, body: &Value) -> Told {
        self.ask(Some(Role::Admin), method, path, &body.to_string())
            .await
    }
}

fn plan_body() -> Value {
    json!({
        "version": "1.1.0",
        "binary_url": "https://ok.example/aegis-1.1.0",
        "sha256": "ab".repeat(32),
        "strategy": { "allow_downtime": true },
    })
}

#[tokio::test]
async fn every_route_for_every_role() {
    for route in ROUTES {
        let path = concrete(route.path);
        for role in [None].into_iter().chain(Role::ALL.map(Some)) {
            let face = Face::new();
            let before = face.core.journal_length();
            let told = face.ask(role, route.method.as_str(), &path, "").await;
            let what = format!(
                "{} {} as {role:?}: {}",
                route.method, route.path, told.status
            );
            match role {
                None => assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{what}"),
                Some(role) if !role.includes(route.role) => {
                    assert_eq!(told.status, StatusCode::FORBIDDEN, "{what}");
                }
                Some(_) => {
                    let kept_out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                    assert!(!kept_out.contains(&told.status), "{what}");
                    assert!(!told.status.is_server_error(), "{what}");
                    continue;
                }
            }
            assert_eq!(told.body["success"], json!(false), "{what}");
            assert_eq!(face.core.journal_length(), before, "{what}");
        }
    }
}

#[tokio::test]
async fn the_first_seed_s_shapes() {
    let face = Face::new();
    let made = face.admin("POST", "/plan", &plan_body()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let plan = &made.body["plan"];
    assert_eq!(
        (&made.body["success"], &plan["status"]),
        (&json!(true), &json!("Pending"))
    );
    for field in [
        "id",
        "version",
        "binary_url",
        "sha256",
        "created_at",
        "node_statuses",
    ] {
        assert!(!plan[field].is_null(), "{field}");
    }
    let shown = face.admin("GET", "/status/p-1", &json!({})).await;
    assert_eq!(
        (&shown.body["plan"]["id"], &shown.headers["etag"]),
        (&json!("p-1"), &"\"1\"".parse().expect("a value"))
    );
    let history = face.admin("GET", "/history", &json!({})).await;
    assert_eq!(history.body["plans"].as_array().map(Vec::len), Some(1));
    let version = face.admin("GET", "/version", &json!({})).await;
    assert_eq!(version.body["nodes"][0]["node_id"], json!("node-1"));
    assert!(version.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_plan_offers_only_what_would_be_accepted() {
    let face = Face::new();
    face.admin("POST", "/plan", &plan_body()).await;
    let offered = async || {
        let shown = face.admin("GET", "/status/p-1", &json!({})).await;
        shown.body["plan"]["next"].clone()
    };
    assert_eq!(
        offered().await,
        json!(["plan execute p-1", "plan cancel p-1"])
    );
    let cancelled = face.admin("POST", "/plans/p-1/cancel", &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.body);
    assert_eq!(
        offered().await,
        json!([]),
        "no node ever ran what it brings"
    );
}

#[tokio::test]
async fn a_key_makes_a_write_repeatable_and_another_body_is_refused() {
    let face = Face::new();
    let body = plan_body().to_string();
    let admin = Some(Role::Admin);
    let first = face.keyed(admin, "POST", "/plan", &body, Some("k-1")).await;
    let again = face.keyed(admin, "POST", "/plan", &body, Some("k-1")).await;
    assert_eq!(first.body["plan"]["id"], again.body["plan"]["id"]);
    let other = body.replace("1.1.0", "1.2.0");
    let refused = face
        .keyed(admin, "POST", "/plan", &other, Some("k-1"))
        .await;
    assert_eq!(refused.body["code"], json!("idempotency_key_reused"));
    let token = "{\"role\":\"viewer\"}";
    let made = face
        .keyed(admin, "POST", "/tokens", token, Some("k-2"))
        .await;
    assert!(made.body["secret"].is_string(), "{}", made.body);
    let replayed = face
        .keyed(admin, "POST", "/tokens", token, Some("k-2"))
        .await;
    assert_eq!(
        (&replayed.body["secret"], &replayed.body["id"]),
        (&Value::Null, &made.body["id"])
    );
}

#[tokio::test]
async fn without_a_leader_writes_say_so_and_local_reads_work() {
    // A way of being unavailable without a place in this row does not compile.
    let told_as = |how| match how {
        Unavailable::QuorumLost => ("quorum_lost", Some(Unavailable::NoLeader)),
        Unavailable::NoLeader => ("no_leader", Some(Unavailable::OutcomeUnknown)),
        Unavailable::OutcomeUnknown => ("outcome_unknown", Some(Unavailable::ShuttingDown)),
        Unavailable::ShuttingDown => ("shutting_down", None),
    };
    for how in successors(Some(Unavailable::QuorumLost), |how| told_as(*how).1) {
        let (code, _) = told_as(how);
        let face = Face::new();
        face.core.lose(how);
        let told = face.admin("POST", "/plan", &plan_body()).await;
        assert_eq!(
            (told.status.as_u16(), &told.body["code"]),
            (503, &json!(code))
        );
        assert!(told.headers.contains_key("retry-after"));
        let local = face
            .admin("GET", "/nodes?consistency=local", &json!({}))
            .await;
        assert_eq!(
            (local.status.as_u16(), &local.body["stale_ms"]),
            (200, &json!(1_500))
        );
    }
}

#[tokio::test]
async fn a_token_that_was_made_is_not_denied_when_the_quorum_goes() {
    let face = Face::new();
    face.core.lose_after_a_write(Unavailable::QuorumLost);
    let body = json!({ "id": "made", "role": "viewer" });
    let made = face.admin("POST", "/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let local = face
        .admin("GET", "/tokens?consistency=local", &json!({}))
        .await;
    let local = local.body["tokens"].to_string();
    assert!(local.contains("\"made\""), "{local}");
}

#[tokio::test]
async fn one_principal_s_flood_is_told_to_wait_and_others_are_served() {
    let face = Face::limited(1, 3);
    for _ in 0..3 {
        let told = face.ask(Some(Role::Viewer), "GET", "/whoami", "").await;
        assert_eq!(told.status, StatusCode::OK);
    }
    // One more is earned each second: on however slow a machine, not fifty.
    let mut refused = None;
    for _ in 0..50 {
        let told = face.ask(Some(Role::Viewer), "GET", "/whoami", "").await;
        refused = (told.status == StatusCode::TOO_MANY_REQUESTS).then_some(told);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("the limit is reached");
    assert_eq!(refused.body["code"], json!("rate_limited"));
    assert!(refused.headers.contains_key("retry-after"));
    let other = face.ask(Some(Role::Operator), "GET", "/whoami", "").await;
    assert_eq!(other.status, StatusCode::OK);
}

/// What was opened with a token ends with it, at the next thing that would have been told.
#[tokio::test]
async fn a_revoked_token_follows_nothing_any_more() {
    let face = Face::new();
    face.admin("POST", "/plan", &plan_body()).await;
    let request = Request::builder()
        .uri(format!("{PREFIX}/plans/p-1/events"))
        .header(
            "authorization",
            format!("Bearer {}", secret_of(Role::Viewer)),
        )
        .body(Body::empty())
        .expect("a request");
    let opened = router(&face.api)
        .oneshot(request)
        .await
        .expect("infallible");
    assert_eq!(opened.status(), StatusCode::OK);
    let mut told = opened.into_body().into_data_stream();
    let first = told.next().await.expect("an event").expect("bytes");
    assert!(!first.is_empty());
    face.admin("DELETE", "/tokens/viewer-1", &json!({})).await;
    let mut rest = Vec::new();
    while let Some(event) = told.next().await {
        rest.extend_from_slice(&event.expect("bytes"));
    }
    let rest = String::from_utf8(rest).expect("text");
    assert!(!rest.contains("event: end"), "{rest}");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let face = Face::new();
    assert_eq!(
        face.admin("DELETE", "/tokens/viewer-1", &json!({}))
            .await
            .status,
        StatusCode::OK
    );
    let told = face.ask(Some(Role::Viewer), "GET", "/whoami", "").await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_expires_though_nothing_is_appended_any_more() {
    let face = Face::new();
    face.core.pass(TTL_MS - 1);
    let told = face.ask(Some(Role::Viewer), "GET", "/whoami", "").await;
    assert_eq!(told.status, StatusCode::OK);
    face.core.pass(1);
    let told = face.ask(Some(Role::Viewer), "GET", "/whoami", "").await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    assert_eq!(told.body["code"], json!("unauthorized"));
}

/// The table is the whole router: what it does not list is answered by nobody, with whatever method.
#[tokio::test]
async fn what_the_table_does_not_list_is_not_there() {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let listed = |path: &str, method: &str| {
        let same = |route: &&Route| route.path == path && route.method.as_str() == method;
        ROUTES.iter().any(|route| same(&route))
    };
    let face = Face::new();
    for route in ROUTES {
        let path = concrete(route.path);
        for method in methods {
            if !listed(route.path, method) {
                let told = face.ask(Some(Role::Admin), method, &path, "").await;
                assert_eq!(
                    told.status,
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path}"
                );
            }
        }
        for path in [format!("{path}/"), format!("{path}/x")] {
            let known = ROUTES.iter().any(|other| concrete(other.path) == path);
            let parameter = ROUTES.iter().any(|other| fits(other.path, &path));
            if !known && !parameter {
                let told = face.ask(Some(Role::Admin), "GET", &path, "").await;
                assert_eq!(told.status, StatusCode::NOT_FOUND, "{path}");
            }
        }
    }
}

/// Routes are added to a router in three places only: from the table, the table's description, and the probes, which
/// tell nothing.
#[test]
fn no_route_is_added_beside_the_table() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    let mut added = Vec::new();
    let rooms = [source.to_owned(), format!("{source}/openapi")];
    let files = rooms
        .iter()
        .flat_map(|room| std::fs::read_dir(room).expect("the source is there"));
    for file in files {
        let path = file.expect("an entry").path();
        if path.is_dir() {
            assert!(path.ends_with("openapi"), "{path:?} is not looked into");
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file");
        let ways = [".route(", ".route_service(", ".nest", ".merge("];
        let count: usize = ways.iter().map(|way| text.matches(way).count()).sum();
        if count > 0 {
            let name = path.file_name().expect("a name").to_string_lossy();
            added.push((name.into_owned(), count));
        }
    }
    added.sort();
    let expected = [("probes.rs".to_owned(), 3), ("router.rs".to_owned(), 2)];
    assert_eq!(added, expected);
}

fn concrete(path: &str) -> String {
    let path = path.replace("{id}", "p-9").replace("{node}", "node-9");
    path.replace("{token}", "token-9")
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    let fits =
        |(one, other): (&&str, &&str)| one == other || (one.starts_with('{') && !other.is_empty());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

#[test]
fn no_route_stands_twice_and_none_is_open() {
    let mut seen: Vec<(&Method, &str)> = ROUTES
        .iter()
        .map(|route| (&route.method, route.path))
        .collect();
    let all = seen.len();
    seen.sort_by_key(|(method, path)| (method.as_str(), *path));
    seen.dedup();
    assert_eq!(seen.len(), all);
    assert!(ROUTES.iter().all(|route| route.role != Role::Node));
}

/// clap finds clashes of names only when a verb is used, unless it is asked to look at all of them.
#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
    let sha256 = "ab".repeat(32);
    let roll = [
        "aegis-updates",
        "roll",
        "1.1.0",
        "--url",
        "https://x/y",
        "--sha256",
        &sha256,
    ];
    assert!(Cli::try_parse_from(roll).is_ok());
    assert!(Cli::try_parse_from(["aegis-updates", "roll", "1.1.0"]).is_err());
}
