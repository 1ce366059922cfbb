//! What every member says of its state, all along: which build it is, how far it applied, and the digest
//! of all rows there. Members that say the same index must say the same digest, whatever their build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aegis_updates::demo::api::Api;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub const STATE: &str = "/cluster?consistency=local&digest=true";
/// A principal may ask each member 50 times a second.
const PACE: Duration = Duration::from_millis(120);

/// Somebody who asks all members at once, again and again.
pub struct Asking {
    stop: CancellationToken,
    task: JoinHandle<Vec<Said>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    index: u64,
    digest: String,
    member: String,
    /// The newest cluster version that the build knows.
    build: u64,
}

/// What comparing them gave.
#[derive(Debug, Default)]
pub struct Compared {
    /// Indexes at which two members or more were seen.
    pub indexes: usize,
    /// Of those, where members of both builds were.
    pub across: usize,
    pub apart: Vec<Vec<Said>>,
}

impl Asking {
    pub fn start(api: Api) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut said = Vec::new();
            while !stopped.is_cancelled() {
                let members = api.members.iter();
                let asked = members.map(|member| api.at(member, "GET", STATE, None, None));
                // A member that is being exchanged does not answer.
                let answers = join_all(asked).await.into_iter().flatten();
                said.extend(answers.filter_map(|answer| read(&answer.body)));
                sleep(PACE).await;
            }
            said
        });
        Self { stop, task }
    }

    pub async fn finish(self) -> Compared {
        self.stop.cancel();
        compare(self.task.await.unwrap())
    }
}

fn read(body: &Value) -> Option<Said> {
    Some(Said {
        index: body["state"]["index"].as_u64()?,
        digest: body["state"]["digest"].as_str()?.to_owned(),
        member: body["asked"]["node"].as_str()?.to_owned(),
        build: body["asked"]["supports"]["newest"].as_u64()?,
    })
}

pub fn compare(said: Vec<Said>) -> Compared {
    let mut by_index: BTreeMap<u64, BTreeSet<Said>> = BTreeMap::new();
    for one in said {
        by_index.entry(one.index).or_default().insert(one);
    }
    let count = |of: &BTreeSet<Said>, part: fn(&Said) -> String| {
        of.iter().map(part).collect::<BTreeSet<_>>().len()
    };
    let mut compared = Compared::default();
    for said in by_index.into_values() {
        let digests = count(&said, |one| one.digest.clone());
        compared.indexes += usize::from(count(&said, |one| one.member.clone()) > 1);
        compared.across += usize::from(count(&said, |one| one.build.to_string()) > 1);
        if digests > 1 {
            compared.apart.push(said.into_iter().collect());
        }
    }
    compared
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            indexes,
            across,
            apart,
        } = self;
        write!(
            f,
            "indexes={indexes} across-builds={across} apart={}",
            apart.len()
        )
    }
}

#[test]
fn another_digest_at_the_same_index_is_found() {
    let said = |member: &str, index, digest: &str, build| Said {
        index,
        digest: digest.to_owned(),
        member: member.to_owned(),
        build,
    };
    let good = vec![
        said("n1", 7, "aa", 1),
        said("n2", 7, "aa", 2),
        said("n2", 8, "bb", 2),
    ];
    let compared = compare(good.clone());
    let found = (compared.indexes, compared.across, compared.apart.len());
    assert_eq!(found, (1, 1, 0));
    let bad = [good, vec![said("n3", 8, "cc", 2)]].concat();
    assert_eq!(compare(bad).apart.len(), 1);
}
