//! Rules as data: what they decide, how they explain it, and what changed ones would have decided.

#![expect(clippy::needless_pass_by_value, reason = "a table of cases is read more easily so")]

use std::process::Command;

use borodach::rules::decide;
use borodach::sandbox::bitrix24::Rest3;
use serde_json::{Map, Value, json};

use crate::desk::{ANNA, Desk};
use crate::portal::{introduce, open_portal};

/// 25 November 2026, a Wednesday, ten in the morning in Moscow.
const WEDNESDAY: i64 = 1_795_590_000_000;
const HOUR: i64 = 3_600_000;

fn facts(given: Value) -> Map<String, Value> {
    let mut facts = json!({ "department": "design", "city": null, "text": "", "at": WEDNESDAY });
    let all = facts.as_object_mut().expect("a map");
    all.extend(given.as_object().expect("a map").clone());
    all.clone()
}

/// What one rule with this condition does with the facts: why it fits, or why it does not.
fn judged(when: Value, given: Value) -> String {
    let rules = [json!({ "name": "Проба", "when": when, "decision": {} })];
    match decide(&rules, &facts(given)) {
        Ok(decided) if decided["rule"] == "Проба" => format!("да: {}", listed(&decided["why"])),
        Ok(decided) => format!("нет: {}", decided["skipped"][0]["why"].as_str().expect("a reason")),
        Err(wrong) => format!("ошибка: {wrong}"),
    }
}

/// What a decision comes to at a moment so many hours after ten on Wednesday.
fn settled(decision: Value, hours: i64) -> Result<Value, String> {
    let rules = [json!({ "name": "Проба", "decision": decision })];
    decide(&rules, &facts(json!({ "at": WEDNESDAY + hours * HOUR })))
}

