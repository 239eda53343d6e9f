//! Rules as data: the first whose condition holds decides, and all that were looked at are told of.
//!
//! A rule is a map with a `name`, a condition `when` and a `decision`. The keys of a condition are the names of facts
//! with the values that fit, and `words` and `except`, which look at the fact `text`. Rules come from scripts; nothing
//! here knows what they are about but for the decisions, which are those about a task.

mod shift;

use chrono::{Datelike as _, Days, NaiveTime, TimeZone as _, Weekday};
use chrono_tz::{Europe::Moscow, Tz};
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::text::nearest;

/// What a decision may say.
const DECISIONS: [&str; 6] = ["department", "group", "responsible", "priority", "days", "tags"];
const PRIORITIES: [&str; 3] = ["high", "normal", "low"];

/// The calendar of the head office.
const OFFICE: Tz = Moscow;
/// When its working day ends.
const EVENING: NaiveTime = NaiveTime::from_hms_opt(18, 0, 0).expect("an hour of the day");

/// Decides by the first rule that fits: `rule`, `why`, `decision`, `skipped` with the reason of each, and `facts` as they
/// were given. Without one that fits, `rule` is `null` and the decision is empty.
///
/// In the decision `days` has become `deadline`, and of the shifts in `responsible` one person is left; both need the
/// fact `at`. Errors: a sentence for whoever writes the rules.
pub fn decide(rules: &[Value], facts: &Map<String, Value>) -> Result<Value, String> {
    let mut skipped = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let name = rule["name"].as_str().ok_or_else(|| format!("у правила {} нет name", place + 1))?;
        let told = |why: String| format!("правило «{name}»: {why}");
        match judge(&rule["when"], facts).map_err(told)? {
            Judgement::Misses(why) => skipped.push(json!({ "rule": name, "why": why })),
            Judgement::Fits(mut why) => {
                let decision = settle(&rule["decision"], facts, &mut why).map_err(told)?;
                return Ok(json!({
                    "rule": name, "why": why, "decision": decision, "skipped": skipped, "facts": facts,
                }));
            }
        }
    }
    Ok(json!({ "rule": null, "why": [], "decision": {}, "skipped": skipped, "facts": facts }))
}

enum Judgement {
    /// What of the condition was found, part by part.
    Fits(Vec<String>),
    Misses(String),
}

/// Whether every part of a condition holds.
fn judge(when: &Value, facts: &Map<String, Value>) -> Result<Judgement, String> {
    let conditions = match when {
        Value::Null => return Ok(Judgement::Fits(Vec::new())),
        Value::Object(conditions) => conditions,
        _ => return Err("when — карта #{…}".to_owned()),
    };
    let mut why = Vec::new();
    // Words cost more to look for than a fact, and say less of why a rule was passed over.
    for (name, wanted) in conditions.iter().filter(|(name, _)| !is_of_words(name)) {
        let known = || facts.keys().map(String::as_str).chain(["words", "except"]);
        let fact = facts.get(name).ok_or_else(|| {
            let near = nearest(name, known()).map(|near| format!("; может быть, {near}?"));
            format!("в when — «{name}», а такого факта нет{}", near.unwrap_or_default())
        })?;
        match each(wanted).find(|&wanted| each(fact).any(|fact| fact == wanted)) {
            Some(found) => why.push(format!("{} {}", label(name), shown(found))),
            None if fact.is_null() => {
                return Ok(Judgement::Misses(format!("{} — неизвестно", label(name))));
            }
            None => return Ok(Judgement::Misses(format!("{} — {}", label(name), shown(fact)))),
        }
    }
    if conditions.keys().any(|name| is_of_words(name)) {
        let text = plain(facts.get("text").and_then(Value::as_str).unwrap_or_default());
        if let Some(words) = conditions.get("words") {
            match first_of(&text, words)? {
                Some(word) => why.push(format!("слово «{word}»")),
                None => return Ok(Judgement::Misses("нет таких слов".to_owned())),
            }
        }
        if let Some(word) =
            conditions.get("except").map(|except| first_of(&text, except)).transpose()?.flatten()
        {
            return Ok(Judgement::Misses(format!("есть «{word}»")));
        }
    }
    Ok(Judgement::Fits(why))
}

