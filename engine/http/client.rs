//! The one builder of HTTP clients.

use std::path::PathBuf;
use std::time::Duration;

/// What every client of a service has in common.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// A file with certificates in PEM that are trusted besides the system's own.
    pub extra_root: Option<PathBuf>,
    /// Idle connections kept to one host.
    pub idle_connections: usize,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings { connect_timeout: Duration::from_secs(5), extra_root: None, idle_connections: 256 }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with certificates.
    #[error("cannot read certificates from `{}`; it must be a PEM file that the bot's user may read", file.display())]
    Root {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system has no usable store of certificates, or the file holds something else.
    #[error("the HTTP client cannot be made; install the package ca-certificates")]
    Build(#[from] reqwest::Error),
}

/// A client that follows no redirects: a POST would become a GET and lose its body.
///
/// It has no deadline of its own: every request brings one. Errors: [`ClientError`].
pub fn client(settings: &ClientSettings) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(settings.idle_connections)
        .tcp_nodelay(true)
        .user_agent(concat!("borodach/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = &settings.extra_root {
        let pem = std::fs::read(file).map_err(|source| ClientError::Root { file: file.clone(), source })?;
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    Ok(builder.build()?)
}
