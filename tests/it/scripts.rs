//! What is wrong with a script is found before it goes live; what cannot be found is stopped in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use borodach::clock::Timestamp;
use borodach::script::host::Caller;
use borodach::script::{End, Files, Limits, RHAI_VERSION, Ran, Set, Step, Work, run, run_apart};
use borodach::telegram::{ChatId, Content, UserId};
use serde_json::json;

use crate::desk::{ANNA, Desk, OLGA, talk};

fn files(given: &[(&str, &str)]) -> Files {
    given.iter().map(|&(path, body)| (path.to_owned(), body.to_owned())).collect()
}

/// Everything that publishing would say about these files.
fn findings(given: &[(&str, &str)]) -> String {
    match Set::checked(files(given), Limits::default()) {
        Ok(_) => String::new(),
        Err(findings) => findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"),
    }
}

/// A flow with this body is refused, and the reason holds these words.
#[track_caller]
fn refused(body: &str, reason: &str) {
    let said = findings(&[("flows/talk.rhai", &talk(body))]);
    assert!(said.contains(reason), "of `{body}` it is said:\n{said}\ninstead of: {reason}");
}

/// Runs a flow with this body without the linter's consent.
fn runs(body: &str) -> Ran {
    runs_within(body, Limits::default())
}

fn runs_within(body: &str, limits: Limits) -> Ran {
    let (set, journal, caller) = about_to_run(body, limits);
    run(&set, "talk", journal, caller, "k-".to_owned())
}

fn about_to_run(body: &str, limits: Limits) -> (Arc<Set>, Arc<Vec<Step>>, Caller) {
    let set = Set::compile(files(&[("flows/talk.rhai", &talk(body))]), limits);
    let set = set.unwrap_or_else(|findings| panic!("{}", findings[0]));
    let start = Step {
        name: "start".to_owned(),
        site: borodach::script::Site::default(),
        request: None,
        answer: json!({ "partner": {}, "args": null }),
    };
    let caller = Caller {
        chat: ChatId(ANNA),
        user: UserId(ANNA),
        name: "Анна".into(),
        username: None,
        is_staff: false,
        now: Timestamp(0),
        waits_since: None,
    };
    (Arc::new(set), Arc::new(vec![start]), caller)
}

#[tokio::test]
async fn what_takes_longer_than_a_glance_is_done_anew_elsewhere_and_said_once() {
    let limits = Limits { wall_time: Duration::from_mins(1), ..Limits::default() };
    // A callback may swallow the interruption: what it then gave must not be taken for a result.
    let body = "let few = [2, 1]; few.sort(|a, b| { let n = 0; while n < 200_000 { n += 1; } a - b }); chat.say(`${few[0]}`);";
    let (set, journal, caller) = about_to_run(body, limits);
    let ran = run_apart(&set, "talk", journal, caller, "k-".to_owned()).await;
    assert!(matches!(ran.end, End::Finished), "{:?}", ran.end);
    let said: Vec<_> = ran.said.iter().map(|(_, message)| &message.content).collect();
    assert_eq!(said, [&Content::Text { html: "1".to_owned() }]);
}

#[test]
fn an_interruption_that_a_callback_swallows_is_still_a_failure() {
    let limits = Limits { wall_time: Duration::from_millis(20), ..Limits::default() };
    let ran = runs_within("[2, 1].sort(|a, b| { loop { } }); chat.say(\"готово\");", limits);
    assert!(matches!(ran.end, End::Failed(_)), "{:?}", ran.end);
}

/// A run of this body fails, and the finding holds these words.
#[track_caller]
fn fails(body: &str, reason: &str) {
    // Time enough for the limit that is meant: a debug build is slow.
    let limits = Limits {
        operations: 100_000,
        wall_time: Duration::from_secs(10),
        array_items: 1_000,
        ..Limits::default()
    };
    match runs_within(body, limits).end {
        End::Failed(finding) => {
            assert!(finding.to_string().contains(reason), "`{body}` fails with:\n{finding}");
        }
        other => panic!("`{body}` ends with {other:?}"),
    }
}