/// The decision with nothing left to be found out.
fn settle(
    decision: &Value,
    facts: &Map<String, Value>,
    why: &mut Vec<String>,
) -> Result<Map<String, Value>, String> {
    let Value::Object(asked) = decision else { return Err("decision — карта #{…}".to_owned()) };
    let at = || {
        let at = facts.get("at").and_then(Value::as_i64).map(Timestamp);
        at.ok_or_else(|| "для срока и смен нужен факт at".to_owned())
    };
    let mut settled = Map::new();
    for (name, value) in asked.iter().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), value) {
            ("days", days) => {
                let days = days.as_u64().ok_or("days — сколько рабочих дней, целое число")?;
                settled.insert("deadline".to_owned(), json!(evening_after(at()?, days)));
            }
            ("responsible", Value::Array(people)) => {
                let (person, reason) = shift::whose(people, at()?)?;
                why.push(reason);
                settled.insert(name.clone(), person.into());
            }
            ("group" | "responsible", value) if !value.is_i64() => {
                return Err(format!("{name} — номер из Битрикс24"));
            }
            ("priority", value) if !PRIORITIES.iter().any(|known| value == known) => {
                return Err(format!("priority бывает {}, а не {}", PRIORITIES.join(", "), shown(value)));
            }
            ("tags", value) if !value.as_array().is_some_and(|tags| tags.iter().all(Value::is_string)) => {
                return Err("tags — список слов".to_owned());
            }
            (known, value) if DECISIONS.contains(&known) => {
                settled.insert(name.clone(), value.clone());
            }
            (unknown, _) => {
                let near = nearest(unknown, DECISIONS).map(|near| format!("; может быть, {near}?"));
                return Err(format!("в decision нет ключа «{unknown}»{}", near.unwrap_or_default()));
            }
        }
    }
    Ok(settled)
}

/// The end of a working day so many working days on. After it, and at weekends, the next working day is the first.
fn evening_after(at: Timestamp, days: u64) -> Timestamp {
    let is_working = |day: chrono::NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let now = local(at);
    let mut day = now.date_naive();
    if now.time() >= EVENING {
        day = day + Days::new(1);
    }
    let mut left = days;
    while left > 0 || !is_working(day) {
        day = day + Days::new(1);
        if is_working(day) {
            left = left.saturating_sub(1);
        }
    }
    instant(day.and_time(EVENING))
}

fn local(at: Timestamp) -> chrono::DateTime<Tz> {
    chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&OFFICE)
}

/// A moment of the office's clock.
fn instant(local: chrono::NaiveDateTime) -> Timestamp {
    let found = OFFICE.from_local_datetime(&local).earliest();
    Timestamp(found.map_or_else(|| local.and_utc().timestamp_millis(), |found| found.timestamp_millis()))
}

/// A value, or each of a list.
fn each(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(values) => values.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn is_of_words(name: &str) -> bool {
    matches!(name, "words" | "except")
}

/// The first of the beginnings of words that the text has.
fn first_of<'a>(text: &str, words: &'a Value) -> Result<Option<&'a str>, String> {
    for word in each(words) {
        let word = word.as_str().ok_or("words и except — списки начал слов")?;
        let beginning = plain(word);
        if text.contains(beginning.trim_end()) {
            return Ok(Some(word));
        }
    }
    Ok(None)
}

/// Lower case, «ё» as people type it, a space before each word and none of the signs.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('ё', "е");
    let words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(String::new(), |plain, word| plain + " " + word)
}

/// What staff call a fact.
fn label(fact: &str) -> &str {
    match fact {
        "department" => "отдел",
        "city" => "город",
        "shop" => "барбершоп",
        other => other,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
