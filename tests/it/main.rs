//! The bot from outside: one binary, a module per theme.

use std::sync::Once;

mod config;
mod sandbox;
mod store;
mod telegram_html;

/// Installs the TLS provider that every HTTP client of the process uses, once.
pub fn crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = rustls::crypto::ring::default_provider();
        provider.install_default().expect("nobody else in this process installs a provider");
    });
}
