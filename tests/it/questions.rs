//! Questions: what answers them, what does not, and the ways out; and what a flow says between them.

use std::sync::Arc;
use std::time::Duration;

use borodach::clock::{ManualClock, Timestamp};
use borodach::config::Limit;
use borodach::sandbox::telegram::{Attachment, Content};

use crate::desk::{ANNA, Desk, OLGA, Talker, talk};

/// What a person does to answer.
#[derive(Clone, Copy)]
pub enum Act {
    Writes(&'static str),
    Presses(&'static str),
    Shares,
}

impl Act {
    /// The person does it.
    pub fn answer(self, person: Talker<'_>) {
        match self {
            Act::Writes(text) => person.writes(text),
            Act::Presses(label) => person.presses(label),
            Act::Shares => person.shares_contact(),
        }
    }
}

/// The registration of an employee: each question, and an answer to it.
pub const ROAD: [(&str, Act); 7] = [
    ("Поделитесь, пожалуйста, номером", Act::Shares),
    ("Как вас зовут?", Act::Writes("Петрова Анна")),
    ("Какой у вас барбершоп?", Act::Writes("Казань, ТЦ Кольцо")),
    ("Есть ещё барбершоп?", Act::Presses("✅ Завершить регистрацию")),
    ("Вы владелец?", Act::Presses("👤 Нет, сотрудник")),
    ("Кем вы работаете", Act::Writes("администратор")),
    ("Проверьте, пожалуйста", Act::Presses("✅ Отправить")),
];

/// The person answers the questions of the road from one to another, and is asked the latter.
pub async fn walks(person: Talker<'_>, from: usize, to: usize) {
    for (question, act) in &ROAD[from..to] {
        person.hears(question).await;
        act.answer(person);
    }
    person.hears(ROAD.get(to).map_or("отправлена в офис", |(question, _)| question)).await;
}

/// A desk whose clock stands still until it is turned, with one flow of this body.
async fn with_clock(body: &str) -> (Desk, Arc<ManualClock>) {
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(body))]).await;
    desk.clock = clock.clone();
    desk.run().await;
    (desk, clock)
}

/// Asks the question of a flow with this body, and says what came back.
async fn asks(body: &str) -> Desk {
    let desk = Desk::start_flow(&format!("let got = {body};\nchat.say(`Получено: ${{got}}`);")).await;
    desk.talks(ANNA).writes("/go");
    desk
}

/// Each of these words is refused with the words beside it; neighbours differ, or the first would do for both.
async fn refuses(anna: Talker<'_>, table: &[(&str, &str)]) {
    for (text, refusal) in table {
        anna.writes(text);
        anna.hears(refusal).await;
    }
}

#[tokio::test]
async fn back_leads_to_the_question_before_from_every_question_of_the_registration() {
    let desk = Desk::start().await;
    for at in 1..ROAD.len() {
        let person = desk.talks(2_000 + i64::try_from(at).expect("a few"));
        person.writes("/register");
        walks(person, 0, at).await;
        person.presses("⬅️ Назад");
        walks(person, at - 1, ROAD.len()).await;
    }
}

#[tokio::test]
async fn back_again_and_again_leads_to_the_first_question_and_the_road_can_be_walked_anew() {
    let desk = Desk::start().await;
    let anna = desk.talks(ANNA);
    anna.writes("/register");
    walks(anna, 0, 6).await;
    for (question, _) in ROAD[..6].iter().rev() {
        anna.presses("⬅️ Назад");
        anna.hears(question).await;
    }
    walks(anna, 0, ROAD.len()).await;
}

#[tokio::test]
async fn every_question_of_the_registration_has_a_way_out() {
    let desk = Desk::start().await;
    for at in 0..ROAD.len() {
        for (number, (way, words)) in
            [("✖️ Отмена", "остановились"), ("/cancel", "остановились"), ("/start", "Начнём с регистрации")]
                .into_iter()
                .enumerate()
        {
            let person = desk.talks(3_000 + i64::try_from(at * 10 + number).expect("a few"));
            person.writes("/register");
            walks(person, 0, at).await;
            match way.strip_prefix('/') {
                Some(_) => person.writes(way),
                None => person.presses(way),
            }
            person.hears(words).await;
            person.writes("просто слова");
            person.heard("Начнём с регистрации", if way == "/start" { 2 } else { 1 }).await;
        }
    }
    assert!(desk.kept().awaiting(borodach::store::ConversationId(0), 10).await.expect("it reads").is_empty());
}

