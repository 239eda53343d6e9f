//! The people of a portal.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::page::Row;
use super::wire;
use super::{Client, Error, PortalUserId};

const GET: &str = "user.get";
const CURRENT: &str = "user.current";
const FIELDS: [&str; 7] = ["ID", "NAME", "LAST_NAME", "EMAIL", "WORK_POSITION", "UF_DEPARTMENT", "ACTIVE"];

/// A person on the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: PortalUserId,
    /// First name; may be empty.
    pub name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Not given to a webhook with the right `user_brief` alone.
    pub email: Option<String>,
    /// What they do, as they wrote it.
    pub position: Option<String>,
    /// Departments of the head office they belong to.
    pub departments: Vec<i64>,
    /// Whether they still work there.
    pub is_active: bool,
}

impl Client {
    /// A person; `None` when there is none. Bots and mail users are never shown.
    pub async fn user(&self, id: PortalUserId) -> Result<Option<User>, Error> {
        Ok(self.users(&[id]).await?.pop())
    }

    /// These people, by id; those who are not there are left out. Source: `user.get`, rows right in `result`.
    pub async fn users(&self, ids: &[PortalUserId]) -> Result<Vec<User>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.people(&json!({ "ID": ids })).await?;
        Ok(found.into_iter().filter(|user| ids.contains(&user.id)).collect())
    }

    /// Everybody who works at the head office now, by id.
    pub async fn employees(&self) -> Result<Vec<User>, Error> {
        let found = self.people(&json!({ "ACTIVE": true, "USER_TYPE": "employee" })).await?;
        Ok(found.into_iter().filter(|user| user.is_active).collect())
    }

    /// Whose webhook it is: the usual check that it works. Source: `user.current`.
    pub async fn whoami(&self) -> Result<User, Error> {
        let row: UserRow = self.ask(CURRENT, &Map::new()).await?;
        Ok(row.into_user())
    }

    async fn people(&self, filter: &Value) -> Result<Vec<User>, Error> {
        let rows = self.all_rows::<Vec<UserRow>, UserRow, _>(GET, |after| Page::by_id(filter, after)).await?;
        Ok(rows.into_iter().map(UserRow::into_user).collect())
    }
}

#[derive(Serialize)]
struct Page {
    filter: Value,
    sort: &'static str,
    order: &'static str,
    select: [&'static str; FIELDS.len()],
    start: i64,
}

impl Page {
    fn by_id(filter: &Value, after: Option<i64>) -> Page {
        let mut filter = filter.clone();
        if let Some(after) = after {
            filter[">ID"] = after.into();
        }
        let start = if after.is_some() { -1 } else { 0 };
        Page { filter, sort: "ID", order: "ASC", select: FIELDS, start }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct UserRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "wire::text")]
    name: String,
    #[serde(default, deserialize_with = "wire::text")]
    last_name: String,
    #[serde(default, deserialize_with = "wire::optional_text")]
    email: Option<String>,
    #[serde(default, deserialize_with = "wire::optional_text")]
    work_position: Option<String>,
    #[serde(default, deserialize_with = "wire::ids")]
    uf_department: Vec<i64>,
    /// Not given to a webhook with the right `user_brief` alone; whoever is shown then works there.
    #[serde(default = "yes", deserialize_with = "wire::flag")]
    active: bool,
}

fn yes() -> bool {
    true
}

impl Row for UserRow {
    fn id(&self) -> i64 {
        self.id
    }
}

impl UserRow {
    fn into_user(self) -> User {
        User {
            id: PortalUserId(self.id),
            name: self.name,
            last_name: self.last_name,
            email: self.email,
            position: self.work_position,
            departments: self.uf_department,
            is_active: self.active,
        }
    }
}
