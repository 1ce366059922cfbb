//! What is written down of the code: ARCHITECTURE.md carries the state machines as the tables say, and entries and
//! rows are encoded as they were.

#[path = "golden/encodings.rs"]
mod encodings;

use aegis_updates::plans::{plan, progress};

type Edges = [(&'static str, &'static str, &'static str)];

fn diagram(edges: &Edges) -> String {
    let lines = edges
        .iter()
        .map(|(from, event, to)| format!("    {from} --> {to}: {event}\n"));
    format!(
        "```mermaid\nstateDiagram-v2\n{}```\n",
        lines.collect::<String>()
    )
}

#[test]
fn architecture_shows_the_machines_as_they_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).expect("ARCHITECTURE.md is read");
    for (name, edges) in [("plan", plan::EDGES), ("node", progress::EDGES)] {
        let drawn = diagram(edges);
        assert!(
            text.contains(&drawn),
            "ARCHITECTURE.md lacks the {name}'s machine; put this there:\n{drawn}"
        );
    }
}
