//! Waiting for something to become true, with a deadline and a sentence for when it does not.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

/// Short enough to follow a roll, long enough not to starve it.
const LAP: Duration = Duration::from_millis(25);

/// Asks `question` again and again until it has an answer.
pub async fn wait_for<T>(
    patience: Duration,
    what: &str,
    mut question: impl AsyncFnMut() -> Option<T>,
) -> Result<T, Error> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = question().await {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(Error(format!("waited {patience:?} in vain until {what}")));
        }
        tokio::time::sleep(LAP).await;
    }
}

/// Asks `predicate` again and again until it is true.
pub async fn wait_until(
    patience: Duration,
    what: &str,
    mut predicate: impl AsyncFnMut() -> bool,
) -> Result<(), Error> {
    wait_for(patience, what, async || predicate().await.then_some(())).await
}
