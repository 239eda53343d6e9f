//! Script sets as they were published: a running conversation keeps the texts it began with.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Pool, Rows, words};
use super::tx::Tx;
use super::{Error, Store};
use crate::clock::Timestamp;

/// The content hash of a script set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// A file as it is written.
#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    body: &'a str,
}

/// An attempt to publish as it is read.
#[derive(FromRow)]
struct Stored {
    set_hash: Option<String>,
    at: i64,
    result: String,
    report: String,
}

impl Store {
    /// Keeps a script set; one that is kept already stays as it is.
    pub async fn put_set(&self, set: &ScriptSet) -> Result<(), Error> {
        let (set, now) = (set.clone(), self.0.clock.now());
        self.job(move |tx| Box::pin(async move { put(tx, &set, now).await })).await
    }

    /// Reads a script set.
    pub async fn load_set(&self, hash: &SetHash) -> Result<Option<ScriptSet>, Error> {
        load(self.readers()?, hash).await
    }

    /// Notes an attempt to publish.
    pub async fn publish(&self, publication: &Publication) -> Result<(), Error> {
        let publication = publication.clone();
        self.job(move |tx| Box::pin(async move { publish(tx, &publication).await })).await
    }

    /// The set that went live last; `None` when none ever did.
    pub async fn last_live(&self) -> Result<Option<SetHash>, Error> {
        last_live(self.readers()?).await
    }

    /// The latest attempts to publish, the newest first.
    pub async fn publications(&self, limit: u32) -> Result<Vec<Publication>, Error> {
        publications(self.readers()?, limit).await
    }
}

/// Keeps a set, unless it is kept already.
async fn put(tx: &mut Tx, set: &ScriptSet, now: Timestamp) -> Result<(), Error> {
    const SET: &str = "\
        insert into script_set (hash, rhai_version, built_at)
        values ($1, $2, $3)
        on conflict (hash) do nothing";
    const FILES: &str = "\
        insert into script_file (set_hash, path, body)
        select $2, cast(value ->> 'path' as text), cast(value ->> 'body' as text)
        from jsonb_each($1)";
    let hash = set.hash.0.as_str();
    let args = [hash.into(), set.rhai_version.as_str().into(), now.0.into()];
    if tx.run("keep a script set", SET, &args).await? == 0 {
        return Ok(());
    }
    let files = Rows::of(set.files.iter().map(|(path, body)| File { path, body }));
    tx.run("keep scripts", FILES, &[(&files).into(), hash.into()]).await.map(drop)
}

/// Reads a set.
pub(super) async fn load(pool: &Pool, hash: &SetHash) -> Result<Option<ScriptSet>, Error> {
    const SET: &str = "select rhai_version from script_set where hash = $1";
    const FILES: &str = "select path, body from script_file where set_hash = $1";
    let args = [hash.0.as_str().into()];
    let Some((rhai_version,)) = pool.rows("read a script set", SET, &args).await?.pop() else {
        return Ok(None);
    };
    let files: Vec<(String, String)> = pool.rows("read scripts", FILES, &args).await?;
    Ok(Some(ScriptSet { hash: hash.clone(), rhai_version, files: files.into_iter().collect() }))
}

/// Notes an attempt to publish.
async fn publish(tx: &mut Tx, publication: &Publication) -> Result<(), Error> {
    const SQL: &str = "insert into publication (set_hash, at, result, report) values ($1, $2, $3, $4)";
    let set = publication.set.as_ref().map(|hash| hash.0.as_str());
    let Publication { at, result, report, .. } = publication;
    let args = [set.into(), at.0.into(), result.as_str().into(), report.as_str().into()];
    tx.run("note a publication", SQL, &args).await.map(drop)
}

/// The latest attempts to publish, the newest first.
async fn publications(pool: &Pool, limit: u32) -> Result<Vec<Publication>, Error> {
    const SQL: &str = "select set_hash, at, result, report from publication order by id desc limit $1";
    let latest: Vec<Stored> = pool.rows("read publications", SQL, &[i64::from(limit).into()]).await?;
    latest.into_iter().map(publication).collect()
}

/// The set that went live last.
pub(super) async fn last_live(pool: &Pool) -> Result<Option<SetHash>, Error> {
    const SQL: &str = "\
        select set_hash
        from publication
        where result = 'live' and set_hash is not null
        order by id desc
        limit 1";
    let latest: Vec<(String,)> = pool.rows("look for the live scripts", SQL, &[]).await?;
    Ok(latest.into_iter().next().map(|(hash,)| SetHash(hash)))
}

/// An attempt to publish as it was noted.
fn publication(stored: Stored) -> Result<Publication, Error> {
    Ok(Publication {
        set: stored.set_hash.map(SetHash),
        at: Timestamp(stored.at),
        result: Verdict::parse("publication.result", &stored.result)?,
        report: stored.report,
    })
}
