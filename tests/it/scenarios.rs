//! Scenarios: talks written down beside the flows, and what is told when one comes out otherwise.

use std::path::Path;
use std::sync::Arc;

use borodach::scenario::{self, Hardship, Report};
use borodach::script::{self, Coverage, Files, Limits, Set};

use crate::desk::{ANNA, Desk, OLGA, talk};

/// A flow that asks for a name and a mark.
const SURVEY: &str = r#"let name = chat.ask_text("Как вас зовут?", #{ min: 3, within: "2d", remind: "1d" }) ?? return chat.say("Понадобится — /go.");
let mark = chat.ask_choice("Как вам у нас?", ["Хорошо", "Плохо"]);
if mark == "Хорошо" {
    chat.say(`${name}, спасибо!`);
} else {
    chat.say(`${name}, исправимся.`);
}"#;

fn files_at(path: &str, body: &str) -> Files {
    Files::from([(path.to_owned(), body.to_owned())])
}

fn set_of(flow: &str) -> Arc<Set> {
    let set = Set::checked(files_at("flows/talk.rhai", &talk(flow)), Limits::default());
    Arc::new(set.unwrap_or_else(|findings| panic!("{}", findings[0])))
}

/// Plays the scenarios of a file against a flow.
fn play(flow: &str, tests: &str, hardships: &[Hardship]) -> Report {
    scenario::play(&set_of(flow), &files_at("flows/talk.test.rhai", tests), hardships)
}

/// A scenario with this body.
fn scenario_of(body: &str) -> String {
    format!("scenario(\"проба\", || {{\n{body}\n}});\n")
}

/// What is told of a scenario with this body.
fn told(flow: &str, body: &str) -> String {
    let report = play(flow, &scenario_of(body), &[]);
    report.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn passes(report: &Report) {
    let told: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n\n"));
}

/// The shipped scripts and scenarios.
fn shipped() -> (Files, Files) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = script::read(folder).and_then(|files| Ok((files, script::read_scenarios(folder)?)));
    read.expect("the repository has them")
}

fn shipped_coverage(hardships: &[Hardship]) -> (Report, Coverage) {
    let (files, tests) = shipped();
    let (set, trail) = Set::checked_with_trail(files, Limits::default()).expect("the shipped set is good");
    let set = Arc::new(set);
    let report = scenario::play(&set, &tests, hardships);
    (report, trail.coverage(&set))
}

#[test]
fn the_shipped_scenarios_pass_and_go_over_nearly_everything() {
    let (report, coverage) = shipped_coverage(&[]);
    passes(&report);
    assert!(report.scenarios >= 25, "{} scenarios", report.scenarios);
    assert!(coverage.places().percent() >= 95, "{coverage}");
    assert_eq!(coverage.questions().taken, coverage.questions().all, "{coverage}");
}

#[test]
fn no_hardship_changes_anything_in_the_shipped_talks() {
    let (report, _) = shipped_coverage(&Hardship::ALL);
    passes(&report);
    assert_eq!(report.played, report.scenarios * (1 + Hardship::ALL.len()));
}