#[tokio::test]
async fn text_is_taken_within_its_bounds() {
    let desk = asks("chat.ask_text(\"Слово?\", #{ min: 3, max: 10 })").await;
    let anna = desk.talks(ANNA);
    anna.hears("Слово?").await;
    refuses(
        anna,
        &[
            ("да", "нужно не меньше 3 букв"),
            ("слишком длинно", "Длинновато: 14 знаков, а помещается 10"),
            ("!!! ---", "нужно не меньше 3 букв"),
        ],
    )
    .await;
    anna.writes("  в самый  ");
    anna.hears("Получено: в самый").await;
}

#[tokio::test]
async fn a_number_is_taken_within_its_bounds() {
    let desk = asks("chat.ask_number(\"Сколько?\", #{ min: -5, max: 10000 })").await;
    let anna = desk.talks(ANNA);
    anna.hears("Сколько?").await;
    refuses(
        anna,
        &[
            ("много", "Нужно целое число"),
            ("-6", "Нужно число от -5 до 10000"),
            ("3.5", "Нужно целое число"),
            ("10001", "Нужно число от -5 до 10000"),
            ("99999999999999999999", "Нужно целое число"),
        ],
    )
    .await;
    anna.writes(" 9 999 ");
    anna.hears("Получено: 9999").await;
}

#[tokio::test]
async fn a_date_is_taken_as_people_write_it_and_within_its_bounds() {
    let desk = asks("chat.ask_date(\"Когда?\", #{ min: \"2026-01-01\", max: \"2026-12-31\" })").await;
    let anna = desk.talks(ANNA);
    anna.hears("Когда?").await;
    refuses(
        anna,
        &[
            ("завтра", "Напишите дату цифрами"),
            ("31.12.2025", "Нужна дата с 01.01.2026 по 31.12.2026"),
            ("30.02.2026", "Напишите дату цифрами"),
            ("01.01.2027", "Нужна дата с 01.01.2026 по 31.12.2026"),
        ],
    )
    .await;
    anna.writes("05.12.2026");
    anna.hears("Получено: 2026-12-05").await;
}

#[tokio::test]
async fn a_flows_own_words_for_a_wrong_answer_win() {
    let desk = asks("chat.ask_number(\"Сколько?\", #{ retry: \"Числом, пожалуйста\" })").await;
    let anna = desk.talks(ANNA);
    anna.hears("Сколько?").await;
    anna.writes("много");
    anna.hears("Числом, пожалуйста").await;
    anna.writes("7");
    anna.hears("Получено: 7").await;
}

#[tokio::test]
async fn a_short_list_is_answered_by_button_or_by_label_and_by_nothing_else() {
    let desk =
        asks("chat.ask_choice(\"Какой?\", [#{ label: \"Алый\", value: 1 }, \"Белый\"]).to_string()").await;
    let anna = desk.talks(ANNA);
    anna.hears("Какой?").await;
    anna.writes("серый");
    anna.hears("одну из кнопок").await;
    anna.writes(" бЕлый ");
    anna.hears("Получено: Белый").await;
}

#[tokio::test]
async fn yes_or_no_is_a_button_or_its_words() {
    let desk =
        Desk::start_flow("for n in 0..3 { chat.say(`Ответ: ${chat.ask_yes_no(\"Да или нет?\")}`); }").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.heard("Да или нет?", 1).await;
    anna.presses("✅ Да");
    anna.heard("Да или нет?", 2).await;
    anna.writes("❌ нет");
    anna.heard("Да или нет?", 3).await;
    assert_eq!((anna.count("Ответ: true"), anna.count("Ответ: false")), (1, 1), "{}", anna.transcript());
}

