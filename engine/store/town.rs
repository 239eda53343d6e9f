//! What is known of towns: filled from the list that comes with the bot, changed by the office.

use std::sync::Arc;

use serde_json::json;
use sqlx::FromRow;

use super::database::{Rows, words};
use super::tx::Tx;
use super::{Error, Store};
use crate::geography::{self, Kind, Shipped, Town, Towns};

words! {
    /// What a town is called, as its row has it.
    pub enum Word {
        /// [`Kind::Town`].
        Town = "town",
        /// [`Kind::Settlement`].
        Settlement = "settlement",
    }
}

const SQL: &str = "\
    select name, region, kind, is_million, others, parts from town
    where is_used = 1
    order by place, name, region";

#[derive(FromRow)]
struct Stored {
    name: String,
    region: String,
    kind: String,
    is_million: i64,
    others: String,
    parts: String,
}

impl Stored {
    fn town(self) -> Result<Town, Error> {
        let kind = match Word::parse("town.kind", &self.kind)? {
            Word::Town => Kind::Town,
            Word::Settlement => Kind::Settlement,
        };
        let list = |names: &str| {
            let names = names.split(';').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        Ok(Town {
            kind,
            is_million: self.is_million != 0,
            others: list(&self.others),
            parts: list(&self.parts),
            name: self.name,
            region: self.region,
        })
    }
}

impl Store {
    /// What is known of towns, as the table has it at this moment; a database that was never filled, as a scenario's, goes
    /// by the list that comes with the bot.
    ///
    /// Nothing of it is kept: it is asked for a few times a day, and a change of the office counts at once, on all
    /// instances. Errors: a row has a word that nobody knows.
    pub async fn towns(&self) -> Result<Arc<Towns>, Error> {
        of(self.readers()?.rows("read the towns", SQL, &[]).await?)
    }
}

/// The same within a transaction.
pub(super) async fn known(tx: &mut Tx) -> Result<Arc<Towns>, Error> {
    of(tx.rows("read the towns", SQL, &[]).await?)
}

fn of(rows: Vec<Stored>) -> Result<Arc<Towns>, Error> {
    if rows.is_empty() {
        return Ok(Arc::clone(&geography::shipped().towns));
    }
    let towns: Result<_, Error> = rows.into_iter().map(Stored::town).collect();
    Ok(Arc::new(Towns::of(towns?)))
}

/// Fills the table from a list, unless the rows are from this very list already. What the office has changed stays. Of
/// two instances that start at once the second waits for the first and finds nothing to do.
pub(super) async fn fill(tx: &mut Tx, list: &Shipped) -> Result<(), Error> {
    const CLAIM: &str = "\
        insert into town_list (one, hash) values (1, $1)
        on conflict (one) do update set hash = excluded.hash where town_list.hash <> excluded.hash";
    const CLEAR: &str = "delete from town where origin = 'list'";
    const FILL: &str = "\
        insert into town (name, region, kind, is_million, others, parts, place, origin)
        select value ->> 'name', value ->> 'region', value ->> 'kind', cast(value ->> 'million' as bigint),
               value ->> 'others', value ->> 'parts', cast(value ->> 'place' as bigint), 'list'
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (name, region) do nothing";
    if tx.run("note which list of towns is there", CLAIM, &[list.hash.as_str().into()]).await? == 0 {
        return Ok(());
    }
    tx.run("clear the towns of the former list", CLEAR, &[]).await?;
    let rows = Rows::of(list.towns.all().iter().enumerate().map(|(place, town)| {
        let kind = match town.kind {
            Kind::Town => Word::Town,
            Kind::Settlement => Word::Settlement,
        };
        json!({
            "name": town.name, "region": town.region, "kind": kind, "million": i64::from(town.is_million),
            "others": town.others.join(";"), "parts": town.parts.join(";"), "place": place,
        })
    }));
    tx.run("write the towns of the list", FILL, &[(&rows).into()]).await.map(drop)
}