fn listed(why: &Value) -> String {
    why.as_array().expect("a list").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_condition_holds_when_all_its_parts_do() {
    #[track_caller]
    fn check(when: Value, given: Value, told: &str) {
        assert_eq!(judged(when, given), told);
    }
    check(Value::Null, json!({}), "да: ");
    check(json!({ "department": "design" }), json!({}), "да: отдел design");
    check(json!({ "department": ["marketing", "design"] }), json!({}), "да: отдел design");
    check(json!({ "department": "marketing" }), json!({}), "нет: отдел — design");
    check(json!({ "city": "Казань" }), json!({}), "нет: город — неизвестно");
    check(json!({ "city": "Казань" }), json!({ "city": ["Уфа", "Казань"] }), "да: город Казань");
    check(json!({ "words": ["срочн"] }), json!({ "text": "Очень СРОЧНО!" }), "да: слово «срочн»");
    check(json!({ "words": ["срочн"] }), json!({ "text": "бессрочный договор" }), "нет: нет таких слов");
    check(json!({ "words": ["жёлт"] }), json!({ "text": "желтая вывеска" }), "да: слово «жёлт»");
    check(json!({ "words": ["не срочн"] }), json!({ "text": "это не… срочно" }), "да: слово «не срочн»");
    check(
        json!({ "words": ["срочн"], "except": ["не срочн"] }),
        json!({ "text": "совсем не срочно" }),
        "нет: есть «не срочн»",
    );
    check(
        json!({ "departmnt": "design" }),
        json!({}),
        "ошибка: правило «Проба»: в when — «departmnt», а такого факта нет; может быть, department?",
    );
}

#[test]
fn a_deadline_is_the_evening_of_a_working_day() {
    #[track_caller]
    fn check(days: i64, hours: i64, evening: i64) {
        let decided = settled(json!({ "days": days }), hours).expect("the rule is sound");
        assert_eq!(decided["decision"]["deadline"], WEDNESDAY + (8 + 24 * evening) * HOUR, "{days} {hours}");
    }
    check(0, 0, 0);
    check(0, 9, 1); // After six.
    check(1, 0, 1);
    check(3, 0, 5); // Over the weekend.
    check(0, 24 * 3, 5); // On Saturday.
    check(1, 24 * 3, 5); // Monday is the first working day.
    check(2, 24 * 3, 6);
}

#[test]
fn the_task_goes_to_whoever_is_on_shift_and_else_to_the_next_who_comes() {
    #[track_caller]
    fn check(people: &Value, hours: i64, person: i64, why: &str) {
        let decided = settled(json!({ "responsible": people }), hours).expect("the rule is sound");
        assert_eq!(
            (&decided["decision"]["responsible"], listed(&decided["why"]).as_str()),
            (&json!(person), why)
        );
    }
    let people = json!([{ "id": 12, "days": "12345", "from": 9, "to": 18, "away": ["2026-11-26"] },
                        { "id": 15, "days": "1234", "from": 20, "to": 2 }]);
    check(&people, 0, 12, "на смене 12");
    check(&people, 9, 15, "на смене никого, следующим выйдет 15");
    check(&people, 11, 15, "на смене 15");
    check(&people, 15, 15, "на смене 15"); // At one at night: the shift of yesterday.
    check(&people, 24, 15, "на смене никого, следующим выйдет 15"); // Twelve is away.
    check(&people, 24 * 3, 12, "на смене никого, следующим выйдет 12"); // Saturday.
    check(&json!([7, 12]), 24 * 3, 7, "на смене 7"); // A number works always.
}

#[test]
fn a_mistake_in_a_rule_is_told() {
    #[track_caller]
    fn check(decision: Value, told: &str) {
        let wrong = settled(decision, 0).expect_err("it is wrong");
        assert!(wrong.contains(told), "{wrong}");
    }
    check(json!({ "priorty": "high" }), "в decision нет ключа «priorty»; может быть, priority?");
    check(json!({ "priority": "urgent" }), "priority бывает high, normal, low, а не urgent");
    check(json!({ "days": -1 }), "days — сколько рабочих дней");
    check(json!({ "responsible": "Иванов" }), "responsible — номер из Битрикс24");
    check(json!({ "responsible": [] }), "список пуст");
    check(json!({ "responsible": [{ "id": 1, "hour": 9 }] }), "смена пишется");
    check(json!({ "tags": "срочно" }), "tags — список слов");
    let unnamed = decide(&[json!({ "decision": {} })], &facts(json!({})));
    assert_eq!(unnamed.expect_err("it has no name"), "у правила 1 нет name");
}

const RULES: &str = "\
    fn decide(facts) { rules::decide([#{ name: \"Дежурный\", when: #{ words: [\"авари\"] }, decision: #{\n\
        group: 16, responsible: [8], priority: \"high\", days: 0, tags: [\"АВАРИЯ\", \"зал\"],\n\
    } }, #{ name: \"Прочее\", decision: #{ days: 1 } }], facts) }";

/// Anna makes a task with these words.
async fn makes_task(desk: &Desk, title: &str) {
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Какому отделу задача?").await;
    anna.presses("🎨 Дизайн");
    anna.hears("Что нужно сделать?").await;
    anna.writes(title);
    anna.hears("Теперь подробнее").await;
    anna.writes("Всё как на фото");
    anna.hears("Вот что получилось").await;
    anna.presses("👌 Всё верно");
    anna.hears("Приложите фото").await;
    anna.presses("🚀 Отправить без файлов");
    anna.hears("поставлена").await;
}

#[tokio::test]
async fn the_portal_gets_everything_that_is_decided() {
    for rest3 in [Rest3::WithKeys, Rest3::Absent] {
        let mut desk = Desk::lay().await;
        let portal = open_portal(&mut desk).await;
        portal.change(|conduct| conduct.rest3 = rest3);
        std::fs::write(desk.folder.path().join("scripts/routing.rhai"), RULES).expect("the folder is ours");
        desk.run().await;
        introduce(&desk, ANNA, "Анна Петрова").await;
        makes_task(&desk, "Авария в зале").await;
        let task = portal.tasks().pop().expect("it is there");
        assert_eq!(task.title, "[Казань, ТЦ Кольцо] Авария в зале");
        assert_eq!((task.group, task.responsible, task.priority), (16, 8, 2), "{rest3:?}");
        assert_eq!(task.tags, ["АВАРИЯ", "зал"], "{rest3:?}");
        assert!(task.deadline.is_some());
    }
}

/// What the binary prints in the bot's folder, and whether it was content.
fn borodach(desk: &Desk, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_borodach"));
    command.args(["--dir".as_ref(), desk.folder.path().as_os_str()]).args(args).env_remove("DATABASE_URL");
    let done = command.output().expect("the binary is built");
    let printed = String::from_utf8([done.stdout, done.stderr].concat()).expect("it prints text");
    (done.status.success(), printed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_explains_and_tries_rules_while_the_bot_is_at_work() {
    let mut desk = Desk::lay().await;
    let portal = open_portal(&mut desk).await;
    std::fs::write(desk.folder.path().join("config.yaml"), "database: { path: data/bot.db }\n")
        .expect("ours");
    desk.config.scripts.watch = borodach::config::Watch::Off;
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    makes_task(&desk, "Срочно вывеска").await;
    let number = portal.tasks().pop().expect("it is there").id.to_string();

    let (is_fine, told) = borodach(&desk, &["rules", "explain", &number]);
    assert!(is_fine, "{told}");
    for words in [
        "✅ Человек просит срочно: слово «срочн»",
        "priority: high",
        "✖️ Авария: барбершоп не может работать: нет таких слов",
        "city: Казань",
        "text: Срочно вывеска ⏎ Всё как на фото",
    ] {
        assert!(told.contains(words), "no «{words}» in:\n{told}");
    }
    let (is_fine, told) = borodach(&desk, &["rules", "explain", "999999"]);
    assert!(!is_fine && told.contains("задачи №999999 бот не ставил"), "{told}");

    let (is_fine, told) = borodach(
        &desk,
        &["rules", "explain", "--facts", "department=design", "text=Логотип", "at=2026-11-25 10:00"],
    );
    assert!(is_fine, "{told}");
    assert!(
        told.contains("✅ Дизайн: отдел design") && told.contains("deadline: 02.12.2026 18:00"),
        "{told}"
    );

    let (is_fine, told) = borodach(&desk, &["rules", "shadow"]);
    assert!(is_fine && told.contains("с фактами 1; иначе решились бы 0."), "{told}");
    std::fs::write(desk.folder.path().join("scripts/routing.rhai"), RULES).expect("the folder is ours");
    let (is_fine, told) = borodach(&desk, &["rules", "shadow", "--days", "7"]);
    assert!(is_fine, "{told}");
    for words in [
        "правило: Человек просит срочно → Прочее",
        "priority: high → —",
        "tags: Срочно → —",
        "с фактами 1; иначе решились бы 1.",
    ] {
        assert!(told.contains(words), "no «{words}» in:\n{told}");
    }
    // The bot has not been disturbed.
    makes_task(&desk, "Ещё одна").await;
}
