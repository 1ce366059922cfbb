//! What cargo knows about this workspace: where the source of `librocksdb-sys`, the
//! workspace and the target directory lie. Must not guess paths: cargo is asked.

use std::path::PathBuf;

use serde_json::Value;

use crate::step::{Failure, answer, at, cargo};

/// A crate's source as cargo unpacked it.
#[derive(Debug, PartialEq)]
pub struct Crate {
    pub version: String,
    pub directory: PathBuf,
}

/// The answer of `cargo metadata`.
pub struct Metadata(Value);

/// Features that leave RocksDB's own sources and defines as they are: how the bindings are made,
/// and how zlib and bzip2, which we do not use, would be linked.
const HARMLESS: [&str; 4] = ["bindgen-runtime", "bindgen-static", "default", "static"];

impl Metadata {
    /// Fetches what is missing on the way: asking downloads the dependencies.
    pub fn asked() -> Result<Self, Failure> {
        let text = answer(cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
        serde_json::from_str(&text)
            .map(Self)
            .map_err(at("cargo metadata"))
    }

    /// `workspace_root` or `target_directory`.
    pub fn directory(&self, field: &str) -> Result<PathBuf, Failure> {
        Ok(PathBuf::from(text(&self.0, field)?))
    }

    pub fn librocksdb_sys(&self) -> Result<Crate, Failure> {
        let name = "librocksdb-sys";
        let package = elements(&self.0, "/packages")
            .find(|package| package.get("name").is_some_and(|value| value == name))
            .ok_or_else(|| {
                Failure(format!(
                    "cargo metadata: no package {name}; has the workspace dropped it?"
                ))
            })?;
        let features = elements(&self.0, "/resolve/nodes")
            .filter(|node| node.get("id") == package.get("id"))
            .flat_map(|node| elements(node, "/features"))
            .filter_map(Value::as_str);
        if let Some(feature) = features
            .into_iter()
            .find(|feature| !HARMLESS.contains(feature))
        {
            return Err(Failure(format!(
                "{name} has feature {feature}, which xtask/src/rocksdb.rs does not build: \
                 add its define and sources there"
            )));
        }
        let mut directory = PathBuf::from(text(package, "manifest_path")?);
        directory.pop();
        Ok(Crate {
            version: text(package, "version")?.to_owned(),
            directory,
        })
    }
}

fn elements<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, Failure> {
    let text = value.get(field).and_then(Value::as_str);
    text.ok_or_else(|| Failure(format!("cargo metadata: no text in field {field}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(features: &[&str]) -> Metadata {
        Metadata(json!({
            "packages": [
                {"name": "serde", "id": "a", "version": "1.0.0", "manifest_path": "/r/serde/Cargo.toml"},
                {"name": "librocksdb-sys", "id": "b", "version": "0.19.0+11.8.1", "manifest_path": "/r/lib/Cargo.toml"}
            ],
            "resolve": {"nodes": [{"id": "a", "features": ["std"]}, {"id": "b", "features": features}]},
            "target_directory": "/t"
        }))
    }

    #[test]
    fn the_directory_is_that_of_the_manifest() {
        let expected = Crate {
            version: "0.19.0+11.8.1".into(),
            directory: "/r/lib".into(),
        };
        let metadata = metadata(&["bindgen-runtime", "static"]);
        assert_eq!(metadata.librocksdb_sys().unwrap(), expected);
        assert_eq!(
            metadata.directory("target_directory").unwrap(),
            PathBuf::from("/t")
        );
    }

    #[test]
    fn a_feature_that_our_build_lacks_is_refused_by_name() {
        let failure = metadata(&["bindgen-runtime", "lz4"])
            .librocksdb_sys()
            .unwrap_err();
        assert!(failure.0.contains("lz4"), "{failure}");
    }

    #[test]
    fn a_missing_package_is_an_error() {
        assert!(Metadata(json!({"packages": []})).librocksdb_sys().is_err());
    }
}
