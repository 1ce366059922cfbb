//! Prints what the API answered: as a table for people, or whole for programs.

use comfy_table::{Table, presets};
use serde_json::Value;

use super::args::Format;
use super::say::{self, note};

/// A heading, and the path of the field below it, as in `slot.plan`.
pub type Column = (&'static str, &'static str);

/// A list of rows. `-o name` prints the first column.
pub fn rows(format: Format, whole: &Value, list: &Value, columns: &[Column]) {
    let none = Vec::new();
    let list = list.as_array().unwrap_or(&none);
    match format {
        Format::Json | Format::Yaml => document(format, whole),
        Format::Name => {
            for row in list {
                line(
                    &columns
                        .first()
                        .map_or_else(String::new, |(_, path)| cell(row, path)),
                );
            }
        }
        Format::Table => {
            let mut table = Table::new();
            table.load_preset(presets::NOTHING);
            table.set_header(columns.iter().map(|(heading, _)| *heading));
            for row in list {
                table.add_row(columns.iter().map(|(_, path)| cell(row, path)));
            }
            line(&table.to_string());
        }
    }
}

/// One thing. `-o name` prints the first field.
pub fn fields(format: Format, whole: &Value, one: &Value, columns: &[Column]) {
    match format {
        Format::Json | Format::Yaml => document(format, whole),
        Format::Name => line(
            &columns
                .first()
                .map_or_else(String::new, |(_, path)| cell(one, path)),
        ),
        Format::Table => {
            let mut table = Table::new();
            table.load_preset(presets::NOTHING);
            for (heading, path) in columns {
                let text = cell(one, path);
                if text != "-" {
                    table.add_row([(*heading).to_owned(), text]);
                }
            }
            line(&table.to_string());
        }
    }
}

fn document(format: Format, whole: &Value) {
    let text = if format == Format::Yaml {
        serde_yaml_ng::to_string(whole).unwrap_or_else(|_| whole.to_string())
    } else {
        serde_json::to_string_pretty(whole).unwrap_or_else(|_| whole.to_string())
    };
    line(text.trim_end());
}

/// Data, without the blanks that a table leaves at the ends of its lines.
pub fn line(text: &str) {
    let trimmed: Vec<_> = text.lines().map(str::trim_end).collect();
    say::data(&trimmed.join("\n"));
}

/// What a person reads in one field.
pub fn cell(row: &Value, path: &str) -> String {
    let value = path.split('.').fold(row, |value, name| &value[name]);
    match value {
        Value::Null => "-".to_owned(),
        Value::Number(bytes) if path.ends_with("_bytes") => size(bytes.as_u64().unwrap_or(0)),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(list) => {
            let words: Vec<_> = list
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect();
            words.join(", ")
        }
        other => other.to_string(),
    }
}

/// As `2GiB` is written, to one decimal.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in units {
        if value < 1_024.0 {
            break;
        }
        value /= 1_024.0;
        shown = format!("{value:.1} {unit}");
    }
    shown
}

/// Data of a member that heard no leader is shown, and said to be old.
pub fn note_age(whole: &Value) {
    if let Some(age) = whole["stale_ms"].as_u64() {
        note!(
            "no leader: this member's own state, {:.1} s old",
            age as f64 / 1_000.0
        );
    }
}
