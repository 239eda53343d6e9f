//! BORODACH Franchise Bot: a host for talks written in Rhai.
//!
//! The modules, in reading order: an update comes in at [`telegram`], is kept by [`store`], advances a
//! [`conversation`] whose words and rules are a [`script`], and leaves through the [`outbox`].

pub mod bitrix24;
pub mod bot;
pub mod broadcasts;
pub mod cache;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conversation;
pub mod geography;
pub mod helper;
pub mod http;
pub mod intake;
pub mod jobs;
pub mod lanes;
pub mod money;
pub mod outbox;
pub mod portal;
pub mod ratings;
pub mod redis;
pub mod reporting;
pub mod rules;
pub mod sandbox;
pub mod scenario;
pub mod schedule;
pub mod scheduler;
pub mod script;
pub mod store;
pub mod telegram;
pub mod text;
pub mod web;
pub mod yclients;
