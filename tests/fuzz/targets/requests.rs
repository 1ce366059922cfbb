//! Requests to the API: whatever stands in path, query and body, the answer is no failure of ours, its error has the
//! one shape, and what was refused changed nothing.

use std::sync::Arc;

use aegis_updates::access::principal::Role;
use aegis_updates::http::api::Api;
use aegis_updates::http::limiter::Limiter;
use aegis_updates::http::router::{PREFIX, ROUTES, router};
use axum::body::Body;
use axum::http::{Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::memory::{Core, secret_of};
use crate::runner::{Shape, Target, Verdict};

/// An input is a JSON text: the route's number, what stands for each parameter of its path, query, headers, body.
#[test]
fn requests() {
    let target = Target {
        name: "requests",
        seeds: seeds()
            .iter()
            .map(|seed| seed.to_string().into_bytes())
            .collect(),
        shape: Some(Shape {
            read: &|bytes| serde_json::from_slice(bytes).ok(),
            write: &|value| serde_json::to_vec(&value).ok(),
        }),
        inputs: 4_000,
        judge: &|_, bytes| judge(bytes),
    };
    target.run();
}

fn seeds() -> Vec<Value> {
    let plan = json!({
        "version": "1.1.0",
        "binary_url": "https://ok.example/aegis-1.1.0",
        "sha256": "ab".repeat(32),
        "nodes": ["node-1"],
        "strategy": { "max_unavailable": 1, "allow_downtime": true, "deadlines": { "soak": "5s" } },
    });
    let mut seeds = Vec::new();
    for (number, route) in ROUTES.iter().enumerate() {
        let body = match route.path {
            "/plan" | "/plans/preview" => plan.clone(),
            "/execute" => json!({ "plan_id": "p-1", "revision": 1 }),
            "/plans/{id}/resume" => json!({ "direction": "rollback" }),
            "/plans/{id}/rollback" => json!({ "nodes": ["node-1"] }),
            "/nodes/{node}/release-slot" => json!({ "host_is_off": true }),
            "/cluster/leader" => json!({ "to": "node-1" }),
            "/tokens" => json!({ "id": "t-1", "role": "viewer", "ttl": "1h" }),
            "/cluster/join-tokens" => json!({ "ttl": "1h" }),
            _ => json!({}),
        };
        let body = if route.method == "GET" {
            Value::Null
        } else {
            body
        };
        let query = match route.path {
            "/plans" | "/history" => "limit=5&cursor=p-9&status=Pending",
            "/journal" => "limit=5&cursor=1.0",
            _ if route.method == "GET" => "consistency=local",
            _ => "",
        };
        // One for the plan that is there, one for the node.
        for named in ["p-1", "node-1", "viewer-1"] {
            let headers =
                json!({ "x-reason": "why", "idempotency-key": "k-1", "if-match": "\"1\"" });
            seeds.push(json!([number, named, query, headers, body]));
        }
    }
    seeds
}

fn judge(bytes: &[u8]) -> Result<Verdict, String> {
    let Some(request) = read(bytes) else {
        return Ok(Verdict::Unread);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(ask(request))
}

fn read(bytes: &[u8]) -> Option<Request<Body>> {
    let parts: (usize, String, String, Value, Value) = serde_json::from_slice(bytes).ok()?;
    let (number, named, query, headers, body) = parts;
    let route = &ROUTES[number % ROUTES.len()];
    let path = ["{id}", "{node}", "{token}"]
        .iter()
        .fold(route.path.to_owned(), |path, part| {
            path.replace(part, &named)
        });
    let mut request = Request::builder()
        .method(route.method.clone())
        .uri(format!("{PREFIX}{path}?{query}"))
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", secret_of(Role::Admin)),
        );
    for (name, value) in headers.as_object()? {
        request = request.header(name, value.as_str()?);
    }
    let body = match body {
        Value::Null => Body::empty(),
        Value::String(text) => Body::from(text),
        value => Body::from(value.to_string()),
    };
    request.body(body).ok()
}

async fn ask(request: Request<Body>) -> Result<Verdict, String> {
    let core = Core::formed();
    let api = Api::with_limiter(core.clone(), Limiter::new(1_000_000, 1_000_000));
    create(&api).await;
    let before = core.journal_length();
    let shown = format!("{request:?}");
    let response = send(&api, request).await?;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    if status.is_success() && kind.is_some_and(|kind| kind == "text/event-stream") {
        return Ok(Verdict::Accepted);
    }
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    if status.is_server_error() {
        return Err(format!("{status} {body} to {shown}"));
    }
    if status.is_success() {
        return match body["success"] == json!(true) {
            true => Ok(Verdict::Accepted),
            false => Err(format!("{status} {body} to {shown}")),
        };
    }
    let told = ["error", "code", "remedy"]
        .iter()
        .all(|field| body[field].is_string());
    if body["success"] != json!(false) || !told || !body["details"].is_object() {
        return Err(format!("{status} {body} to {shown}"));
    }
    match core.journal_length() == before {
        true => Ok(Verdict::Refused),
        false => Err(format!("{status} {body} left a trace of {shown}")),
    }
}

async fn send(api: &Arc<Api>, request: Request<Body>) -> Result<Response<Body>, String> {
    match router(api).oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// The plan that the requests are about.
async fn create(api: &Arc<Api>) {
    let body = json!({
        "version": "1.1.0",
        "binary_url": "https://ok.example/aegis-1.1.0",
        "sha256": "ab".repeat(32),
        "strategy": { "allow_downtime": true },
    });
    let request = Request::post(format!("{PREFIX}/plan"))
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", secret_of(Role::Admin)),
        )
        .body(Body::from(body.to_string()))
        .expect("a request");
    let created = send(api, request).await.expect("an answer");
    assert_eq!(created.status(), 201);
}
