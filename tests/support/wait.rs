//! Waiting for something to become true, with a deadline. The only place in the tests that sleeps.

use std::time::Duration;

use tokio::time::Instant;

/// Short enough not to slow a test down, long enough not to starve what is waited for.
const LAP: Duration = Duration::from_millis(10);

/// Asks `predicate` again and again until it is true; panics with `what` after `deadline`.
pub async fn wait_until<F, R>(deadline: Duration, what: &str, mut predicate: F)
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    let found = wait_for(deadline, what, async || predicate().await.then_some(()));
    found.await;
}

/// Asks `question` again and again until it has an answer; panics with `what` after `deadline`.
pub async fn wait_for<T>(
    deadline: Duration,
    what: &str,
    mut question: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}"
        );
        tokio::time::sleep(LAP).await;
    }
}
