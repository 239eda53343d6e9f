//! The forms answers come in.
