//! The portal from the talk's side: a task is made once and is its partner's; what happens to it is told once.

use std::time::Duration;

use borodach::clock::Timestamp;
use borodach::config::Limit;
use borodach::sandbox::bitrix24::{Bitrix24, Hook, Mail};
use borodach::store::partner::{Partner, Profile, Role, Salon, Status};
use borodach::telegram::{ChatId, UserId};

use crate::desk::{ANNA, Desk, OLGA};
use crate::registration::{applies, approves};

const TOKEN: &str = "made-up-application-token-of-test";

const TASK: &str = "\
    flow(#{ title: \"Задача\", on: [command(\"/task\")], access: [\"verified\"] });\n\
    fn start(chat, partner) {\n\
        let stages = bitrix24::stages(\"design\");\n\
        let task = bitrix24::add_task(#{ department: \"design\", text: \"Поменять вывеску\", explanation: #{ rule: \"вывеска\" } });\n\
        chat.say(`Готово, задача №${task.id}. Стадий: ${stages.items.len()}.`);\n\
    }";

const MINE: &str = "\
    flow(#{ title: \"Мои задачи\", on: [command(\"/mine\")], access: [\"verified\"] });\n\
    fn start(chat, partner) {\n\
        let all = bitrix24::tasks();\n\
        for task in all { chat.say(`Моя: ${task.title}, ${task.stage}, ${tasks::get(task.id).explanation.rule}`); }\n\
        bitrix24::complete_task(all[0].id);\n\
        chat.say(\"Закрыта.\");\n\
    }";

/// A flow that tells of an event.
fn tells(event: &str, words: &str) -> String {
    format!(
        "flow(#{{ title: \"Весть\", on: [event(\"{event}\")], access: [\"verified\"] }});\n\
         fn start(chat, partner, args) {{ chat.say(`{words}`); }}"
    )
}

/// A bot with a portal and flows of this module's own.
async fn desk() -> (Desk, Bitrix24) {
    let mut desk = Desk::lay().await;
    let portal = open_portal(&mut desk).await;
    // In place of the shipped flows of these names, whose triggers they take.
    for (name, flow) in [
        ("new_task", TASK.to_owned()),
        ("task_mine", MINE.to_owned()),
        ("task_moved", tells("task.stage_changed", "Перешла: ${args.title} — ${args.stage}")),
        ("task_completed", tells("task.completed", "Завершена: ${args.title}")),
        ("task_commented", tells("task.commented", "Комментарий: ${args.text}")),
    ] {
        std::fs::write(desk.flow(name), flow).expect("the folder is ours");
    }
    (desk, portal)
}

/// A bot at work with a portal, whose partner Anna begins a `start` with this body by `/task`.
async fn desk_of_partner(body: &str) -> (Desk, Bitrix24) {
    let (mut desk, portal) = desk().await;
    let flow = format!(
        "flow(#{{ title: \"Задача\", on: [command(\"/task\")], access: [\"verified\"] }});\nfn start(chat, partner) {{\n{body}\n}}"
    );
    std::fs::write(desk.flow("new_task"), flow).expect("the folder is ours");
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    (desk, portal)
}

/// Gives the bot a portal on which each department has a project.
pub async fn open_portal(desk: &mut Desk) -> Bitrix24 {
    let address = "127.0.0.1:0".parse().expect("an address");
    let portal = Bitrix24::start(address, desk.clock.clone()).await.expect("loopback has free ports");
    desk.config.bitrix24.webhook_url = Some(portal.url().to_string().into());
    desk.config.bitrix24.application_token = Some(TOKEN.to_owned().into());
    desk.config.bitrix24.look_for_changes = Limit::OFF;
    let owner = portal.employees()[0].id;
    for (department, group) in desk.config.departments.iter_mut().zip([15, 16, 17]) {
        (department.group, department.responsible) = (Some(group), Some(owner));
    }
    portal
}

