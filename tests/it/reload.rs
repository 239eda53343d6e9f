//! Scripts change while people talk: what is good is live at once, what is broken is refused, and nobody is harmed.

use crate::desk::{ANNA, Desk, OFFICE, OLGA, talk};
use crate::questions::{ROAD, walks};

const FIRST: &str = "chat.say(\"Первая\");";

fn flow(desk: &Desk) -> std::path::PathBuf {
    desk.flow("talk")
}

/// Saves the flow `talk` with this body as an editor does.
fn save(desk: &Desk, body: &str) {
    desk.edit("talk", |_| talk(body));
}

async fn is_live(desk: &Desk, times: usize) {
    desk.office(OLGA).heard("Сценарии обновлены", times).await;
}

#[tokio::test]
async fn a_saved_change_is_live_and_the_office_is_told() {
    let desk = Desk::start_flow(FIRST).await;
    let anna = desk.talks(ANNA);
    let before = desk.health().await["parts"]["scripts"]["live"]["hash"].clone();
    save(&desk, "chat.say(\"Вторая\");");
    is_live(&desk, 1).await;
    anna.writes("/go");
    anna.hears("Вторая").await;
    assert_ne!(desk.health().await["parts"]["scripts"]["live"]["hash"], before);
}

#[tokio::test]
async fn a_broken_change_is_refused_and_everybody_is_told_what_and_where() {
    let desk = Desk::start_flow(FIRST).await;
    let anna = desk.talks(ANNA);
    save(&desk, "chat.sayy(\"Вторая\");");
    let office = desk.office(OLGA);
    office.hears("Изменение сценариев не принято").await;
    office.hears("flows/talk.rhai:3:6: у chat нет функции sayy; может быть, say?").await;
    let health = desk.health().await;
    assert_eq!(health["status"], "degraded");
    let report = health["parts"]["scripts"]["refused"]["report"].as_str().expect("a report").to_owned();
    assert!(report.contains("flows/talk.rhai:3:6"), "{report}");
    anna.writes("/go");
    anna.hears("Первая").await;
    save(&desk, "chat.say(\"Третья\");");
    is_live(&desk, 1).await;
    anna.writes("/go");
    anna.hears("Третья").await;
    assert_eq!(desk.health().await["parts"]["scripts"]["refused"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_change_taken_back_clears_the_refusal() {
    let desk = Desk::start_flow(FIRST).await;
    save(&desk, "chat.sayy(");
    desk.office(OLGA).hears("не принято").await;
    save(&desk, FIRST);
    // Another change is the fence: by then the watch has seen the one before.
    desk.edit("other", |_| talk("").replace("/go", "/other"));
    is_live(&desk, 1).await;
    assert_eq!(desk.health().await["parts"]["scripts"]["status"], "ok");
}

#[tokio::test]
async fn a_file_written_in_two_halves_is_live_when_it_is_whole() {
    let desk = Desk::start_flow(FIRST).await;
    let whole = talk("chat.say(\"Вторая\");");
    let (half, rest) = whole.split_at(whole.find("start").expect("it has one"));
    std::fs::write(flow(&desk), half).expect("the folder is ours");
    // The slowest of editors: the half is looked at before the rest comes.
    desk.office(OLGA).hears("не принято").await;
    let mut file = std::fs::OpenOptions::new().append(true).open(flow(&desk)).expect("the folder is ours");
    std::io::Write::write_all(&mut file, rest.as_bytes()).expect("the folder is ours");
    is_live(&desk, 1).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Вторая").await;
}

#[tokio::test]
async fn a_file_deleted_while_somebody_talks_by_it_serves_them_to_the_end() {
    let mut desk = Desk::lay_with(&[
        ("flows/talk.rhai", &talk("let name = chat.ask_text(\"Имя?\"); chat.say(`Это ${name}`);")),
        ("flows/other.rhai", &talk("chat.say(\"другой\");").replace("/go", "/other")),
    ])
    .await;
    desk.run().await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("Имя?").await;
    std::fs::remove_file(flow(&desk)).expect("it is there");
    is_live(&desk, 1).await;
    desk.stop().await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("Анна");
    anna.hears("Это Анна").await;
    anna.writes("/go");
    anna.writes("/other");
    anna.hears("другой").await;
    assert_eq!(anna.count("Имя?"), 1, "{}", anna.transcript());
}

/// A question, and another whose words tell of the version.
fn versioned(rule: &str, version: &str, extra: &str) -> String {
    talk(&format!("let name = chat.ask_text(\"Имя?\");\n{extra}let age = chat.ask_text(\"Возраст ({version})?\");\nchat.say(`${{name}}, ${{age}}, {version}`);"))
        .replace("access:", &format!("versions: \"{rule}\", access:"))
}

#[tokio::test]
async fn a_talk_follows_new_words_keeps_its_old_road_or_begins_anew_as_its_header_says() {
    for (rule, question, answer, ending) in [
        ("follow", "Возраст (новый)?", "30", "Анна, 30, новый"),
        ("pin", "Возраст (старый)?", "30", "Анна, 30, старый"),
    ] {
        let mut desk = Desk::lay_with(&[("flows/talk.rhai", &versioned(rule, "старый", ""))]).await;
        desk.run().await;
        desk.talks(ANNA).writes("/go");
        desk.talks(ANNA).hears("Имя?").await;
        desk.edit("talk", |_| versioned(rule, "новый", ""));
        is_live(&desk, 1).await;
        desk.stop().await;
        desk.run().await;
        let anna = desk.talks(ANNA);
        anna.writes("Анна");
        anna.hears(question).await;
        anna.writes(answer);
        anna.hears(ending).await;
    }
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &versioned("restart", "старый", ""))]).await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Возраст (старый)?").await;
    desk.edit("talk", |_| versioned("restart", "новый", ""));
    is_live(&desk, 1).await;
    anna.writes("30");
    anna.heard("Имя?", 2).await;
    anna.writes("Ольга");
    anna.hears("Возраст (новый)?").await;
}

