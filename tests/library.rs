//! The library's face: the first seed's example compiles word for word and answers as it must.

use std::error::Error;

const SEED: &str = include_str!("library/seed.txt");
const EXAMPLE: &str = include_str!("library/example.txt");
/// What rolls real nodes in `tests/daemons/library.rs`.
const WITH_OTHER_LITERALS: &str = include_str!("library/with_other_literals.txt");
/// What stands for the example's string literals, in their order.
const LITERALS: [&str; 11] = [
    "binary",
    "data_dir",
    "version",
    "url",
    "sha256",
    "first.node_id",
    "first.name",
    "first.address",
    "second.node_id",
    "second.name",
    "second.address",
];

/// The example between its braces, compiled as the seed prints it.
#[allow(unused_variables)]
async fn as_printed() -> Result<(), Box<dyn Error>> {
    include!("library/example.txt");
    Ok(())
}

/// The example between braces, cut out of the seed's text.
fn extracted() -> String {
    let start = SEED
        .find("use aegis_updates::orchestrator")
        .expect("the seed has its example");
    let end = SEED.find("API Endpoints").expect("the example ends");
    format!("{{\n{}\n}}\n", SEED[start..end].trim_end())
}

#[test]
fn the_example_is_the_seeds_own() {
    assert_eq!(EXAMPLE, extracted());
}

#[test]
fn what_rolls_real_nodes_differs_from_it_in_its_string_literals_only() {
    let extracted = extracted();
    let parts: Vec<&str> = extracted.split('"').collect();
    assert_eq!(
        parts.len(),
        2 * LITERALS.len() + 1,
        "each literal has two ends"
    );
    let mut replaced = String::new();
    for (number, text) in parts.iter().step_by(2).enumerate() {
        replaced.push_str(text);
        if let Some(name) = LITERALS.get(number) {
            replaced.push_str("literal.");
            replaced.push_str(name);
        }
    }
    assert_eq!(WITH_OTHER_LITERALS, replaced);
}

#[tokio::test]
async fn as_printed_its_digest_is_malformed() {
    let error = as_printed()
        .await
        .expect_err("`sha256hash...` is no digest");
    let error = error
        .downcast::<aegis_updates::orchestrator::Error>()
        .expect("the library's own error");
    assert_eq!(error.code, "malformed_sha256");
}
