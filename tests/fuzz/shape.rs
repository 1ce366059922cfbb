//! Values made wrong on purpose while their shape stays right, so that decoders let most of them through: numbers at
//! their edges, names of others, parts of other values under the same key.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::random::Random;

/// What stands under each key anywhere in the corpus.
#[derive(Default)]
pub struct Pool(BTreeMap<String, Vec<Value>>);

/// A key's parts are drawn from this many of the corpus.
const KEPT_MAX: usize = 300;

impl Pool {
    pub fn of(values: impl Iterator<Item = Value>) -> Self {
        let mut pool = Self::default();
        values.for_each(|value| pool.learn(&value));
        pool
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    let known = self.0.entry(key.clone()).or_default();
                    if known.len() < KEPT_MAX && !known.contains(field) {
                        known.push(field.clone());
                    }
                    self.learn(field);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.learn(element)),
            _ => {}
        }
    }

    fn pick(&self, random: &mut Random, key: &str) -> Option<Value> {
        random.pick(self.0.get(key)?).cloned()
    }

    /// One to three changes.
    pub fn change(&self, random: &mut Random, value: &mut Value) {
        for _ in 0..random.between(1, 3) {
            let parts = count(value);
            let mut chosen = random.between(0, parts - 1);
            self.at(random, value, "", &mut chosen);
        }
    }

    /// Changes the part that `left` counts down to, in depth-first order.
    fn at(&self, random: &mut Random, value: &mut Value, key: &str, left: &mut u64) -> bool {
        if *left == 0 {
            self.change_here(random, value, key);
            return true;
        }
        *left -= 1;
        match value {
            Value::Object(fields) => fields
                .iter_mut()
                .any(|(key, field)| self.at(random, field, key, left)),
            Value::Array(elements) => elements
                .iter_mut()
                .any(|element| self.at(random, element, key, left)),
            _ => false,
        }
    }

    fn change_here(&self, random: &mut Random, value: &mut Value, key: &str) {
        if random.percent(50)
            && let Some(other) = self.pick(random, key)
        {
            *value = other;
            return;
        }
        match value {
            Value::Null => *value = json!(0),
            Value::Bool(truth) => *truth = !*truth,
            Value::Number(number) => *value = edge(random, number.as_u64().unwrap_or(0)),
            Value::String(text) => *value = json!(worse(random, text)),
            Value::Array(elements) => shuffle(random, elements),
            Value::Object(fields) => reshape(random, fields),
        }
    }
}

fn count(value: &Value) -> u64 {
    1 + match value {
        Value::Object(fields) => fields.values().map(count).sum::<u64>(),
        Value::Array(elements) => elements.iter().map(count).sum(),
        _ => 0,
    }
}

fn edge(random: &mut Random, number: u64) -> Value {
    let edges = [
        0,
        1,
        number.wrapping_add(1),
        number.wrapping_sub(1),
        u64::MAX,
        u64::MAX - 1,
        1 << 63,
        1 << 32,
        (1 << 32) - 1,
        random.next(),
    ];
    match random.percent(5) {
        true => json!(-1),
        false => json!(random.pick(&edges).copied().unwrap_or(0)),
    }
}

fn worse(random: &mut Random, text: &str) -> String {
    match random.between(0, 5) {
        0 => String::new(),
        1 => "x".repeat(random.between(1, 5_000) as usize),
        2 => format!("{text}\u{0}\u{202e}"),
        3 => "18446744073709551615ms".to_owned(),
        4 => text.chars().rev().collect(),
        _ => format!("{text}{text}"),
    }
}

fn shuffle(random: &mut Random, elements: &mut Vec<Value>) {
    let length = elements.len() as u64;
    match random.between(0, 2) {
        0 if length > 0 => {
            elements.remove(random.between(0, length - 1) as usize);
        }
        1 if length > 0 => {
            let again = elements[random.between(0, length - 1) as usize].clone();
            elements.push(again);
        }
        _ => elements.reverse(),
    }
}

fn reshape(random: &mut Random, fields: &mut Map<String, Value>) {
    let keys: Vec<String> = fields.keys().cloned().collect();
    match random.pick(&keys) {
        Some(key) if random.percent(70) => {
            fields.remove(key);
        }
        _ => {
            fields.insert("from_a_newer_version".to_owned(), json!([{}]));
        }
    }
}
