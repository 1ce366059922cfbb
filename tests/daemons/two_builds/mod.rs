//! Two builds of the updater in one cluster (F21): this one, and one of the next cluster version that adds
//! an entry kind, a field to an older entry, and fields to rows. Daemons go from one to the other and back
//! under running plans; the version is raised by command only, and then there is no way back.

mod build;
mod digests;
mod scene;

use std::process::Stdio;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use self::digests::{Asking, Compared};
use self::scene::{Build, Scene};
use crate::stage::{self, PATIENCE};

const NAMES: [&str; 3] = ["n1", "n2", "n3"];
/// A node stays in hand long enough for a daemon to be exchanged meanwhile.
const SOAK: Millis = Millis(2_500);
/// Nothing here is about a database or a quorum that is late; a busy machine gets its time.
const PATIENT: Millis = Millis(40_000);
/// Storage: what lies there is another daemon's.
const EXIT_STORAGE: i32 = 70;

#[tokio::test(flavor = "multi_thread")]
async fn forth_and_back_and_no_way_back_once_finalized() {
    let begun = Instant::now();
    let next = build::next();
    println!("the next build: {:?}", begun.elapsed());
    let begun = Instant::now();
    let mut timings = Timings::DEMO;
    timings.soak = SOAK;
    timings.verify = PATIENT;
    timings.rejoin = PATIENT;
    timings.health_grace = PATIENT;
    timings.quorum_loss_grace = PATIENT;
    let cluster = stage::cluster_on(timings, &Recipe::sound("1.0.0")).await;
    let mut scene = Scene::new(cluster, next);
    let asking = Asking::start(scene.cluster.api.clone());

    forth(&mut scene).await;
    back(&mut scene).await;
    finalize(&mut scene).await;
    the_new_is_used(&mut scene).await;
    an_old_daemon_is_refused(&mut scene).await;

    let compared = asking.finish().await;
    let Compared {
        indexes, across, ..
    } = compared;
    let (exchanged, seconds) = (scene.exchanged, begun.elapsed().as_secs());
    println!(
        "net two-builds: runs=1 violations={} seconds={seconds} faults: exchanged-daemon={exchanged} \
         refused-start=1 covered: plans=3 compared-indexes={indexes} across-builds={across}",
        compared.apart.len()
    );
    let what = format!("states apart: {:#?}", compared.apart);
    scene.must(compared.apart.is_empty(), &what).await;
    let what = format!("too little was compared: {compared}");
    scene.must(indexes >= 10 && across >= 2, &what).await;
}

/// Every daemon becomes the next build while a plan runs; the version cannot be raised before the last.
async fn forth(scene: &mut Scene) {
    let plan = scene.begin_plan("1.1.0", &NAMES).await;
    for (at, name) in NAMES.into_iter().enumerate() {
        live(scene, &plan, at == 0).await;
        scene.exchange(name, Build::Next).await;
        if at < 2 {
            refused(scene, &NAMES[at + 1..]).await;
        }
        too_early(scene, name).await;
    }
    scene.completes(&plan).await;
    version_is(scene, 1).await;
}

/// And this one again.
async fn back(scene: &mut Scene) {
    let plan = scene.begin_plan("1.2.0", &NAMES).await;
    for (at, name) in NAMES.into_iter().enumerate() {
        live(scene, &plan, at == 0).await;
        scene.exchange(name, Build::Current).await;
        refused(scene, &NAMES[..=at]).await;
    }
    scene.completes(&plan).await;
    version_is(scene, 1).await;
}

async fn finalize(scene: &mut Scene) {
    for name in NAMES {
        scene.exchange(name, Build::Next).await;
    }
    // The leader may be new, and hears every host each second.
    let member = scene.address("n1");
    let ask = json!({});
    let raised = scene
        .until(PATIENCE, "the version is raised", async |scene| {
            let path = "/cluster/finalize";
            let answer = scene.ask(&member, "POST", path, Some(&ask)).await?;
            answer.status.is_success().then_some(answer.body)
        })
        .await;
    scene
        .must(raised["version"] == 2, &format!("raised: {raised}"))
        .await;
    version_is(scene, 2).await;
    let again = scene
        .settled("n2", "/cluster/finalize", &json!({ "version": 2 }))
        .await;
    let unchanged = again.status == 200 && again.body["changed"] == false;
    scene.must(unchanged, &format!("again: {again:?}")).await;
    let lower = scene
        .settled("n3", "/cluster/finalize", &json!({ "version": 1 }))
        .await;
    let kept = lower.status == 409 && lower.body["code"] == "cluster_version";
    scene.must(kept, &format!("lower: {lower:?}")).await;
}