#[tokio::test]
async fn a_long_list_is_turned_searched_and_answered_by_an_exact_label() {
    let desk = Desk::start_flow(
        "let all = []; for n in 1..26 { all.push(`Салон ${n}`); }\nfor n in 0..3 { chat.say(`Выбран ${chat.ask_choice(\"Какой салон?\", all)}`); }",
    ).await;
    let anna = desk.talks(ANNA);
    let shows = async |label: &str| {
        let seen = desk.sandbox.wait_for(|_| anna.last().button(label).is_some()).await;
        seen.unwrap_or_else(|not_seen| panic!("no [{label}]: {not_seen}"));
    };
    anna.writes("/go");
    anna.hears("Список длинный").await;
    shows("1 / 4").await;
    anna.presses("›");
    shows("2 / 4").await;
    anna.presses("‹");
    shows("1 / 4").await;
    anna.presses("‹");
    shows("4 / 4").await;
    anna.presses("Салон 25");
    anna.heard("Какой салон?", 2).await;
    anna.writes("нет такого");
    anna.hears("ничего не нашлось").await;
    anna.writes("САЛОН"); // All of them.
    anna.heard("Какой салон?", 3).await;
    anna.writes("салон 2");
    anna.heard("Какой салон?", 4).await;
    assert_eq!(anna.count("Выбран Салон 2"), 2, "an exact label is chosen at once: {}", anna.transcript());
    anna.writes("ОН 1");
    let found = desk.sandbox.wait_for(|_| anna.last().text().contains("Нашлось 11 из 25.")).await;
    found.unwrap_or_else(|not_seen| panic!("{not_seen}"));
    anna.presses("›");
    shows("Салон 19").await;
    anna.presses("Салон 19");
    anna.hears("Выбран Салон 19").await;
}

#[tokio::test]
async fn several_are_marked_and_unmarked_within_their_bounds() {
    let desk =
        asks("chat.ask_many(\"Какие?\", [\"а\", \"б\", \"в\"], #{ min: 1, max: 2 }).to_string()").await;
    let anna = desk.talks(ANNA);
    let marked = async |label: &str| {
        let seen = desk
            .sandbox
            .wait_for(|sandbox| sandbox.messages(ANNA).iter().any(|message| message.button(label).is_some()));
        seen.await.unwrap_or_else(|not_seen| panic!("no [{label}]: {not_seen}"));
    };
    anna.hears("Какие?").await;
    anna.presses("✅ Готово (0)");
    anna.hears("Отметьте хотя бы 1").await;
    anna.presses("▫️ в");
    marked("☑️ в").await;
    anna.writes("а");
    marked("☑️ а").await;
    anna.presses("▫️ б");
    anna.hears("не больше 2").await;
    anna.presses("☑️ в");
    marked("▫️ в").await;
    anna.presses("▫️ б");
    marked("☑️ б").await;
    anna.presses("✅ Готово (2)");
    anna.hears("Получено: [\"а\", \"б\"]").await;
}

#[tokio::test]
async fn files_are_gathered_across_albums_until_they_are_enough() {
    let desk = Desk::start_flow(
        "let files = chat.ask_files(\"Фото?\", #{ max: 4 });\nlet names = \"\"; for file in files { names += ` ${file.name}`; }\nchat.say(`Файлы:${names}`);",
    ).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Фото?").await;
    anna.writes("вот");
    anna.hears("Пришлите, пожалуйста, фото или файл").await;
    let items: Vec<Attachment> = (0..3).map(|n| Attachment::Photo(vec![n].into())).collect();
    desk.sandbox.sends_album(ANNA, ANNA, &items, "");
    anna.hears("Принято файлов: 3").await;
    desk.sandbox.sends_document(ANNA, ANNA, "смета <1>.pdf", vec![7_u8; 10]);
    anna.heard("Принято", 2).await;
    desk.sandbox.sends_document(ANNA, ANNA, "лишний.pdf", vec![8_u8; 10]);
    anna.hears("Больше 4 файлов не поместится").await;
    anna.presses("✅ Готово (4)");
    anna.hears("Файлы: фото.jpg фото.jpg фото.jpg смета <1>.pdf").await;
}

/// An album of so many photos.
fn album(photos: u8) -> Vec<Attachment> {
    (0..photos).map(|number| Attachment::Photo(vec![number].into())).collect()
}

#[tokio::test]
async fn an_album_is_counted_in_one_message() {
    let desk = asks("chat.ask_files(\"Фото?\").len").await;
    let anna = desk.talks(ANNA);
    anna.hears("Фото?").await;
    desk.sandbox.sends_album(ANNA, ANNA, &album(5), "");
    anna.hears("Принято файлов: 5").await;
    desk.settled().await;
    assert_eq!(anna.last().labels()[0], ["✅ Готово (5)"]);
    assert_eq!((anna.count("Принято"), anna.count("Фото?")), (1, 1), "{}", anna.transcript());
    // Another album has a message of its own.
    desk.sandbox.sends_album(ANNA, ANNA, &album(2), "");
    anna.hears("Принято файлов: 7").await;
    desk.settled().await;
    assert_eq!((anna.count("Принято файлов: 5"), anna.count("Принято")), (1, 2), "{}", anna.transcript());
    anna.presses("✅ Готово (7)");
    anna.hears("Получено: 7").await;
}