/// Makes somebody a partner with one barbershop, of whom the office has heard already.
pub async fn introduce(desk: &Desk, person: i64, name: &str) {
    let salon = Salon {
        id: 41,
        title: "Казань, ТЦ Кольцо".to_owned(),
        city: Some("Казань".to_owned()),
        address: None,
    };
    introduce_with(desk, person, name, vec![salon]).await;
}

/// The same with these barbershops.
pub async fn introduce_with(desk: &Desk, person: i64, name: &str, salons: Vec<Salon>) {
    let partner = Partner {
        user: UserId(person),
        chat: ChatId(person),
        status: Status::Verified,
        profile: Profile {
            name: name.to_owned(),
            phone: format!("+7999{person:07}"),
            username: None,
            role: Some(Role::Owner),
            position: None,
        },
        reachable: true,
        reason: None,
        created_at: Timestamp(0),
        verified_at: Some(Timestamp(0)),
        salons,
    };
    desk.kept().introduce(&partner, "Ольга Смирнова").await.expect("the database takes them");
}

async fn becomes_partner(desk: &Desk) {
    applies(desk, ANNA).await;
    let office = desk.office(OLGA);
    office.hears("Заявка №").await;
    approves(&office).await;
    desk.talks(ANNA).hears("Добро пожаловать в сеть").await;
}

fn somebody(portal: &Bitrix24) -> i64 {
    let people = portal.employees();
    people.iter().map(|user| user.id).find(|&id| id != 7).expect("the office has more people than one")
}

#[tokio::test]
async fn a_task_is_made_once_and_what_others_do_to_it_is_told_once() {
    let (mut desk, portal) = desk().await;
    desk.run().await;
    portal.set_hook(Some(Hook {
        url: desk.url("/bitrix24/events").parse().expect("an address"),
        application_token: TOKEN.to_owned(),
    }));
    portal.set_mail(Mail { twice: 1.0, ..Mail::default() });
    becomes_partner(&desk).await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Готово, задача №").await;
    let tasks = portal.tasks();
    let made = tasks.iter().find(|task| task.title == "Поменять вывеску").expect("it is there");
    let colleague = somebody(&portal);
    let stage = portal.board(17)[1].clone();
    portal.moves(colleague, made.id, stage.id).expect("they may");
    anna.hears(&format!("Перешла: Поменять вывеску — {}", stage.title)).await;
    portal.comments(colleague, made.id, "Когда удобно?").expect("they may");
    anna.hears("Комментарий: Когда удобно?").await;
    anna.writes("/mine");
    anna.hears("Закрыта.").await;
    assert_eq!(anna.count(&format!("Моя: Поменять вывеску, {}, вывеска", stage.title)), 1);
    desk.until("every event has come", async || portal.waiting_events() == 0).await;
    desk.settled().await;
    assert_eq!(anna.count("Перешла:"), 1, "{}", anna.transcript());
    assert_eq!(anna.count("Комментарий:"), 1);
    assert_eq!(anna.count("Завершена:"), 0, "what Anna did herself is no news");
    assert!(portal.twins().is_empty());
}

