//! `user.get` and `user.current`.

use serde_json::{Value, json};

use super::call::{Answer, Caller, PAGE, Page};
use super::filter::{Condition, Field};
use super::method::Scope;
use super::office::User;
use super::params::{Params, flag, list, text};
use super::{Bitrix24, lock};

impl Bitrix24 {
    pub(super) fn user_get(&self, caller: &Caller, params: &Params) -> Answer {
        let mut filter = params.map("filter");
        filter.extend(params.map("FILTER"));
        // Keys of the filter also work beside it.
        let own = ["filter", "FILTER", "sort", "order", "select", "ADMIN_MODE", "start"];
        let beside = params.names().filter(|name| !own.contains(name));
        let beside: Vec<(String, Value)> =
            beside.filter_map(|name| Some((name.to_owned(), params.get(name)?.clone()))).collect();
        filter.extend(beside);
        let filter: Vec<Condition> = filter.iter().map(|(key, wanted)| condition(key, wanted)).collect();
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
        Answer::page(rows.collect(), page)
    }

    pub(super) fn user_current(&self, caller: &Caller) -> Answer {
        let office = lock(&self.0.office);
        let user = office.users.get(&caller.user);
        Answer::of(user.map_or(json!([]), |user| user_json(user, &[], caller)))
    }
}

/// Yes and no come in many shapes.
fn condition(key: &str, wanted: &Value) -> Condition {
    match key.trim_start_matches(['!', '=']) {
        "ACTIVE" => Condition::parse(key, &json!(if flag(wanted) { "1" } else { "0" })),
        _ => Condition::parse(key, wanted),
    }
}

fn passes(filter: &[Condition], user: &User, caller: &Caller) -> bool {
    let mut fields = filter.iter().filter_map(|condition| Some((condition, field(user, &condition.name)?)));
    fields.all(|(condition, field)| condition.holds(&field, caller.conduct.zone))
}

fn field<'a>(user: &'a User, name: &str) -> Option<Field<'a>> {
    Some(match name {
        "ID" => Field::Number(user.id),
        "NAME" => Field::Text(user.name.as_str().into()),
        "LAST_NAME" => Field::Text(user.last_name.as_str().into()),
        "EMAIL" => Field::Text(user.email.as_str().into()),
        "WORK_POSITION" => Field::Text(user.position.as_str().into()),
        "NAME_SEARCH" => Field::Words(user.full_name().into()),
        "USER_TYPE" => Field::Text("employee".into()),
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
