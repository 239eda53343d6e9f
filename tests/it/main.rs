//! The bot from outside: one binary, a module per theme.

mod config;
mod store;
mod telegram_html;