/// The new entry kind, and the new field of ticks, which come while a plan runs.
async fn the_new_is_used(scene: &mut Scene) {
    for name in NAMES {
        let path = format!("/nodes/{name}/annotate");
        let noted = scene.settled(name, &path, &json!({ "note": "seen" })).await;
        let what = format!("annotate at {name}: {noted:?}");
        scene.must(noted.status == 200, &what).await;
    }
    let plan = scene.begin_plan("1.3.0", &["n1"]).await;
    scene.completes(&plan).await;
    let journal = scene.cluster.api.get("/journal?limit=1000", PATIENCE).await;
    let text = journal.unwrap_or_default().to_string();
    for fact in ["version_raised", "annotated", "beating"] {
        let told = text.contains(&format!("\"{fact}\""));
        scene.must(told, &format!("no fact {fact}: {text}")).await;
    }
}

/// It neither serves nor changes what lies there: the next build goes on with it.
async fn an_old_daemon_is_refused(scene: &mut Scene) {
    let host = scene.cluster.host_mut("n2").unwrap();
    host.stop().await.unwrap();
    let (directory, config) = (host.directory.clone(), host.config_path());
    let mut old = Command::new(scene.program(Build::Current));
    old.args(["serve", "--config"])
        .arg(config)
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = timeout(PATIENCE, old.output()).await;
    let Ok(Ok(output)) = ended else {
        return scene
            .must(false, &format!("the old daemon: {ended:?}"))
            .await;
    };
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = words.contains("the cluster is at version 2, and this daemon supports only 1")
        && words.contains("start the newer daemon");
    let what = format!("the old daemon: {} {words}", output.status);
    let storage = output.status.code() == Some(EXIT_STORAGE);
    scene.must(storage && told, &what).await;
    scene.start("n2", Build::Next).await;
    version_is(scene, 2).await;
}

/// `certain`: the plan was just begun. Later exchanges may meet its end on a quick machine.
async fn live(scene: &Scene, plan: &str, certain: bool) {
    let status = scene.status(plan).await.unwrap_or_default();
    println!("{plan} is {status} while a daemon is exchanged");
    let live = status == "InProgress";
    scene
        .must(live || !certain, &format!("{plan} is {status}"))
        .await;
}

/// The version is not raised, at whichever member one asks; these are named as the reason.
async fn refused(scene: &Scene, old: &[&str]) {
    for name in NAMES {
        let answer = scene
            .settled(name, "/cluster/finalize", &json!({ "version": 2 }))
            .await;
        let named = |node: &&str| {
            let members = answer.body["details"]["members"].as_array();
            let is = |member: &Value| member["node"] == **node;
            members.is_some_and(|members| members.iter().any(is))
        };
        let well = answer.status == 409
            && answer.body["code"] == "version_unsupported"
            && old.iter().all(named);
        let what = format!("finalize at {name}, {old:?} being old: {answer:?}");
        scene.must(well, &what).await;
    }
}

/// The new entry kind before its time, asked of a member that knows it.
async fn too_early(scene: &Scene, name: &str) {
    let path = format!("/nodes/{name}/annotate");
    let answer = scene
        .settled(name, &path, &json!({ "note": "early" }))
        .await;
    let well = answer.status == 409 && answer.body["code"] == "cluster_version";
    scene
        .must(well, &format!("annotate at {name}: {answer:?}"))
        .await;
}

async fn version_is(scene: &Scene, version: u64) {
    for name in NAMES {
        let member = scene.address(name);
        let what = format!("{name} is at version {version}");
        scene
            .until(PATIENCE, &what, async |scene| {
                let answer = scene.ask(&member, "GET", "/cluster", None).await?;
                (answer.body["version"] == version).then_some(())
            })
            .await;
    }
}