#[tokio::test]
async fn a_talk_past_a_new_question_stays_pinned_also_after_a_restart() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &versioned("follow", "старый", ""))]).await;
    desk.run().await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("Имя?").await;
    desk.talks(ANNA).writes("Анна");
    desk.talks(ANNA).hears("Возраст (старый)?").await;
    desk.edit("talk", |_| versioned("follow", "старый", "chat.ask_text(\"Город?\");\n"));
    is_live(&desk, 1).await;
    desk.stop().await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("30");
    anna.hears("Анна, 30, старый").await;
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Город?").await;
}

#[tokio::test]
async fn an_answer_never_goes_to_another_question_when_words_and_questions_change_at_once() {
    let desk = Desk::start_flow("let age = chat.ask_text(\"Возраст?\");\nchat.say(`Возраст ${age}`);").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Возраст?").await;
    save(
        &desk,
        "let city = chat.ask_text(\"Город?\");\nlet age = chat.ask_text(\"Сколько вам лет?\");\nchat.say(`Город ${city}, возраст ${age}`);",
    );
    is_live(&desk, 1).await;
    anna.writes("30");
    anna.hears("Возраст 30").await;
}

#[tokio::test]
async fn a_parked_talk_goes_on_by_itself_after_the_fix_and_nobody_types_again() {
    let broken = "let name = chat.ask_text(\"Имя?\");\nchat.say(\"Записываю\");\nlet size = name.no_such_field;\nchat.say(`Готово, ${name}`);";
    let desk = Desk::start_flow(broken).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Номер случая").await;
    assert_eq!(desk.health().await["parts"]["conversations"]["parked"], 1);
    save(
        &desk,
        "let name = chat.ask_text(\"Имя?\");\nchat.say(\"Записываю\");\nlet size = name.no_field;\nchat.say(`Готово, ${name}`);",
    );
    is_live(&desk, 1).await;
    save(
        &desk,
        "let name = chat.ask_text(\"Имя?\");\nchat.say(\"Записываю\");\nlet size = name.len;\nchat.say(`Готово, ${name}`);",
    );
    is_live(&desk, 2).await;
    anna.hears("Готово, Анна").await;
    assert_eq!(anna.count("Записываю"), 1, "nothing is said twice: {}", anna.transcript());
    assert_eq!(desk.health().await["parts"]["conversations"]["parked"], 0);
}

#[tokio::test]
async fn two_hundred_people_in_the_middle_of_registration_do_not_notice_the_edits() {
    const PEOPLE: i64 = 200;
    let mut desk = Desk::lay().await;
    desk.run().await;
    let person = |n: i64| desk.talks(10_000 + n);
    let stands = |n: i64| usize::try_from(n).expect("a count") % ROAD.len();
    for n in 0..PEOPLE {
        person(n).writes("/register");
    }
    futures::future::join_all((0..PEOPLE).map(|n| walks(person(n), 0, stands(n)))).await;

    // Only words.
    desk.edit("registration", |text| {
        text.replace("Кем вы работаете? Например", "Кем вы работаете у нас? Например")
    });
    is_live(&desk, 1).await;
    // A mistake.
    let good = std::fs::read_to_string(desk.flow("registration")).expect("it is there");
    desk.edit("registration", |text| text + "\nfn broken( {");
    desk.office(OLGA).hears("не принято").await;
    // A new question before the last one.
    desk.edit("registration", |_| {
        good.replace(
            "    form = let_correct(chat, form);",
            "    chat.ask_text(\"Откуда вы о нас узнали?\");\n    form = let_correct(chat, form);",
        )
    });
    is_live(&desk, 2).await;

    let goes_on = async |n: i64| {
        let (person, at) = (person(n), stands(n));
        if at == ROAD.len() - 1 {
            return walks(person, at, ROAD.len()).await;
        }
        for (asked, act) in &ROAD[at..ROAD.len() - 1] {
            person.hears(asked).await;
            act.answer(person);
        }
        person.hears("Откуда вы о нас узнали?").await;
        person.writes("От друзей");
        walks(person, ROAD.len() - 1, ROAD.len()).await;
    };
    futures::future::join_all((0..PEOPLE).map(goes_on)).await;
    let moved = (0..PEOPLE).filter(|&n| person(n).count("Откуда вы о нас узнали?") == 1).count();
    let past = (0..PEOPLE).filter(|&n| stands(n) == ROAD.len() - 1).count();
    assert_eq!((moved, past), (172, 28), "who stood past the new question is pinned, all others moved");
    for n in 0..PEOPLE {
        assert_eq!(
            person(n).count("сломалось") + person(n).count("не действует"),
            0,
            "{}",
            person(n).transcript()
        );
        assert_eq!(person(n).count("отправлена в офис"), 1, "{}", person(n).transcript());
    }
    let cards = desk.sandbox.wait_for(|_| desk.office(OLGA).count("🆕 Заявка №") == 200).await;
    cards.unwrap_or_else(|_| panic!("{} cards in {OFFICE}", desk.office(OLGA).count("🆕 Заявка №")));
    desk.stop().await;
}
