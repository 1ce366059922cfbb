//! The API's description of itself: it has every route, refers to nothing that is not there, and names what the plans
//! have.

use std::collections::BTreeSet;

use aegis_updates::base::failure::Class;
use aegis_updates::http::openapi::strategy;
use aegis_updates::plans::progress::Step;
use aegis_updates::plans::strategy::Strategy;
use serde_json::Value;

use super::{Face, PREFIX, ROUTES};

async fn document() -> Value {
    let told = Face::new().get_document().await;
    assert_eq!(told["openapi"], "3.1.0");
    told
}

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let document = document().await;
    let mut described = BTreeSet::new();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("methods") {
            described.insert((method.to_ascii_uppercase(), path.clone()));
            let answers = operation["responses"].as_object().expect("answers");
            assert!(answers.keys().any(|status| status.starts_with('2')));
            for status in ["400", "401", "403", "429", "503"] {
                assert!(answers.contains_key(status), "{method} {path} {status}");
            }
            for (status, answer) in answers {
                assert!(answer["content"].is_object(), "{method} {path} {status}");
            }
            assert!(operation["security"].is_array(), "{method} {path}");
            let named = operation["parameters"].as_array().expect("parameters");
            let named = named.iter().filter(|parameter| parameter["in"] == "path");
            assert_eq!(named.count(), path.matches('{').count(), "{path}");
        }
    }
    let routes = ROUTES.iter().map(|route| {
        let path = format!("{PREFIX}{}", route.path);
        (route.method.to_string(), path)
    });
    assert_eq!(described, routes.collect());
}

#[tokio::test]
async fn whatever_the_document_refers_to_is_there() {
    let document = document().await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let place = reference.strip_prefix('#').expect("in the document itself");
        assert!(document.pointer(place).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            references.extend(reference.map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| collect(element, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_names_no_version_of_the_product() {
    let text = document().await.to_string();
    assert!(!text.contains(env!("CARGO_PKG_VERSION")));
}

/// The same names; the same choices where one is left out; each duration a text.
#[test]
fn the_strategy_is_described_as_the_plans_have_it() {
    let own = serde_json::to_value(Strategy::default()).expect("it is JSON");
    let described = serde_json::to_value(strategy::Strategy::default()).expect("it is JSON");
    same(&own, &described, "strategy");
}

fn same(own: &Value, described: &Value, at: &str) {
    match (own, described) {
        (Value::Object(own), Value::Object(described)) => {
            assert!(own.keys().eq(described.keys()), "{at}");
            for (name, field) in own {
                same(field, &described[name], name);
            }
        }
        (Value::String(own), Value::String(described)) => {
            assert!(described.is_empty() || own == described, "{at}");
        }
        _ => assert_eq!(
            std::mem::discriminant(own),
            std::mem::discriminant(described),
            "{at}"
        ),
    }
}

#[tokio::test]
async fn closed_lists_are_described_as_they_are() {
    let document = document().await;
    let listed = |name: &str| -> BTreeSet<String> {
        let choices = &document["components"]["schemas"][name]["enum"];
        serde_json::from_value(choices.clone()).expect("a list")
    };
    let classes = Class::ALL.map(|class| class.code().to_owned());
    assert_eq!(listed("FailureClass"), classes.into());
    let steps = Step::ALL.map(|step| step.name().to_owned());
    assert_eq!(listed("Step"), steps.into());
    let edges = aegis_updates::plans::plan::EDGES.iter();
    let statuses = edges.flat_map(|(from, _, to)| [from.to_string(), to.to_string()]);
    assert_eq!(listed("PlanStatus"), statuses.collect());
    let edges = aegis_updates::plans::progress::EDGES.iter();
    let statuses = edges.flat_map(|(from, _, to)| [from.to_string(), to.to_string()]);
    assert_eq!(listed("NodeStatus"), statuses.collect());
}