#[test]
fn a_syntax_error_is_shown_with_its_line_and_a_mark_under_the_place() {
    insta::assert_snapshot!(findings(&[("flows/talk.rhai", &talk("let имя = ;"))]), @r"
    flows/talk.rhai:3:11: не разбирается: лишний знак ;
      |
    3 | let имя = ;
      |           ^
    ");
}

#[test]
fn a_mistyped_name_is_answered_with_the_right_one() {
    refused("chat.sayy(\"привет\");", "у chat нет функции sayy; может быть, say?");
    refused("fmt::plurall(1, \"a\", \"b\", \"c\");", "в fmt нет функции plurall; может быть, plural?");
    refused("fmmt::money(1);", "нет модуля «fmmt»");
    refused("let a = heper();", "нет функции heper");
    refused("chat.start_flow(\"tallk\");", "нет разговора «tallk»; может быть, talk?");
    refused("chat.ask_text(\"?\", #{ mim: 3 });", "chat.ask_text: нет настройки «mim»; может быть, min?");
}

#[test]
fn a_wrong_number_of_arguments_is_named_with_what_is_wanted() {
    refused("chat.say();", "chat.say(текст) и, если нужно, #{ настройки }: аргументов дано 0");
    refused("fmt::money(1, 2);", "fmt::money(копейки): аргументов дано 2");
    let own = format!("{}\nfn add(a, b) {{ a + b }}", talk("add(1);"));
    let said = findings(&[("flows/talk.rhai", &own)]);
    assert!(said.contains("add: аргументов дано 1, а нужно 2"), "{said}");
    let imported = format!("import \"scripts/sums\" as sums;\n{}", talk("sums::add(1);"));
    let said = findings(&[("flows/talk.rhai", &imported), ("scripts/sums.rhai", "fn add(a, b) { a + b }")]);
    assert!(said.contains("sums::add: аргументов дано 1, а нужно 2"), "{said}");
}

#[test]
fn an_answer_may_be_used_on_the_spot() {
    for body in [
        "chat.ask_text(\"?\").len;",
        "chat.ask_many(\"?\", [1])[0].to_string();",
        "let a = [chat.ask_text(\"?\").to_upper()];",
    ] {
        assert_eq!(findings(&[("flows/talk.rhai", &talk(body))]), "", "{body}");
    }
    refused("chat.ask_txt(\"?\").len;", "у chat нет функции ask_txt; может быть, ask_text?");
    refused("[1].map(|n| chat.ask_text(\"?\").len);", "нельзя звать внутри |…| { }");
}

#[test]
fn a_step_inside_a_closure_is_refused() {
    let reason = "нельзя звать внутри |…| { }";
    refused("[3, 1].sort(|a, b| { chat.say(\"!\"); a - b });", reason);
    refused("[3, 1].map(|n| chat.ask_text(`${n}?`));", reason);
    refused("let ask = || requests::mine(); ask.call();", reason);
}

#[test]
fn a_suspension_swallowed_by_a_sort_still_decides_the_outcome() {
    let ran = runs(
        "let list = [3, 1, 2]; list.sort(|a, b| { chat.ask_text(\"Кто больше?\"); a - b }); chat.say(\"дальше\");",
    );
    match ran.end {
        End::Pending(pending) => assert!(matches!(pending.work, Work::Ask(_)), "{pending:?}"),
        other => panic!("the question is lost: {other:?}"),
    }
    assert!(ran.said.is_empty(), "nothing is said past a question: {:?}", ran.said);
}

#[test]
fn a_suspension_cannot_be_caught() {
    let ran = runs("try { chat.ask_text(\"Имя?\"); } catch { chat.say(\"поймал\"); } chat.say(\"дальше\");");
    assert!(matches!(ran.end, End::Pending(_)), "{:?}", ran.end);
    assert!(ran.said.is_empty(), "{:?}", ran.said);
}

#[test]
fn a_flow_without_header_or_start_and_a_second_owner_of_a_trigger_are_refused() {
    let said = findings(&[("flows/talk.rhai", "fn start(chat, partner) { }")]);
    assert!(said.contains("нет заголовка"), "{said}");
    let said = findings(&[("flows/talk.rhai", "flow(#{ title: \"Проба\", access: [\"guest\"] });")]);
    assert!(said.contains("нет начала"), "{said}");
    let said = findings(&[("flows/talk.rhai", &talk("")), ("flows/twin.rhai", &talk(""))]);
    assert!(said.contains("/go для guest уже начинает разговор «talk»"), "{said}");
}

#[test]
fn imports_stay_inside_the_set_and_never_run_in_circles() {
    let importing = |what: &str| format!("import \"{what}\" as other;\n{}", talk("other::hello();"));
    for outside in ["../secrets", "/etc/passwd", "scripts/nowhere"] {
        let said = findings(&[("flows/talk.rhai", &importing(outside))]);
        assert!(said.contains("import берёт только из flows/ и scripts/"), "{outside}: {said}");
    }
    let said = findings(&[
        ("flows/talk.rhai", &importing("scripts/a")),
        ("scripts/a.rhai", "import \"scripts/b\" as b;\nfn hello() { }"),
        ("scripts/b.rhai", "import \"scripts/a\" as a;\nfn hello() { }"),
    ]);
    assert!(said.contains("по кругу"), "{said}");
}

#[test]
fn a_loop_without_end_at_the_top_of_a_file_is_refused_in_time() {
    let started = Instant::now();
    let said = findings(&[("flows/talk.rhai", &format!("{}\nloop {{ }}", talk("")))]);
    assert!(said.contains("похоже на цикл без конца"), "{said}");
    let importing = format!("import \"scripts/a\" as a;\n{}", talk("a::hello();"));
    let said = findings(&[("flows/talk.rhai", &importing), ("scripts/a.rhai", "loop { }\nfn hello() { }")]);
    assert!(said.contains("похоже на цикл без конца"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
}

#[test]
fn a_runaway_script_is_stopped_within_a_tenth_of_a_second_of_its_limit() {
    let limits = Limits { operations: 0, ..Limits::default() };
    for body in ["loop { }", "loop { try { throw 1; } catch { } }"] {
        // The best of three: the machine may be busy with other tests.
        let took = (0..3).map(|_| stopped_after(body, &limits)).min().expect("three of them");
        assert!(took >= limits.wall_time, "`{body}` was stopped after {took:?}");
        assert!(took < limits.wall_time + Duration::from_millis(100), "`{body}` was stopped after {took:?}");
    }
    fails("let n = 0; loop { n += 1; }", "цикл без конца");
}

#[track_caller]
fn stopped_after(body: &str, limits: &Limits) -> Duration {
    let started = Instant::now();
    let ran = runs_within(body, limits.clone());
    assert!(matches!(&ran.end, End::Failed(finding) if finding.message.contains("остановлен")), "{ran:?}");
    started.elapsed()
}

#[test]
fn recursion_long_strings_and_deep_lists_end_in_a_finding_and_not_in_a_crash() {
    fails("fall(0); } fn fall(n) { fall(n + 1)", "слишком глубоко");
    fails("fall(0); } fn fall(n) { if true { if true { [fall(n + 1)] } } ", "слишком глубоко");
    fails("let s = \"борода\"; loop { s += s; }", "слишком большое значение");
    fails("let s = \"\"; s.pad(100000000, \"x\");", "слишком большое значение");
    fails("let list = []; loop { list.push(1); }", "слишком большое значение");
    fails("let map = #{}; let n = 0; loop { map[`k${n}`] = 1; n += 1; }", "цикл без конца");
}

#[test]
fn what_would_reach_past_the_host_is_off() {
    let said = findings(&[("flows/talk.rhai", &talk("eval(\"40 + 2\");"))]);
    assert!(said.contains("eval"), "{said}");
    fails("sleep(1);", "sleep нельзя");
    fails("timestamp();", "нет такой функции: timestamp");
    for quiet in ["print(\"слово\");", "debug(\"слово\");"] {
        assert!(matches!(runs(quiet).end, End::Finished), "{quiet}");
    }
}

#[test]
fn the_version_of_rhai_in_a_sets_identity_is_the_one_that_runs() {
    let lock = include_str!("../../Cargo.lock");
    let locked = lock.split("[[package]]").find(|package| package.contains("name = \"rhai\"\n"));
    let locked = locked.expect("Rhai is a dependency");
    assert!(locked.contains(&format!("version = \"{RHAI_VERSION}\"")), "{locked}");
}

#[test]
fn a_value_nested_too_deep_for_the_journal_is_refused() {
    let nested = "let a = []; for i in 0..200 { a = [a]; }";
    fails(&format!("{nested} chat.ask_choice(\"?\", [#{{ label: \"да\", deep: a }}]);"), "вложен");
    fails(&format!("{nested} chat.start_flow(\"talk\", #{{ args: a }});"), "вложен");
}

#[tokio::test]
async fn a_runaway_script_costs_nobody_else_their_turn() {
    let endless = talk("loop { }").replace("/go", "/endless");
    let mut desk = Desk::lay_with(&[
        ("flows/talk.rhai", &talk("chat.say(\"здесь\");")),
        ("flows/endless.rhai", &endless),
    ])
    .await;
    desk.config.scripts.limits.operations = borodach::config::Limit::OFF;
    desk.config.scripts.limits.wall_time = borodach::config::Limit::of(Duration::from_secs(3));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/endless");
    for person in 1_000..1_050 {
        desk.talks(person).writes("/go");
    }
    for person in 1_000..1_050 {
        desk.talks(person).hears("здесь").await;
    }
    assert_eq!(desk.sandbox.sent(ANNA), 0, "the others were answered while the runaway still ran");
    anna.hears("Номер случая").await;
    desk.office(OLGA).hears("похоже на цикл без конца").await;
}
