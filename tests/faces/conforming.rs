//! Answers as they are, against their description: nothing is missing, nothing is more than was said.

use aegis_updates::access::principal::Role;
use serde_json::{Value, json};

use super::{Face, PREFIX};

/// The method, the path as the description has it and as it is asked for, and the body.
const ASKED: &[(&str, &str, &str, &str)] = &[
    ("POST", "/tokens", "/tokens", r#"{"role":"viewer"}"#),
    ("POST", "/tokens", "/tokens", r#"{"role":"nobody"}"#),
    ("POST", "/cluster/join-tokens", "/cluster/join-tokens", ""),
    ("DELETE", "/tokens/{token}", "/tokens/viewer-1", ""),
    ("DELETE", "/tokens/{token}", "/tokens/nobody", ""),
    ("GET", "/version", "/version", ""),
    ("GET", "/history", "/history", ""),
    ("GET", "/status/{id}", "/status/p-1", ""),
    ("GET", "/plans", "/plans?status=Pending", ""),
    ("GET", "/plans/{id}", "/plans/p-1", ""),
    ("GET", "/plans/{id}", "/plans/p-9", ""),
    ("GET", "/plans/{id}/explain", "/plans/p-1/explain", ""),
    ("GET", "/plans/{id}/nodes", "/plans/p-1/nodes", ""),
    ("GET", "/nodes", "/nodes", ""),
    ("GET", "/nodes/{node}", "/nodes/node-1", ""),
    ("GET", "/cluster", "/cluster?digest=true", ""),
    ("GET", "/cluster/members", "/cluster/members", ""),
    ("GET", "/journal", "/journal", ""),
    ("GET", "/journal", "/journal?limit=0", ""),
    ("GET", "/tokens", "/tokens", ""),
    ("GET", "/whoami", "/whoami", ""),
    ("POST", "/nodes/{node}/clear", "/nodes/node-1/clear", ""),
    ("POST", "/execute", "/execute", r#"{"plan_id":"p-1"}"#),
    ("GET", "/plans/{id}/explain", "/plans/p-1/explain", ""),
    ("POST", "/plans/{id}/pause", "/plans/p-1/pause", ""),
    ("POST", "/plans/{id}/cancel", "/plans/p-1/cancel", ""),
];

#[tokio::test]
async fn answers_are_as_described() {
    let face = Face::new();
    let document = face.get_document().await;
    let plan = json!({
        "version": "1.1.0",
        "binary_url": "https://ok.example/aegis-1.1.0",
        "sha256": "ab".repeat(32),
        "strategy": { "allow_downtime": true },
    });
    let plan = plan.to_string();
    let first = [
        ("POST", "/plans/preview", "/plans/preview", plan.as_str()),
        ("POST", "/plan", "/plan", plan.as_str()),
    ];
    for (method, path, asked, body) in first.iter().chain(ASKED) {
        let told = face.ask(Some(Role::Admin), method, asked, body).await;
        let operation = &document["paths"][format!("{PREFIX}{path}")][method.to_lowercase()];
        let answer = &operation["responses"][told.status.as_str()];
        let schema = &answer["content"]["application/json"]["schema"];
        let at = format!("{method} {asked}: {}", told.status);
        assert!(schema.is_object(), "{at} is not described");
        let described = Described {
            document: &document,
        };
        if let Err(why) = described.holds(schema, &told.body, &at) {
            panic!("{why}\n{}", told.body);
        }
    }
}

struct Described<'a> {
    document: &'a Value,
}

impl Described<'_> {
    fn holds(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let place = reference.trim_start_matches('#');
            let schema = self.document.pointer(place);
            return self.holds(schema.ok_or(reference)?, value, at);
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            let wrong: Vec<_> = ways
                .iter()
                .filter_map(|way| self.holds(way, value, at).err())
                .collect();
            return match wrong.len() < ways.len() {
                true => Ok(()),
                false => Err(wrong.join(", or ")),
            };
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.clone(),
            Value::Null => return Ok(()),
            kind => vec![kind.clone()],
        };
        if !kinds.contains(&json!(kind(value))) {
            return Err(format!("{at}: {} is no {kinds:?}", kind(value)));
        }
        if let Some(choices) = schema["enum"].as_array()
            && !choices.contains(value)
        {
            return Err(format!("{at}: {value} is none of {choices:?}"));
        }
        match value {
            Value::Object(fields) => self.fields(schema, fields, at),
            Value::Array(elements) => elements
                .iter()
                .try_for_each(|element| self.holds(&schema["items"], element, at)),
            _ => Ok(()),
        }
    }

    /// All that is described, and no more, unless any name may stand there.
    fn fields(
        &self,
        schema: &Value,
        fields: &serde_json::Map<String, Value>,
        at: &str,
    ) -> Result<(), String> {
        let Some(properties) = schema["properties"].as_object() else {
            let each = &schema["additionalProperties"];
            let mut fields = fields.iter();
            return fields.try_for_each(|(_, field)| self.holds(each, field, at));
        };
        if let Some(missing) = properties.keys().find(|name| !fields.contains_key(*name)) {
            return Err(format!("{at}: {missing} is missing"));
        }
        fields.iter().try_for_each(|(name, field)| {
            let schema = properties.get(name);
            let schema = schema.ok_or_else(|| format!("{at}: {name} is not described"))?;
            self.holds(schema, field, &format!("{at} {name}"))
        })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
