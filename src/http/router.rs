//! The table of routes, each with the role it needs, and the one way through which every request goes:
//! who, how often, may they, how large, and only then the handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Method, Response};
use axum::routing::{MethodFilter, get, on};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::api::{Api, BODY_MAX, BODY_TIME_MAX};
use super::auth::{self, Entrance};
use super::call::{Answer, Call};
use super::error::Problem;
use super::kind::Kind;
use super::{
    cluster, events, journal, members, nodes, openapi, plans, random, seed, steering, tokens,
};
use crate::access::principal::{Principal, Role};
use crate::control::service::Consistency;

pub const PREFIX: &str = "/api/v1/updates";

pub struct Route {
    pub method: Method,
    /// Below `PREFIX`; `{id}` is a plan, `{node}` a node, `{token}` a token.
    pub path: &'static str,
    /// Whoever has a role that includes this one.
    pub role: Role,
    handle: fn(Call) -> BoxFuture<'static, Answer>,
}

macro_rules! route {
    ($method:ident $path:literal $role:ident $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            role: Role::$role,
            handle: |call| Box::pin($handler(call)),
        }
    };
}

/// Every route there is.
pub static ROUTES: &[Route] = &[
    // The first seed's five.
    route!(GET "/version" Viewer seed::version),
    route!(POST "/plan" Operator seed::create),
    route!(POST "/execute" Operator seed::execute),
    route!(GET "/status/{id}" Viewer seed::status),
    route!(GET "/history" Viewer seed::history),
    // Plans.
    route!(POST "/plans/preview" Viewer plans::preview),
    route!(GET "/plans" Viewer plans::list),
    route!(GET "/plans/{id}" Viewer plans::show),
    route!(GET "/plans/{id}/explain" Viewer plans::explain),
    route!(GET "/plans/{id}/nodes" Viewer plans::nodes),
    route!(GET "/plans/{id}/events" Viewer events::follow),
    route!(POST "/plans/{id}/pause" Operator steering::pause),
    route!(POST "/plans/{id}/resume" Operator steering::resume),
    route!(POST "/plans/{id}/cancel" Operator steering::cancel),
    route!(POST "/plans/{id}/rollback" Operator steering::rollback),
    route!(POST "/plans/{id}/nodes/{node}/retry" Operator steering::retry),
    route!(POST "/plans/{id}/nodes/{node}/skip" Operator steering::skip),
    // Hosts.
    route!(GET "/nodes" Viewer nodes::list),
    route!(GET "/nodes/{node}" Viewer nodes::show),
    route!(POST "/nodes/{node}/clear" Operator nodes::clear),
    #[cfg(feature = "next-version")]
    route!(POST "/nodes/{node}/annotate" Operator nodes::annotate),
    route!(POST "/nodes/{node}/release-slot" Operator nodes::release_slot),
    // The cluster.
    route!(GET "/cluster" Viewer cluster::show),
    route!(POST "/cluster/leader" Admin cluster::transfer),
    route!(GET "/cluster/members" Viewer members::list),
    route!(DELETE "/cluster/members/{node}" Admin members::remove),
    route!(POST "/cluster/members/{node}/promote" Admin members::promote),
    route!(POST "/cluster/members/{node}/demote" Admin members::demote),
    route!(POST "/cluster/join-tokens" Admin tokens::create_join),
    route!(POST "/cluster/finalize" Admin cluster::finalize),
    // Records and rights.
    route!(GET "/journal" Viewer journal::list),
    route!(GET "/tokens" Admin tokens::list),
    route!(POST "/tokens" Admin tokens::create),
    route!(DELETE "/tokens/{token}" Admin tokens::revoke),
    route!(GET "/whoami" Viewer tokens::whoami),
];

pub fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else {
            continue;
        };
        let api = Arc::clone(api);
        let serve = move |request: Request| serve(Arc::clone(&api), route, request);
        router = router.route(&format!("{PREFIX}{}", route.path), on(filter, serve));
    }
    router
        .route(openapi::PATH, get(openapi::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
}

async fn serve(api: Arc<Api>, route: &'static Route, request: Request) -> Response<Body> {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let mut response = answer(api, route, request)
        .await
        .unwrap_or_else(Problem::into_response);
    tracing::debug!(request = %id, %method, path = route.path, status = response.status().as_u16());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

async fn answer(api: Arc<Api>, route: &Route, request: Request) -> Answer {
    let arrived = Instant::now();
    let (mut parts, body) = request.into_parts();
    let entrance = parts.extensions.get().copied().unwrap_or(Entrance::Network);
    let reading = api.core.read(Consistency::Local).await?;
    let member = api.core.identity().member;
    let principal = auth::principal(
        entrance,
        member,
        &parts.headers,
        &reading.state,
        api.core.wall_ms(),
    );
    api.admit(principal.as_ref().ok())?;
    let principal = principal?;
    authorize(&principal, route.role)?;
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    let params = params.map_err(|_| {
        Problem::new(
            Kind::MalformedPath,
            "the path is not UTF-8",
            "correct the path",
        )
    })?;
    let params: BTreeMap<String, String> = params
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let body = read_body(body).await?;
    let call = Call {
        api,
        arrived,
        principal,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        params,
        headers: parts.headers,
        body,
    };
    (route.handle)(call).await
}

fn authorize(principal: &Principal, needed: Role) -> Result<(), Problem> {
    let role = principal.role();
    if role.includes(needed) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        format!("{principal} has the role {role}; this needs {needed}"),
        format!("use a token with the role {needed}"),
    ))
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let limited = http_body_util::Limited::new(body, BODY_MAX);
    let collected = http_body_util::BodyExt::collect(limited);
    let slow = |_| {
        Problem::new(
            Kind::BodyTooSlow,
            "the body did not arrive in time",
            "send it again",
        )
    };
    match tokio::time::timeout(BODY_TIME_MAX, collected)
        .await
        .map_err(slow)?
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            Kind::BodyTooLarge,
            format!("the body is larger than {BODY_MAX} bytes"),
            "send less",
        )),
        Err(error) => Err(Problem::new(
            Kind::MalformedBody,
            format!("the body cannot be read: {error}"),
            "send it again",
        )),
    }
}

/// The client's own, where it is fit for logs, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let usable = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let given = headers
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .filter(usable);
    given.map_or_else(random::hexadecimal::<8>, str::to_owned)
}

async fn not_found() -> Response<Body> {
    Problem::new(
        Kind::UnknownRoute,
        "there is nothing at this path",
        "correct the path; all routes are below /api/v1/updates",
    )
    .into_response()
}

async fn not_allowed() -> Response<Body> {
    Problem::new(
        Kind::MethodNotAllowed,
        "this path does not take this method",
        "use a method that the Allow header names",
    )
    .into_response()
}
