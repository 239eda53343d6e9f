//! The services on your desk, as real HTTP servers on loopback, as strict and as moody as the real ones: what
//! `borodach demo` and the tests talk to.

pub mod demo;
pub mod telegram;
