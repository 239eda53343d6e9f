//! Script sets as they were published: a running conversation keeps the texts it began with.

use std::collections::BTreeMap;

use super::database::words;
use crate::clock::Timestamp;

/// The content hash of a script set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct SetHash(pub String);

/// All the scripts of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSet {
    /// Its content hash.
    pub hash: SetHash,
    /// The version of Rhai that compiled it.
    pub rhai_version: String,
    /// Path to text.
    pub files: BTreeMap<String, String>,
}

words! {
    /// What became of an attempt to publish.
    pub enum Verdict {
        /// The set went live.
        Live = "live",
        /// The set was refused; the former one goes on.
        Refused = "refused",
    }
}

/// An attempt to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The set; none when it could not even be built.
    pub set: Option<SetHash>,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub result: Verdict,
    /// What staff are told.
    pub report: String,
}