#[tokio::test]
async fn files_go_to_the_disk_of_the_project_that_a_rule_chose() {
    let (desk, portal) = desk_of_partner(
        "let files = chat.ask_files(\"Фото?\");\n\
         let own = bitrix24::add_task(#{ department: \"design\", text: \"Своя\" });\n\
         let passed = bitrix24::add_task(#{ department: \"design\", group: 16, text: \"Переданная\" });\n\
         let theirs = bitrix24::add_task(#{ department: \"marketing\", text: \"Чужая\" });\n\
         for task in [own, passed, theirs] { bitrix24::attach_file(task.id, files[0]); }\n\
         chat.say(\"Прикреплено.\");",
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Фото?").await;
    desk.sandbox.sends_document(ANNA, ANNA, "макет.pdf", vec![7_u8; 1000]);
    anna.hears("Принято").await;
    anna.presses("✅ Готово (1)");
    anna.hears("Прикреплено.").await;
    let folder = |title: &str| {
        let task = portal.tasks().into_iter().find(|task| task.title == title).expect("it is there");
        portal.files(task.id)[0].folder
    };
    assert_ne!(folder("Переданная"), folder("Своя"));
    assert_eq!(folder("Переданная"), folder("Чужая"), "marketing's project is 16");
}

#[tokio::test]
async fn a_task_in_another_project_stands_in_a_column_of_that_project() {
    let (desk, _portal) = desk_of_partner(
        "let task = bitrix24::add_task(#{ department: \"design\", group: 16, text: \"Переданная\" });\n\
         let stage = bitrix24::stages(16).items[2];\n\
         bitrix24::move_task(task.id, stage.id);\n\
         chat.say(`${tasks::get(task.id).stage} — это ${stage.title}`);",
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("На проверке — это На проверке").await;
}

#[tokio::test]
async fn events_that_overtake_each_other_tell_of_what_is_so_now() {
    let (mut desk, portal) = desk().await;
    desk.run().await;
    portal.set_hook(Some(Hook {
        url: desk.url("/bitrix24/events").parse().expect("an address"),
        application_token: TOKEN.to_owned(),
    }));
    portal.set_mail(Mail { spread: Duration::from_millis(300), twice: 1.0, ..Mail::default() });
    becomes_partner(&desk).await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Готово, задача №").await;
    let made = portal.tasks().iter().find(|task| task.title == "Поменять вывеску").expect("it is there").id;
    let (colleague, board) = (somebody(&portal), portal.board(17));
    portal.moves(colleague, made, board[1].id).expect("they may");
    portal.comments(colleague, made, "Когда удобно?").expect("they may");
    portal.moves(colleague, made, board[2].id).expect("they may");
    anna.heard(&format!("Перешла: Поменять вывеску — {}", board[2].title), 1).await;
    anna.heard("Комментарий: Когда удобно?", 1).await;
    desk.until("every event has come", async || portal.waiting_events() == 0).await;
    desk.settled().await;
    assert_eq!(anna.count(&format!("Перешла: Поменять вывеску — {}", board[2].title)), 1);
    assert_eq!(anna.count("Комментарий:"), 1);
    assert!(anna.count("Перешла:") <= 2, "{}", anna.transcript());
}

#[tokio::test]
async fn what_the_portal_did_not_tell_is_found_by_asking() {
    let (mut desk, portal) = desk().await;
    desk.config.bitrix24.look_for_changes = Limit::of(Duration::from_millis(300));
    desk.run().await;
    becomes_partner(&desk).await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Готово, задача №").await;
    let made = portal.tasks().iter().find(|task| task.title == "Поменять вывеску").expect("it is there").id;
    portal.completes(somebody(&portal), made).expect("they may");
    anna.hears("Завершена: Поменять вывеску").await;
    desk.settled().await;
    assert_eq!(anna.count("Завершена:"), 1);
}

#[tokio::test]
async fn an_event_with_another_token_is_not_believed() {
    let (mut desk, _portal) = desk().await;
    desk.run().await;
    let body = "event=ONTASKUPDATE&data[FIELDS_AFTER][ID]=1&ts=1790000000&auth[application_token]=forged";
    let told = reqwest::Client::new().post(desk.url("/bitrix24/events")).body(body).send().await;
    assert_eq!(told.expect("the bot listens").status().as_u16(), 401);
}

#[tokio::test]
async fn a_service_that_is_not_set_up_is_unavailable_to_scripts() {
    let body = "try { bitrix24::stages(\"design\"); } catch (error) { chat.say(`${error.kind} ${error.service}: ${error.message}`); }";
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &crate::desk::talk(body))]).await;
    desk.config.telegram.staff = vec![borodach::telegram::UserId(ANNA)];
    for department in &mut desk.config.departments {
        department.group = Some(1);
    }
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("unavailable bitrix24").await;
}
