//! The bot from outside.

mod store;