#[tokio::test]
async fn an_album_that_does_not_fit_says_so_in_its_one_message() {
    let desk = asks("chat.ask_files(\"Фото?\", #{ max: 3 }).len").await;
    let anna = desk.talks(ANNA);
    anna.hears("Фото?").await;
    desk.sandbox.sends_album(ANNA, ANNA, &album(5), "");
    anna.hears("Больше 3 файлов не поместится").await;
    desk.settled().await;
    assert_eq!((anna.count("Больше 3"), anna.count("Принято")), (1, 0), "{}", anna.transcript());
    anna.presses("✅ Готово (3)");
    anna.hears("Получено: 3").await;
}

#[tokio::test]
async fn in_a_group_the_name_of_who_is_asked_stands_apart_from_the_question() {
    let flow = "flow(#{ title: \"Проба\", on: [command(\"/go\")], access: [\"staff\"] });\n\
                fn start(chat, partner) { chat.ask_text(\"Какой город?\"); }";
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", flow)]).await;
    desk.run().await;
    let olga = desk.office(OLGA);
    olga.writes("/go");
    olga.hears("Ольга Смирнова! Какой город?").await;
}

#[tokio::test]
async fn no_files_is_an_answer_where_the_flow_says_so() {
    let desk = asks("chat.ask_files(\"Фото?\", #{ skip: \"Без фото\" }).len").await;
    let anna = desk.talks(ANNA);
    anna.hears("Фото?").await;
    anna.presses("Без фото");
    anna.hears("Получено: 0").await;
}

#[tokio::test]
async fn when_nobody_answers_in_time_the_flow_goes_on_also_after_a_restart() {
    let body = "for n in 0..2 { let name = chat.ask_text(\"Имя?\", #{ within: \"2h\" }) ?? \"никто\"; chat.say(`Это ${name}`); }";
    let (mut desk, clock) = with_clock(body).await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("Имя?").await;
    clock.turn(Duration::from_hours(2));
    desk.talks(ANNA).heard("Имя?", 2).await;
    desk.stop().await;
    clock.turn(Duration::from_hours(3));
    desk.run().await;
    desk.talks(ANNA).heard("Это никто", 2).await;
}

#[tokio::test]
async fn an_answer_in_time_stops_the_clock_of_its_question() {
    let body = "let name = chat.ask_text(\"Имя?\", #{ within: \"2h\", remind: \"1h\" }); let age = chat.ask_text(\"Возраст?\"); chat.say(`Это ${name}, ${age}`);";
    let (desk, clock) = with_clock(body).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Возраст?").await;
    assert_eq!(desk.kept().next_fire().await.expect("it reads"), None);
    clock.turn(Duration::from_hours(5));
    anna.writes("30");
    anna.hears("Это Анна, 30").await;
    assert_eq!(anna.count("Напоминаю"), 0, "{}", anna.transcript());
}

/// The tests begin after one o'clock at night in Moscow, so a day later nobody may be reminded yet.
const UNTIL_MORNING: Duration = Duration::from_hours(24 + 8);

#[tokio::test]
async fn a_reminder_puts_the_question_again_also_after_a_restart_and_its_buttons_work() {
    let (mut desk, clock) = with_clock(
        "for n in 0..2 { chat.ask_yes_no(`Вопрос ${n}?`, #{ remind: \"1d\" }); } chat.say(\"Конец\");",
    )
    .await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("Вопрос 0?").await;
    clock.turn(UNTIL_MORNING);
    desk.talks(ANNA).hears("Напоминаю, остался вопрос:\n\nВопрос 0?").await;
    desk.talks(ANNA).presses("✅ Да");
    desk.talks(ANNA).hears("Вопрос 1?").await;
    desk.stop().await;
    clock.turn(Duration::from_hours(24));
    desk.run().await;
    desk.talks(ANNA).hears("Напоминаю, остался вопрос:\n\nВопрос 1?").await;
    desk.talks(ANNA).presses("✅ Да");
    desk.talks(ANNA).hears("Конец").await;
}

