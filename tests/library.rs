//! The library's face: the first seed's example compiles word for word and answers as it must.

use std::error::Error;

const SEED: &str = include_str!("library/seed.txt");
const EXAMPLE: &str = include_str!("library/example.txt");

/// The example between its braces, compiled as the seed prints it.
#[allow(unused_variables)]
async fn as_printed() -> Result<(), Box<dyn Error>> {
    include!("library/example.txt");
    Ok(())
}

#[test]
fn the_example_is_the_seeds_own() {
    let start = SEED
        .find("use aegis_updates::orchestrator")
        .expect("the seed has its example");
    let end = SEED.find("API Endpoints").expect("the example ends");
    assert_eq!(
        EXAMPLE,
        format!("{{\n{}\n}}\n", SEED[start..end].trim_end())
    );
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
