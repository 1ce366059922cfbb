//! The schema fuzzer against a live member: it reads the API's own description, makes requests right and wrong by it,
//! and judges every answer by it. The member beside it is looked at before and after each request: no answer is a
//! failure of ours, and whatever is refused has changed nothing.

mod watch;

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use aegis_updates::access::principal::Role;
use aegis_updates::access::token::Grant;
use aegis_updates::http::api::Api;
use aegis_updates::http::limiter::Limiter;
use aegis_updates::http::listen::serve_tcp;
use aegis_updates::http::openapi;
use aegis_updates::http::router::router;
use aegis_updates::plans::strategy::Strategy;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::number;
use crate::rig::{ME, Rig};
use crate::scene::{secret_of, spec, token};
use watch::Watch;

/// Where the fuzzer is, as `cargo xtask setup` installs it.
const VARIABLE: &str = "SCHEMATHESIS";
/// A run of the default length takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(500);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method,ignored_auth";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_as_an_administrator() {
    let Some(watch) = run(Role::Admin, "examples,coverage,fuzzing,stateful", 8).await else {
        return;
    };
    assert!(watch.answered(201) > 0 && watch.answered(422) > 0);
    assert!(watch.changed() > 0, "an administrator changed nothing");
}

/// Everything that would change something is refused, and nothing has changed at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_as_a_viewer() {
    let Some(watch) = run(Role::Viewer, "coverage,fuzzing", 4).await else {
        return;
    };
    assert!(watch.answered(403) >= 100, "it met {}", watch.statuses());
    assert_eq!(watch.changed(), 0, "a viewer changed something");
}

/// `None`: the fuzzer is not there.
async fn run(role: Role, phases: &str, examples: u64) -> Option<Arc<Watch>> {
    let program = std::env::var_os(VARIABLE).map(PathBuf::from);
    let Some(program) = program.filter(|program| program.exists()) else {
        println!(
            "skipped: needs schemathesis, which `cargo xtask setup` installs where there is Python"
        );
        return None;
    };
    let rig = Rig::of(1).await;
    rig.must(ME, token("spare", "aut_spare", Grant::Role(Role::Viewer)))
        .await;
    let strategy = Strategy {
        allow_downtime: true,
        ..Strategy::default()
    };
    rig.create(spec(None, strategy)).await;
    let watch = Arc::new(Watch::new(rig));
    let stop = CancellationToken::new();
    let address = serve(&watch, &stop).await;
    let fuzzing = fuzz(
        &program,
        &address,
        role,
        phases,
        number("EXAMPLES", examples),
    );
    let output = timeout(LIMIT, fuzzing).await.expect("it ends in time");
    stop.cancel();
    let wrong = watch.wrong();
    println!(
        "net schema: runs={} violations={} seconds={} faults: {} covered: {role} {phases}",
        watch.requests(),
        wrong.len() + usize::from(!output.status.success()),
        watch.seconds(),
        watch.statuses(),
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(wrong.is_empty(), "{}\n{said}", wrong.join("\n"));
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}");
    // Of some two thousand requests these are a small part; without them nothing was put to the test.
    let met = |status, least| watch.answered(status) >= least;
    assert!(
        met(200, 100) && met(400, 100),
        "it met {}",
        watch.statuses()
    );
    Some(watch)
}

async fn serve(watch: &Arc<Watch>, stop: &CancellationToken) -> String {
    let api = Api::with_limiter(
        watch.rig().station.clone(),
        Limiter::new(1_000_000, 1_000_000),
    );
    let watched = router(&api).layer(from_fn_with_state(watch.clone(), watch::look));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(serve_tcp(listener, None, watched, stop.clone()));
    address
}

async fn fuzz(program: &PathBuf, address: &str, role: Role, phases: &str, examples: u64) -> Output {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/schema");
    let bearer = format!("Authorization: Bearer {}", secret_of(role));
    let scratch = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(format!("http://{address}{}", openapi::PATH))
        .args(["--header", &bearer, "--phases", phases, "--checks", CHECKS])
        .args(["--max-examples", &examples.to_string(), "--no-shrink"])
        .args([
            "--generation-deterministic",
            "--workers=1",
            "--continue-on-failure",
        ])
        .args(["--suppress-health-check=all", "--request-timeout=60"])
        .args(["--warnings=off", "--no-color"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", own)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(scratch.path())
        .kill_on_drop(true);
    command.output().await.expect("it is started")
}
