//! One roll, judged as the demo judges it.

use aegis_updates::demo::acts;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::verdict::judge;

use crate::stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_through_real_processes_fails_no_request() {
    let mut cluster = stage::cluster().await;
    let played = acts::roll(&mut cluster, &Recipe::sound("1.1.0"))
        .await
        .unwrap();
    // The load's rate and the observer's naps are the machine's, which other tests use too.
    let bad: Vec<_> = judge(&played.act)
        .into_iter()
        .filter(|verdict| !verdict.ok && !["load", "observer"].contains(&verdict.what))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(played.act.load.sent.len() > 1_000);
}
