//! `user.get` and `user.current`.

use serde_json::{Map, Value, json};

use super::call::{Answer, Caller, Outcome, PAGE, Page};
use super::filter::{Field, Key, holds};
use super::method::Scope;
use super::office::User;
use super::params::{Params, flag, list, text};
use super::{Bitrix24, lock};

impl Bitrix24 {
    pub(super) fn user_get(&self, caller: &Caller, params: &Params) -> Outcome {
        let mut filter = params.map("filter");
        filter.extend(params.map("FILTER"));
        // Keys of the filter also work beside it.
        let own = ["filter", "FILTER", "sort", "order", "select", "ADMIN_MODE", "start"];
        let beside = params.names().filter(|name| !own.contains(name));
        let beside: Vec<(String, Value)> =
            beside.filter_map(|name| Some((name.to_owned(), params.get(name)?.clone()))).collect();
        filter.extend(beside);
        let office = lock(&self.0.office);
        let mut found: Vec<&User> =
            office.users.values().filter(|user| passes(&filter, user, caller)).collect();
        if params.get("order").is_some_and(|order| text(order).eq_ignore_ascii_case("desc")) {
            found.reverse();
        }
        let page = Page::of(params, found.len());
        let select: Vec<String> =
            params.get("select").map(list).unwrap_or_default().iter().map(text).collect();
        let rows = found.iter().skip(page.from).take(PAGE).map(|user| user_json(user, &select, caller));
        Ok(Answer::page(rows.collect(), page))
    }

    pub(super) fn user_current(&self, caller: &Caller) -> Outcome {
        let office = lock(&self.0.office);
        let user = office.users.get(&caller.user);
        Ok(Answer::of(user.map_or(json!([]), |user| user_json(user, &[], caller))))
    }
}

fn passes(filter: &Map<String, Value>, user: &User, caller: &Caller) -> bool {
    filter.iter().all(|(key, wanted)| {
        let key = Key::parse(key);
        let yes_no = |is: bool| Value::from(if is { "1" } else { "0" });
        match (key.name, field(user, key.name)) {
            ("ACTIVE", Some(field)) => holds(key, &field, &yes_no(flag(wanted)), caller.conduct.zone),
            (_, Some(field)) => holds(key, &field, wanted, caller.conduct.zone),
            (_, None) => true,
        }
    })
}

fn field(user: &User, name: &str) -> Option<Field> {
    Some(match name {
        "ID" => Field::Number(user.id),
        "NAME" => Field::Text(user.name.clone()),
        "LAST_NAME" => Field::Text(user.last_name.clone()),
        "EMAIL" => Field::Text(user.email.clone()),
        "WORK_POSITION" => Field::Text(user.position.clone()),
        "NAME_SEARCH" => Field::Words(user.full_name()),
        "USER_TYPE" => Field::Text("employee".to_owned()),
        "ACTIVE" => Field::Number(i64::from(user.is_active)),
        "UF_DEPARTMENT" => Field::Any(user.departments.iter().map(|id| Field::Number(*id)).collect()),
        _ => return None,
    })
}

/// Names that are not known, or not allowed to be seen, are left out without a word.
fn user_json(user: &User, select: &[String], caller: &Caller) -> Value {
    let all = [
        ("ID", json!(user.id.to_string())),
        ("XML_ID", json!("")),
        ("ACTIVE", json!(user.is_active)),
        ("NAME", json!(user.name)),
        ("LAST_NAME", json!(user.last_name)),
        ("SECOND_NAME", json!("")),
        ("EMAIL", json!(user.email)),
        // A date that was never set is an empty object here, and a text of another shape elsewhere.
        ("LAST_ACTIVITY_DATE", if user.id % 2 == 0 { json!({}) } else { json!("2026-09-21 15:33:20") }),
        ("TIMESTAMP_X", json!({})),
        ("WORK_POSITION", json!(user.position)),
        ("UF_DEPARTMENT", json!(user.departments)),
        ("USER_TYPE", json!("employee")),
    ];
    let scopes = &caller.conduct.scopes;
    let is_brief = scopes.contains(&Scope::UserBrief) && !scopes.contains(&Scope::User);
    let is_shown = |name: &str| {
        (select.is_empty() || name == "ID" || select.iter().any(|asked| asked == name))
            && !(is_brief && name == "EMAIL")
    };
    all.into_iter().filter(|(name, _)| is_shown(name)).map(|(name, value)| (name.to_owned(), value)).collect()
}
