//! How this host's HTTP clients are built: one crypto provider, no proxy from the environment.
//! Whom they call, and what they follow, is their owners' choice.

/// Whose certificates are trusted for https.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The system's authorities. Building fails on a host that has none.
    System,
    /// These alone; none means that no https server is trusted.
    Only(Vec<reqwest::Certificate>),
}

/// Nothing is read from the environment: a proxy meant for people must not see a database's answers.
pub fn builder(trust: Trust) -> reqwest::ClientBuilder {
    // Fails when a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy();
    match trust {
        Trust::System => builder,
        Trust::Only(certificates) => builder.tls_certs_only(certificates),
    }
}
