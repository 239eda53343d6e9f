//! Lists read to their end, page by page.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, Error};

/// Rows in a page of the old API, always.
const PAGE: usize = 50;

/// A row of a list that can be read by id.
pub(super) trait Row {
    fn id(&self) -> i64;
}

impl Client {
    /// All rows of a list, by id. `page` gives the parameters of the rows after an id; for `None` those of the first
    /// page, which must be counted.
    ///
    /// Complete or an error: when fewer rows come than were counted, some may have gone meanwhile, so the list is read
    /// once more, and then refused.
    pub(super) async fn all_rows<L, R, P>(
        &self,
        method: &'static str,
        page: impl Fn(Option<i64>) -> P + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        L: DeserializeOwned + Into<Vec<R>> + Send,
        R: Row + Send,
        P: Serialize + Send + Sync,
    {
        let first = self.walk::<L, R, P>(method, &page).await?;
        if first.is_complete() {
            return Ok(first.rows);
        }
        let again = self.walk::<L, R, P>(method, &page).await?;
        if again.is_complete() {
            return Ok(again.rows);
        }
        let reason =
            format!("{} rows were counted and {} came", again.counted.unwrap_or(0), again.rows.len());
        Err(Error::malformed(method, "total", reason))
    }

    async fn walk<L, R, P>(
        &self,
        method: &'static str,
        page: &(impl Fn(Option<i64>) -> P + Send + Sync),
    ) -> Result<Walk<R>, Error>
    where
        L: DeserializeOwned + Into<Vec<R>> + Send,
        R: Row + Send,
        P: Serialize + Send + Sync,
    {
        let mut walk = Walk { rows: Vec::new(), counted: None };
        let mut last = None;
        loop {
            let answer = self.page::<L>(method, &page(last)).await?;
            if last.is_none() {
                walk.counted = answer.total;
            }
            let rows: Vec<R> = answer.value.into();
            let is_last = rows.len() < PAGE;
            for row in rows {
                // A portal that does not heed the order or the beginning would be asked for ever.
                if last.is_some_and(|last| row.id() <= last) {
                    return Err(Error::malformed(
                        method,
                        "result",
                        "the rows are not in the order of their ids",
                    ));
                }
                last = Some(row.id());
                walk.rows.push(row);
            }
            if is_last {
                return Ok(walk);
            }
        }
    }
}

struct Walk<R> {
    rows: Vec<R>,
    counted: Option<u64>,
}

impl<R> Walk<R> {
    fn is_complete(&self) -> bool {
        self.counted.is_none_or(|counted| self.rows.len() as u64 >= counted)
    }
}
