//! The body that describes an update, in the first seed's names, and every way in which it can be wrong.

use std::collections::BTreeSet;

use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::call::{Call, clipped, duration, malformed_body, node_name};
use super::error::Problem;
use super::kind::Kind;
use super::openapi::{self, texts};
use crate::base::digest::Digest;
use crate::base::ids::NodeName;
use crate::base::limits::{NODES_MAX, URL_LENGTH_MAX};
use crate::plans::spec::{Release, Spec};
use crate::plans::strategy::Strategy;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreatePlan)]
pub struct Body {
    #[schema(value_type = texts::Version)]
    version: String,
    #[schema(value_type = texts::Url)]
    binary_url: String,
    #[schema(value_type = texts::Sha256)]
    sha256: String,
    /// Absent: every node that is registered when the plan is executed.
    #[schema(value_type = Option<Vec<texts::Name>>)]
    nodes: Option<Vec<String>>,
    /// Checked apart, so that each malformed value has its own code.
    #[schema(value_type = Option<openapi::strategy::Strategy>)]
    strategy: Option<Value>,
}

pub fn spec(call: &Call) -> Result<Spec, Problem> {
    let body: Body = call.body()?;
    Ok(Spec {
        release: Release {
            version: version(&body.version)?,
            url: url(&body.binary_url)?,
            sha256: sha256(&body.sha256)?,
        },
        nodes: body.nodes.as_deref().map(named_nodes).transpose()?,
        strategy: body.strategy.map(strategy).transpose()?.unwrap_or_default(),
    })
}

fn version(text: &str) -> Result<Version, Problem> {
    Version::parse(text).map_err(|error| {
        Problem::new(
            Kind::MalformedVersion,
            format!("`{}` is not a semantic version: {error}", clipped(text)),
            "write for example 1.2.3",
        )
    })
}

fn sha256(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Kind::MalformedSha256,
            format!("`{}` is not a SHA-256", clipped(text)),
            "give the 64 hexadecimal digits that `sha256sum` prints",
        )
    })
}

fn url(text: &str) -> Result<String, Problem> {
    let refused = |why: &str| {
        Problem::new(
            Kind::MalformedUrl,
            format!("`{}` {why}", clipped(text)),
            "give an http or https URL without user or password",
        )
    };
    if text.len() > URL_LENGTH_MAX {
        return Err(refused("is too long"));
    }
    let parsed = url::Url::parse(text).map_err(|_| refused("is not a URL"))?;
    match parsed.scheme() {
        _ if !parsed.username().is_empty() || parsed.password().is_some() => {
            Err(refused("carries a user or password"))
        }
        // Whether an origin is allowed is the core's to say; a file's is this host's own.
        "http" | "https" if parsed.has_host() => Ok(text.to_owned()),
        "file" => Ok(text.to_owned()),
        _ => Err(refused("is neither http, https nor file")),
    }
}

/// An empty list goes on to the core, which refuses it.
pub fn named_nodes(names: &[String]) -> Result<BTreeSet<NodeName>, Problem> {
    if names.len() > NODES_MAX {
        return Err(Problem::new(
            Kind::TooManyNames,
            format!("{} names are more than a cluster has nodes", names.len()),
            "name each node once",
        ));
    }
    let mut set = BTreeSet::new();
    for text in names {
        let name = node_name(text)?;
        if !set.insert(name) {
            return Err(Problem::new(
                Kind::DuplicateNodes,
                format!("node {text} is named twice"),
                "name each node once",
            ));
        }
    }
    Ok(set)
}

fn strategy(given: Value) -> Result<Strategy, Problem> {
    if let Ok(defaults) = serde_json::to_value(Strategy::default()) {
        check_durations(&defaults, &given)?;
    }
    serde_json::from_value(given).map_err(|error| malformed_body(&error))
}

/// Where the defaults have a duration the given value must have one too.
fn check_durations(defaults: &Value, given: &Value) -> Result<(), Problem> {
    let (Value::Object(defaults), Value::Object(given)) = (defaults, given) else {
        return Ok(());
    };
    for (name, value) in given {
        match defaults.get(name) {
            Some(Value::String(default)) if duration(default).is_ok() => {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                duration(&text).map_err(|problem| {
                    let error = format!("strategy field `{name}`: {}", problem.error);
                    Problem { error, ..problem }
                })?;
            }
            Some(inner) => check_durations(inner, value)?,
            None => {}
        }
    }
    Ok(())
}
