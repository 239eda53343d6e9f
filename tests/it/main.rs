//! The bot from outside: one binary, a module per theme.

use std::sync::Once;

mod bitrix24;
mod broadcasts;
mod cache;
mod chart;
mod check;
mod config;
mod crash;
mod delivery;
mod demo;
mod desk;
mod docs;
mod geography;
mod health;
mod helper;
mod http_layer;
mod incidents;
mod input;
mod jobs;
mod network;
mod outside;
mod patience;
mod portal;
mod questions;
mod ratings;
mod registration;
mod reload;
mod reporting;
mod rules;
mod sandbox_bitrix24;
mod sandbox_telegram;
mod sandbox_yclients;
mod scenarios;
mod scripts;
mod store;
mod telegram_html;
mod trial;
mod writes;
mod yclients;

/// Installs the TLS provider that every HTTP client of the process uses, and a log that is shown with failures, once.
pub fn crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = rustls::crypto::ring::default_provider();
        provider.install_default().expect("nobody else in this process installs a provider");
        tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN).init();
    });
}
