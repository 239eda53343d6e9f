//! What the office says of itself: buttons with texts by department, and texts by their names.

use serde_json::json;
use sqlx::FromRow;

use super::change::Effect;
use super::database::{Arg, Pool, words};
use super::tx::Tx;
use super::{Error, Json, Store};

/// The number of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ButtonId(pub i64);

words! {
    /// A text that is known by name.
    pub enum Setting {
        /// How to reach the office.
        Contacts = "contacts",
    }
}

/// A button as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// Its number.
    pub id: ButtonId,
    /// The department's name in `config.yaml`.
    pub department: String,
    /// What stands on it.
    pub title: String,
    /// What it tells, Telegram's HTML.
    pub html: String,
}

/// A change of what the office says; texts are Telegram's HTML, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A new button, after the others of its department.
    Add {
        /// The department.
        department: String,
        /// What stands on it.
        title: String,
        /// What it tells.
        html: String,
    },
    /// What is none stays.
    Change {
        /// The button.
        id: ButtonId,
        /// What stands on it.
        title: Option<String>,
        /// What it tells.
        html: Option<String>,
        /// Before the department's button at this place, counted from one.
        place: Option<i64>,
    },
    /// Takes a button away.
    Delete(ButtonId),
    /// Another text under a name.
    Set {
        /// The name.
        setting: Setting,
        /// The text.
        html: String,
    },
}

/// A button as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    department: String,
    title: String,
    html: String,
}

impl From<Stored> for Button {
    fn from(Stored { id, department, title, html }: Stored) -> Button {
        Button { id: ButtonId(id), department, title, html }
    }
}

impl Store {
    /// A department's buttons of «Полезное», in order.
    pub async fn buttons(&self, department: &str) -> Result<Vec<Button>, Error> {
        of_department(self.readers()?, department).await
    }

    /// A button of «Полезное» by its number.
    pub async fn button(&self, id: ButtonId) -> Result<Option<Button>, Error> {
        by_id(self.readers()?, id).await
    }

    /// A text of the office by its name, Telegram's HTML.
    pub async fn setting(&self, setting: Setting) -> Result<Option<String>, Error> {
        self::setting(self.readers()?, setting).await
    }
}

/// A department's buttons, in order.
async fn of_department(pool: &Pool, department: &str) -> Result<Vec<Button>, Error> {
    const SQL: &str = "\
        select id, department, title, html
        from content_button
        where department = $1
        order by place, id";
    buttons(pool, SQL, &[department.into()]).await
}

/// A button by its number.
async fn by_id(pool: &Pool, id: ButtonId) -> Result<Option<Button>, Error> {
    const SQL: &str = "select id, department, title, html from content_button where id = $1";
    Ok(buttons(pool, SQL, &[id.0.into()]).await?.pop())
}

/// A text by its name.
async fn setting(pool: &Pool, setting: Setting) -> Result<Option<String>, Error> {
    const SQL: &str = "select value from setting where name = $1";
    let found: Vec<(String,)> = pool.rows("read a setting", SQL, &[setting.as_str().into()]).await?;
    Ok(found.into_iter().next().map(|(value,)| value))
}

/// Makes a change. Answers `{"id":…}` to a new button, else `{"done":…}`: whether there was anything to change.
pub(super) async fn edit(tx: &mut Tx, edit: &Edit) -> Result<Effect, Error> {
    const ADD: &str = "\
        insert into content_button (department, title, html, place)
        select $1, $2, $3, coalesce(max(place), 0) + 1 from content_button where department = $1
        returning id";
    const CHANGE: &str = "\
        update content_button set title = coalesce($2, title), html = coalesce($3, html) where id = $1";
    const DELETE: &str = "delete from content_button where id = $1";
    const SET: &str = "\
        insert into setting (name, value) values ($1, $2)
        on conflict (name) do update set value = excluded.value";
    let answer = match edit {
        Edit::Add { department, title, html } => {
            let args = [department.as_str().into(), title.as_str().into(), html.as_str().into()];
            let added: Vec<(i64,)> = tx.rows("add a button", ADD, &args).await?;
            json!({ "id": added.first().map(|(id,)| id) })
        }
        Edit::Change { id, title, html, place } => {
            let args = [id.0.into(), title.as_deref().into(), html.as_deref().into()];
            let changed = tx.run("change a button", CHANGE, &args).await?;
            if let Some(place) = place.filter(|_| changed > 0) {
                put_at(tx, *id, place).await?;
            }
            json!({ "done": changed > 0 })
        }
        Edit::Delete(id) => {
            json!({ "done": tx.run("delete a button", DELETE, &[id.0.into()]).await? > 0 })
        }
        Edit::Set { setting, html } => {
            tx.run("keep a setting", SET, &[setting.as_str().into(), html.as_str().into()]).await?;
            json!({ "done": true })
        }
    };
    Ok(Effect { answer: Json::from(answer), events: Vec::new() })
}

/// Puts a button to a place among its department's, counted from one; the others close up.
async fn put_at(tx: &mut Tx, id: ButtonId, place: i64) -> Result<(), Error> {
    const OTHERS: &str = "\
        select id from content_button
        where department = (select department from content_button where id = $1) and id <> $1
        order by place, id";
    const PLACE: &str = "update content_button set place = $2 where id = $1";
    let others: Vec<(i64,)> = tx.rows("read the order of buttons", OTHERS, &[id.0.into()]).await?;
    let mut order: Vec<i64> = others.into_iter().map(|(other,)| other).collect();
    let at = usize::try_from(place - 1).unwrap_or(0).min(order.len());
    order.insert(at, id.0);
    for (number, button) in (1_i64..).zip(order) {
        tx.run("order buttons", PLACE, &[button.into(), number.into()]).await?;
    }
    Ok(())
}

async fn buttons(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Button>, Error> {
    let buttons: Vec<Stored> = pool.rows("read buttons", sql, args).await?;
    Ok(buttons.into_iter().map(Button::from).collect())
}
