//! The API's description of itself, made from the table of routes: whoever reads it knows every request and every
//! answer. It names no version of the product, since it is told to anybody.

pub mod operations;
pub mod others;
pub mod plans;
pub mod strategy;
pub mod texts;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Required, Schema};

use self::operations::{Named, Operation, named, operation, problem};
use self::texts::{Name, PlanId};
use super::router::{PREFIX, ROUTES, Route};
use crate::base::limits::REASON_LENGTH_MAX;

pub const PATH: &str = "/openapi.json";
const SCHEME: &str = "token";
const JSON: &str = "application/json";
/// Any request: malformed, unknown token, wrong role, too slow, too large, too often, something impossible was met,
/// no quorum.
const ALWAYS: [u16; 8] = [400, 401, 403, 408, 413, 429, 500, 503];

pub async fn serve() -> Response<Body> {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    // Plain data with text keys, which JSON always holds.
    let document = DOCUMENT.get_or_init(|| document().to_json().unwrap_or_default());
    let mut response = Response::new(Body::from(document.as_str()));
    let kind = HeaderValue::from_static(JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

pub fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = Vec::new();
    (problem().collect)(&mut schemas);
    for route in ROUTES {
        let Some(operation) = operation(&route.method, route.path) else {
            continue;
        };
        collect(&operation, &mut schemas);
        let method = method_of(route);
        let item = PathItem::new(method, built(route, &operation));
        let known = paths.paths.entry(format!("{PREFIX}{}", route.path));
        known.or_default().merge_operations(item);
    }
    for parameter in [named::<Name>(), named::<PlanId>()] {
        (parameter.collect)(&mut schemas);
    }
    let schemas: BTreeMap<_, _> = schemas.into_iter().collect();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A secret from `token create`."))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(SCHEME, SecurityScheme::Http(scheme))
        .build();
    let info = InfoBuilder::new()
        .title("aegis-updates")
        .version("v1")
        .description(Some("Rolling updates of quorum databases."))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .build()
}

fn method_of(route: &Route) -> HttpMethod {
    match route.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        "HEAD" => HttpMethod::Head,
        _ => HttpMethod::Get,
    }
}

fn collect(operation: &Operation, schemas: &mut Vec<(String, RefOr<Schema>)>) {
    let answers = operation.answers.iter().map(|(_, answer)| answer);
    let query = operation.query.iter().map(|(_, parameter)| parameter);
    for named in answers.chain(query).chain(&operation.body) {
        (named.collect)(schemas);
    }
}

fn built(route: &Route, operation: &Operation) -> utoipa::openapi::path::Operation {
    let role = route.role;
    let mut builder = OperationBuilder::new()
        .summary(Some(operation.summary))
        .description(Some(format!(
            "Needs the role {role}, or one that includes it."
        )))
        .operation_id(Some(operation_id(route)))
        .security(SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, []));
    for parameter in parameters(route, operation) {
        builder = builder.parameter(parameter);
    }
    if let Some(body) = operation.body {
        let content = ContentBuilder::new().schema(Some(body.reference())).build();
        let required = match operation.body_required {
            true => Required::True,
            false => Required::False,
        };
        let body = RequestBodyBuilder::new()
            .content(JSON, content)
            .required(Some(required));
        builder = builder.request_body(Some(body.build()));
    }
    for (status, answer) in &operation.answers {
        let mut response = response(*status, *answer, kind_of(route));
        if matches!(route.path, "/plans/{id}" | "/status/{id}") {
            response = response.header("ETag", text_header("The plan's revision."));
        }
        builder = builder.response(status.to_string(), response.build());
    }
    for status in ALWAYS.iter().chain(operation.failures) {
        let mut response = response(*status, problem(), JSON);
        match status {
            401 => {
                response = response.header("WWW-Authenticate", text_header("`Bearer`."));
            }
            429 | 503 => {
                response = response.header("Retry-After", text_header("In seconds."));
            }
            _ => {}
        }
        builder = builder.response(status.to_string(), response.build());
    }
    builder.build()
}

fn kind_of(route: &Route) -> &'static str {
    match route.path {
        "/plans/{id}/events" => "text/event-stream",
        _ => JSON,
    }
}

fn response(status: u16, answer: Named, kind: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(answer.reference()));
    let status = StatusCode::from_u16(status).unwrap_or_default();
    ResponseBuilder::new()
        .description(status.canonical_reason().unwrap_or_default())
        .content(kind, content.build())
        .header("X-Request-Id", text_header("Also in the logs."))
}

fn text_header(description: &str) -> utoipa::openapi::header::Header {
    HeaderBuilder::new()
        .schema(ObjectBuilder::new().schema_type(Type::String))
        .description(Some(description))
        .build()
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '-']);
    let words = words.filter(|word| !word.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    words.fold(method, |id, word| format!("{id}_{word}"))
}

fn parameters(route: &Route, operation: &Operation) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for (placed, named) in [
        ("id", named::<PlanId>()),
        ("node", named::<Name>()),
        ("token", named::<Name>()),
    ] {
        if route.path.contains(&format!("{{{placed}}}")) {
            parameters.push(parameter(placed, ParameterIn::Path, named.reference()));
        }
    }
    for (name, named) in operation.query {
        parameters.push(parameter(name, ParameterIn::Query, named.reference()));
    }
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let mut header = |name, schema: ObjectBuilder| {
        parameters.push(parameter(name, ParameterIn::Header, schema.into()));
    };
    header("X-Request-Id", text());
    if route.path.ends_with("/events") {
        header(
            "Last-Event-ID",
            text().pattern(Some("^[0-9]{1,15}\\.[0-9]{1,5}$")),
        );
    }
    if route.path == "/execute" {
        header("If-Match", text().pattern(Some("^\"[0-9]{1,18}\"$")));
    }
    if route.method != "GET" && route.path != "/plans/preview" {
        header("X-Reason", text().max_length(Some(REASON_LENGTH_MAX)));
        // Leadership and membership end where they end however often it is said.
        if !route.path.starts_with("/cluster/leader") && !route.path.starts_with("/cluster/members")
        {
            header("Idempotency-Key", text().pattern(Some("^[!-~]{1,255}$")));
        }
    }
    parameters
}

fn parameter(name: &str, place: ParameterIn, schema: RefOr<Schema>) -> Parameter {
    let required = match place {
        ParameterIn::Path => Required::True,
        _ => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema))
        .build()
}
