//! Waiting for a database to be well: N looks in a row, with the expected version, within a deadline.
//! What a single look means is the adapter's knowledge.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::adapter::{self, Adapter, HealthSample, aegis};
use crate::base::failure::Class;

/// How often, how many, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the end of one look to the begin of the next.
    pub interval: Duration,
    pub successes: u32,
    pub deadline: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Healthy, but not the version that was put there.
    WrongVersion { expected: String, found: String },
    NotHealthy {
        last: HealthSample,
        deadline: Duration,
    },
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::WrongVersion { .. } => Class::VersionMismatch,
            Self::NotHealthy { .. } => Class::HealthGateFailed,
        }
    }
}

/// Returns the last of `successes` healthy looks in a row. As many with another version are an answer
/// too: waiting longer would not change what runs.
pub async fn wait_until_healthy(
    adapter: &Adapter,
    pace: &Pace,
    expected_version: Option<&str>,
) -> Result<HealthSample, Error> {
    wait(async || adapter.health().await, pace, expected_version).await
}

async fn wait(
    look: impl AsyncFn() -> HealthSample,
    pace: &Pace,
    expected_version: Option<&str>,
) -> Result<HealthSample, Error> {
    let end = Instant::now() + pace.deadline;
    let needed = pace.successes.max(1);
    let (mut right, mut wrong) = (0, 0);
    loop {
        let looked = tokio::time::timeout_at(end, look()).await;
        let sample = looked.unwrap_or_else(|_| HealthSample::sick("it did not answer in time"));
        match judge(&sample, expected_version) {
            Verdict::Right => (right, wrong) = (right + 1, 0),
            Verdict::Wrong(_) => (right, wrong) = (0, wrong + 1),
            Verdict::Sick => (right, wrong) = (0, 0),
        }
        if right >= needed {
            return Ok(sample);
        }
        let late = Instant::now() + pace.interval >= end;
        match judge(&sample, expected_version) {
            Verdict::Wrong(error) if wrong >= needed || late => return Err(error),
            _ if late => {
                return Err(Error::NotHealthy {
                    last: sample,
                    deadline: pace.deadline,
                });
            }
            _ => sleep(pace.interval).await,
        }
    }
}

enum Verdict {
    Right,
    Wrong(Error),
    Sick,
}

fn judge(sample: &HealthSample, expected_version: Option<&str>) -> Verdict {
    match (expected_version, &sample.version) {
        _ if !sample.healthy => Verdict::Sick,
        (None, _) => Verdict::Right,
        (Some(expected), Some(found)) if expected == found => Verdict::Right,
        (Some(expected), found) => Verdict::Wrong(Error::WrongVersion {
            expected: expected.to_owned(),
            found: found.clone().unwrap_or_else(|| "none".to_owned()),
        }),
    }
}

/// The library's face of the same: a database's `/health` URL, judged as Aegis answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub url: String,
    /// Of one look.
    pub timeout: Duration,
    pub interval: Duration,
    pub successes: u32,
    pub deadline: Duration,
}

impl HealthCheck {
    /// SURFACE's defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(2),
            interval: Duration::from_millis(200),
            successes: 3,
            deadline: Duration::from_secs(120),
        }
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        adapter::client(self.timeout, None).map_err(|error| error.to_string())
    }
}

/// One look. A URL that cannot be asked is not healthy, and the detail says why.
pub async fn check_node_health(check: &HealthCheck) -> HealthSample {
    match check.client() {
        Ok(client) => aegis::look(&client, &check.url).await,
        Err(why) => HealthSample::sick(why),
    }
}

pub async fn wait_for_healthy(
    check: &HealthCheck,
    expected_version: Option<&str>,
) -> Result<HealthSample, Error> {
    let pace = Pace {
        interval: check.interval,
        successes: check.successes,
        deadline: check.deadline,
    };
    match check.client() {
        Ok(client) => {
            let look = async || aegis::look(&client, &check.url).await;
            wait(look, &pace, expected_version).await
        }
        Err(why) => Err(Error::NotHealthy {
            last: HealthSample::sick(why),
            deadline: check.deadline,
        }),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongVersion { expected, found } => write!(
                f,
                "the database is healthy and says version {found}, the plan says {expected}"
            ),
            Self::NotHealthy { last, deadline } => write!(
                f,
                "the database was not healthy within {deadline:?}; the last look: {}",
                last.detail
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn sample(healthy: bool, version: &str) -> HealthSample {
        HealthSample {
            healthy,
            version: Some(version.to_owned()),
            detail: String::new(),
        }
    }

    const PACE: Pace = Pace {
        interval: Duration::from_millis(1),
        successes: 3,
        deadline: Duration::from_secs(2),
    };

    /// Gives `looks` one after another, and again from the first; answers with the looks taken too.
    async fn outcome(looks: Vec<HealthSample>) -> (Result<HealthSample, Error>, usize) {
        let taken = Mutex::new(0);
        let look = async || {
            let mut taken = taken.lock().unwrap();
            *taken += 1;
            looks[(*taken - 1) % looks.len()].clone()
        };
        let outcome = wait(look, &PACE, Some("2.0.0")).await;
        (outcome, *taken.lock().unwrap())
    }

    #[tokio::test]
    async fn a_sick_look_begins_the_row_anew() {
        let (good, sick) = (sample(true, "2.0.0"), sample(false, "2.0.0"));
        let row = vec![good.clone(), good.clone(), good.clone()];
        let looks = [vec![good.clone(), good.clone(), sick], row].concat();
        let (outcome, taken) = outcome(looks).await;
        assert_eq!((outcome, taken), (Ok(good), 6));
    }

    #[tokio::test]
    async fn another_version_in_a_row_is_final_before_the_deadline() {
        let other = sample(true, "1.0.0");
        let (outcome, taken) = outcome(vec![
            sample(false, "1"),
            other.clone(),
            other.clone(),
            other,
        ])
        .await;
        let error = outcome.unwrap_err();
        assert_eq!((error.class(), taken), (Class::VersionMismatch, 4));
    }

    #[tokio::test]
    async fn flapping_never_passes() {
        let (good, sick) = (sample(true, "2.0.0"), sample(false, "2.0.0"));
        let (outcome, _) = outcome(vec![good.clone(), good, sick]).await;
        assert_eq!(outcome.unwrap_err().class(), Class::HealthGateFailed);
    }
}