#[tokio::test]
async fn a_registration_left_for_a_day_is_reminded_of_and_goes_on_where_it_stood() {
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let desk = Desk::start_with_clock(clock.clone()).await;
    let anna = desk.talks(ANNA);
    anna.writes("/register");
    walks(anna, 0, 2).await;
    clock.turn(UNTIL_MORNING);
    anna.hears("Напоминаю, остался вопрос:\n\nКакой у вас барбершоп?").await;
    walks(anna, 2, ROAD.len()).await;
}

#[tokio::test]
async fn what_a_flow_says_is_said_changed_and_shown() {
    let desk = Desk::start_flow(
        "let files = chat.ask_files(\"Файл?\");\nlet said = chat.say(\"Думаю…\");\nchat.edit(said, html::bold(\"Придумал\"));\n\
         for file in files { if file.kind == \"photo\" { chat.photo(file.file_id, \"вот <оно>\"); } else { chat.document(file.file_id, \"файл\"); } }\n\
         chat.menu(\"Меню\", [[\"Раз\", \"Два\"], \"Три\"]);",
    ).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Файл?").await;
    desk.sandbox.sends_photo(ANNA, ANNA, vec![1, 2, 3], "");
    anna.hears("Принято").await;
    desk.sandbox.sends_document(ANNA, ANNA, "смета.pdf", vec![4, 5]);
    anna.heard("Принято", 2).await;
    anna.presses("✅ Готово (2)");
    anna.hears("Меню").await;
    assert_eq!((anna.count("Думаю"), anna.count("Придумал")), (0, 1), "{}", anna.transcript());
    assert_eq!((anna.count("вот <оно>"), anna.count("файл")), (1, 1), "{}", anna.transcript());
    let keyboard = desk.sandbox.keyboard(ANNA, ANNA).expect("a menu");
    assert_eq!(keyboard.labels(), [vec!["Раз", "Два"], vec!["Три"]]);
}

#[tokio::test]
async fn the_message_under_whose_button_a_flow_began_is_known_to_its_end() {
    let desk = Desk::start_flow(
        "let message = chat.pressed();\n\
         if message == () { return chat.say(\"Решаем\", #{ buttons: [[#{ text: \"Решить\", start: \"talk\" }]] }); }\n\
         if !chat.ask_yes_no(\"Точно?\") { chat.restart(); }\n\
         chat.edit(message, \"Решено\");",
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Решаем").await;
    anna.presses("Решить");
    anna.hears("Точно?").await;
    anna.presses("❌ Нет");
    anna.heard("Точно?", 2).await;
    anna.presses("✅ Да");
    desk.sandbox.wait_for(|sandbox| sandbox.transcript(ANNA).contains("Решено")).await.expect("it changes");
    assert_eq!(anna.count("Решаем"), 0, "{}", anna.transcript());
    assert_eq!(desk.sandbox.messages(ANNA)[1].text(), "Решено", "{}", anna.transcript());
}

#[tokio::test]
async fn a_text_longer_than_a_message_arrives_whole_in_several_with_its_buttons_under_the_last() {
    let desk = Desk::start_flow(
        "let long = \"\"; for n in 0..1500 { long += `слово${n} `; }\nlet said = chat.say(long);\nchat.edit(said, \"поправка\");\nchat.ask_yes_no(long + \"Всё ясно?\");\nchat.say(\"Конец\");",
    ).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Всё ясно?").await;
    let texts: Vec<String> =
        desk.sandbox.messages(ANNA).iter().filter(|m| m.is_from_bot()).map(|m| m.text().to_owned()).collect();
    assert!(
        texts.iter().all(|text| text.chars().count() <= 4096),
        "{:?}",
        texts.iter().map(String::len).collect::<Vec<_>>()
    );
    for word in ["слово0 ", "слово749 ", "слово1400"] {
        assert!(anna.count(word) > 0, "{word} is lost");
    }
    assert_eq!(anna.count("поправка"), 1);
    anna.presses("✅ Да");
    anna.hears("Конец").await;
}

#[tokio::test]
async fn a_caption_longer_than_a_caption_goes_on_under_the_picture() {
    let desk = Desk::start_flow(
        "let long = \"\"; for n in 0..200 { long += `слово${n} `; }\nlet files = chat.ask_files(\"Фото?\");\n\
         chat.photo(files[0].file_id, long, #{ buttons: [#{ text: \"Дальше\", start: \"talk\" }] });",
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Фото?").await;
    desk.sandbox.sends_photo(ANNA, ANNA, vec![1, 2, 3], "");
    anna.hears("Принято").await;
    anna.presses("✅ Готово (1)");
    anna.hears("слово199").await;
    let messages = desk.sandbox.messages(ANNA);
    let picture = &messages[messages.len() - 2];
    assert!(matches!(picture.content, Content::Photo(_)), "{picture:?}");
    assert!(picture.text().starts_with("слово0 ") && picture.buttons.is_empty(), "{picture:?}");
    assert_eq!(anna.last().labels(), [["Дальше"]]);
}

#[tokio::test]
async fn a_parked_talk_tells_a_number_and_the_office_hears_the_place_under_the_same() {
    let desk = Desk::start_flow("chat.say(\"Начали\");\nthrow \"ой, всё\";").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Номер случая").await;
    let text = anna.last().text().to_owned();
    let number: String =
        text.split("случая: ").nth(1).expect("a number").chars().take_while(char::is_ascii_digit).collect();
    let office = desk.office(OLGA);
    office.hears(&format!("остановился, случай {number}.")).await;
    office.hears("flows/talk.rhai:4:1: ой, всё").await;
    assert_eq!(anna.count("Начали"), 1);
    anna.writes("/go");
    anna.heard("Номер случая", 2).await;
}

#[tokio::test]
async fn a_refusal_of_the_host_can_be_caught_and_a_replay_throws_it_again() {
    let desk = Desk::start_flow(
        "try { requests::approve(1); } catch (error) { chat.say(`${error.kind}: ${error.message}`); }\nchat.ask_text(\"Дальше?\");\nchat.say(\"Конец\");",
    ).await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Дальше?").await;
    anna.writes("да");
    anna.hears("Конец").await;
    assert_eq!(anna.count("denied: это может только офис"), 1, "{}", anna.transcript());
}

#[tokio::test]
async fn a_journal_without_end_is_stopped_at_its_limit() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("loop { time::now(); }"))]).await;
    desk.config.scripts.limits.wall_time = Limit::of(Duration::from_secs(10));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Номер случая").await;
    desk.office(OLGA).hears("больше 3000 шагов").await;
}