#[test]
fn a_talk_that_comes_out_otherwise_is_shown_up_to_the_first_difference() {
    let told = told(
        SURVEY,
        r#"    let anna = guest(#{ name: "Анна" });
    anna.writes("/go");
    anna.writes("Анна Петрова");
    anna.presses("Плохо");
    anna.sees("Анна Петрова, спасибо!");"#,
    );
    insta::assert_snapshot!(told, @r#"
    flows/talk.test.rhai:6:10: «проба»: Анна не видит «Анна Петрова, спасибо!»
      |
    6 |     anna.sees("Анна Петрова, спасибо!");
      |          ^
    ждали:   Анна Петрова, ▸спасибо!
    пришло:  Анна Петрова, ▸исправимся.
    разговор до этого места:
      Анна        /go
      бот → Анна  Как вас зовут?  [✖️ Отмена]
      Анна        Анна Петрова
      бот → Анна  Как вам у нас?  [Хорошо] [Плохо] [⬅️ Назад] [✖️ Отмена]
      Анна        [Плохо]
    › бот → Анна  Анна Петрова, исправимся.
    "#);
}

#[test]
fn a_whole_text_differs_at_its_first_letter_that_differs() {
    let told = told(
        SURVEY,
        "let anna = guest(#{ name: \"Анна\" });\nanna.writes(\"/go\");\nanna.sees(exactly(\"Как вас звать?\"));",
    );
    insta::assert_snapshot!(told, @r#"
    flows/talk.test.rhai:4:6: «проба»: Анна не видит ровно «Как вас звать?»
      |
    4 | anna.sees(exactly("Как вас звать?"));
      |      ^
    ждали:   Как вас з▸вать?
    пришло:  Как вас з▸овут?
    разговор до этого места:
      Анна        /go
    › бот → Анна  Как вас зовут?  [✖️ Отмена]
    "#);
}

#[test]
fn a_mistake_in_a_scenario_is_told_with_its_place_and_a_hint() {
    #[track_caller]
    fn check(body: &str, expected: &str) {
        let told = told(SURVEY, body);
        assert_eq!(told.lines().next().unwrap_or_default(), format!("flows/talk.test.rhai:{expected}"));
    }
    let anna = "let anna = guest(#{ name: \"Анна\" }); ";
    check(&format!("{anna}anna.write(\"/go\");"), "2:43: «проба»: нет слова write; может быть, writes?");
    check(&format!("{anna}anna.writes(5);"), "2:43: «проба»: writes пишется так: anna.writes(\"текст\")");
    check("guest(#{ nam: \"Анна\" });", "2:1: «проба»: guest: нет поля «nam»; может быть, name?");
    check(
        &format!("{anna}anna.presses(\"Хорошо\");"),
        "2:43: «проба»: Анна: нет кнопки «Хорошо»; кнопок нет никаких",
    );
    check(
        &format!("{anna}anna.sees(\"привет\");"),
        "2:43: «проба»: Анна не видит «привет»: бот ничего нового не сказал",
    );
    check("passes(\"завтра\");", "2:1: «проба»: «завтра» — не срок: нужно \"30m\", \"2h\" или \"1d\"");
    check(
        "expects_call(\"requests::sumbit\");",
        "2:1: «проба»: нет функции «requests::sumbit», к которой бот обращается; может быть, requests::submit?",
    );
    check("let x = ;", "2:9: не разбирается: лишний знак ;");
}

#[test]
fn a_script_that_fails_in_a_scenario_is_told_with_its_own_place() {
    let told = told(
        "let n = 0;\nchat.say(`${1 / n}`);",
        "let anna = guest(#{ name: \"Анна\" });\nanna.writes(\"/go\");",
    );
    assert!(told.starts_with("flows/talk.test.rhai:3:6: «проба»: ⚠️ Разговор «talk» остановился"), "{told}");
    assert!(told.contains("flows/talk.rhai:4:15"), "{told}");
}

#[test]
fn nothing_that_a_scenario_catches_is_forgiven() {
    let told = told(
        SURVEY,
        "let anna = guest(#{ name: \"Анна\" });\ntry { anna.sees(\"привет\"); } catch { }\nanna.writes(\"/go\");",
    );
    assert!(told.starts_with("flows/talk.test.rhai:3:12: «проба»: Анна не видит"), "{told}");
}

#[test]
fn scenarios_side_by_side_know_nothing_of_each_other() {
    let (files, _) = shipped();
    let set = Arc::new(Set::checked(files, Limits::default()).expect("the shipped set is good"));
    let one = |number: usize| {
        format!(
            "scenario(\"заявка {number}\", || {{
                let anna = guest(#{{ name: \"Анна {number}\" }});
                anna.writes(\"/register\"); anna.shares_contact(); anna.writes(\"Анна {number}\");
                anna.writes(\"Казань, Кольцо\"); anna.presses(\"✅ Завершить регистрацию\");
                anna.presses(\"✅ Да, я владелец\"); anna.presses(\"✅ Отправить\");
                anna.sees(\"Заявка №1 отправлена\"); staff().sees(\"Анна {number}, владелец\");
            }});\n"
        )
    };
    let tests = files_at("flows/many.test.rhai", &(0..24).map(one).collect::<String>());
    let report = scenario::play(&set, &tests, &[]);
    passes(&report);
    assert_eq!(report.scenarios, 24);
}

#[test]
fn time_passes_as_a_scenario_says_and_what_was_promised_comes() {
    passes(&play(
        SURVEY,
        &scenario_of(
            r#"clock_at("2026-11-25 10:00");
            let anna = guest(#{ name: "Анна" });
            anna.writes("/go");
            passes("23h");
            anna.sees_nothing();
            passes("1h");
            anna.sees("Напоминаю, остался вопрос:");
            anna.sees("Как вас зовут?");
            passes("1d");
            anna.sees(exactly("Понадобится — /go."));"#,
        ),
        &Hardship::ALL,
    ));
    passes(&play(
        "chat.say(time::text(time::now(), \"%d.%m.%Y %H:%M\"));",
        &scenario_of(
            "clock_at(\"2026-11-25 10:00\"); let anna = guest(#{}); anna.writes(\"/go\"); anna.sees(\"25.11.2026 10:00\");",
        ),
        &[],
    ));
}

#[test]
fn an_awaited_call_is_answered_as_the_scenario_says() {
    let flow = "let answer = try_it();\nchat.say(answer);\n}\nfn try_it() {\n try { let r = requests::mine(); return if r == () { \"нет\" } else { `№${r.id}` }; } catch (error) { return error.kind; }";
    let flow = flow.replace("try_it()", "try_it(1)").replace("fn try_it(1)", "fn try_it(x)");
    let body = |call: &str, seen: &str| {
        scenario_of(&format!("let anna = guest(#{{}}); {call}; anna.writes(\"/go\"); anna.sees(\"{seen}\");"))
    };
    passes(&play(&flow, &body("", "нет"), &[]));
    passes(&play(&flow, &body("expects_call(\"requests::mine\").answers(#{ id: 7 })", "№7"), &Hardship::ALL));
    passes(&play(&flow, &body("expects_call(\"requests::mine\").fails(\"limit\", \"10m\")", "limit"), &[]));
    let told = play(&flow, &body("expects_call(\"requests::mine\").times(2)", "нет"), &[]).failures;
    assert!(told[0].message.contains("обращения не было: requests::mine()"), "{}", told[0]);
}

#[test]
fn what_no_scenario_comes_to_is_counted_by_lines() {
    let (set, trail) = Set::checked_with_trail(files_at("flows/talk.rhai", &talk(SURVEY)), Limits::default())
        .expect("it is good");
    let set = Arc::new(set);
    let body = "let anna = guest(#{ name: \"Анна\" });\nanna.writes(\"/go\");\nanna.writes(\"Анна\");\nanna.presses(\"Хорошо\");";
    passes(&scenario::play(&set, &files_at("flows/talk.test.rhai", &scenario_of(body)), &[]));
    insta::assert_snapshot!(trail.coverage(&set), @r"
    flows/talk.rhai   75 %  вопросы 2 из 2  не пройдены строки 3, 8
    всего             75 %  вопросы 2 из 2
    ");
}

#[tokio::test]
async fn a_change_that_fails_its_scenarios_does_not_go_live_until_either_is_mended() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"Первая\");"))]).await;
    let test = desk.flow("talk.test");
    let expects = |words: &str| {
        scenario_of(&format!(
            "let anna = guest(#{{ name: \"Анна\" }}); anna.writes(\"/go\"); anna.sees(\"{words}\");"
        ))
    };
    std::fs::write(&test, expects("Первая")).expect("the folder is ours");
    desk.run().await;
    desk.edit("talk", |_| talk("chat.say(\"Вторая\");"));
    let office = desk.office(OLGA);
    office.hears("Изменение сценариев не принято").await;
    office.hears("flows/talk.test.rhai:2:").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Первая").await;
    desk.edit("talk.test", |_| expects("Вторая"));
    office.heard("Сценарии обновлены", 1).await;
    anna.writes("/go");
    anna.hears("Вторая").await;
}