/// Asks to choose something that weighs so many times 128 KiB, then one more question.
fn heavy(times: usize) -> String {
    format!(
        "let s = \"x\"; for n in 0..17 {{ s += s; }}\nlet all = []; for n in 0..{times} {{ all.push(s); }}\n\
         let chosen = chat.ask_choice(\"Какой?\", [#{{ label: \"тяжёлый\", weight: all }}]);\n\
         chat.ask_text(\"Дальше?\");\nchat.say(`Вес: ${{chosen.weight.len}}, ${{chosen.weight[0].len}}`);"
    )
}

#[tokio::test]
async fn a_value_over_the_size_of_a_row_is_kept_apart_and_comes_back_after_a_restart() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(&heavy(2)))]).await;
    desk.config.scripts.limits.string_size = Limit::OFF;
    desk.run().await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("Какой?").await;
    desk.talks(ANNA).presses("тяжёлый");
    desk.talks(ANNA).hears("Дальше?").await;
    desk.stop().await;
    desk.run().await;
    desk.talks(ANNA).writes("да");
    desk.talks(ANNA).hears("Вес: 2, 131072").await;
}

#[tokio::test]
async fn an_answer_too_large_to_keep_parks_the_talk_and_is_not_met_with_silence() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(&heavy(9)))]).await;
    desk.config.scripts.limits.string_size = Limit::OFF;
    desk.config.scripts.limits.wall_time = Limit::of(Duration::from_secs(10));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Какой?").await;
    anna.presses("тяжёлый");
    anna.hears("Номер случая").await;
    desk.office(OLGA).hears("the limit is 1048576").await;
    assert_eq!(desk.kept().health().await.expect("it reads").open_entries, 0);
}

#[tokio::test]
async fn a_talk_that_cannot_be_begun_is_told_of() {
    let body = "let s = \"x\"; for n in 0..17 { s += s; }\nlet all = []; for n in 0..9 { all.push(s); }\nchat.start_flow(\"talk\", #{ args: all });";
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(body))]).await;
    desk.config.scripts.limits.string_size = Limit::OFF;
    desk.config.scripts.limits.wall_time = Limit::of(Duration::from_secs(10));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Номер случая").await;
    desk.office(OLGA).hears("разговор не начался").await;
}
