//! What the network's former bot did to people, each once: none of it happens here.

use std::time::Duration;

use borodach::clock::{ManualClock, Timestamp};
use borodach::sandbox::network::{self, Network};
use borodach::sandbox::telegram::{Fault, Method};
use borodach::sandbox::yclients::{Endpoint, Fault as SalonFault, YClients};
use borodach::store::partner::Salon;

use crate::desk::{ANNA, Desk, talk};
use crate::portal::{introduce, introduce_with, open_portal};

/// A flow that makes so many tasks at once.
fn makes(count: usize) -> String {
    format!(
        "flow(#{{ title: \"Много\", on: [command(\"/many\")], access: [\"verified\"] }});\n\
         fn start(chat, partner) {{\n\
             for n in 0..{count} {{\n\
                 bitrix24::add_task(#{{ department: \"design\", text: `Задача для Telegram ${{partner.id}}`, shop: 41 }});\n\
             }}\n\
             chat.say(\"Поставил {count}.\");\n\
         }}"
    )
}

/// A bot with a portal, and the flow of [`makes`].
async fn desk_that_makes(count: usize) -> Desk {
    let mut desk = Desk::lay().await;
    // The desk goes out of sight of the portal: it serves until the test's runtime ends.
    open_portal(&mut desk).await;
    desk.config.services.bitrix24.per_second = borodach::config::Limit::OFF;
    desk.config.conversations.turn_deadline = borodach::config::Limit::OFF;
    std::fs::write(desk.flow("many"), makes(count)).expect("the folder is ours");
    desk.run().await;
    desk
}

#[tokio::test]
async fn a_restart_in_mid_talk_forgets_nothing() {
    let mut desk = Desk::lay().await;
    open_portal(&mut desk).await;
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Какому отделу задача?").await;
    anna.presses("🎨 Дизайн");
    anna.hears("Что нужно сделать?").await;
    anna.writes("Поменять вывеску");
    anna.hears("Теперь подробнее").await;
    desk.stop().await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("Буква отвалилась");
    anna.hears("Вот что получилось").await;
    let shown = anna.last().text().to_owned();
    assert!(shown.contains("Поменять вывеску") && shown.contains("Буква отвалилась"), "{shown}");
}

#[tokio::test]
async fn a_message_that_telegram_put_off_with_429_arrives() {
    let clock = ManualClock::new(Timestamp(1_795_590_000_000));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    desk.clock = clock.clone();
    desk.run().await;
    desk.sandbox.faults().next(Method::SendMessage, Fault::TooManyRequests { retry_after: 5 }, 1);
    desk.talks(ANNA).writes("/go");
    desk.until("Telegram asks to wait", async || desk.sandbox.faults().struck() == 1).await;
    desk.until("the message waits", async || desk.health().await["parts"]["outbox"]["queued"] == 1).await;
    clock.turn(Duration::from_secs(5));
    desk.talks(ANNA).hears("здесь").await;
    desk.settled().await;
    assert_eq!(desk.talks(ANNA).count("здесь"), 1);
}

#[tokio::test]
async fn a_salon_that_failed_is_not_shown_as_zero() {
    let mut desk = Desk::lay().await;
    let address = "127.0.0.1:0".parse().expect("an address");
    let today = chrono::DateTime::from_timestamp_millis(desk.clock.now().0).expect("a moment").date_naive();
    let salons = YClients::start(address, Network::new(3, today, 7), desk.clock.clone()).await;
    let salons = salons.expect("loopback has free ports");
    desk.config.yclients.api_url = salons.url();
    desk.config.yclients.partner_token = Some(YClients::PARTNER.to_owned().into());
    desk.config.yclients.user_token = Some(YClients::USER.to_owned().into());
    desk.config.services.retry.attempts = std::num::NonZeroU32::MIN;
    desk.run().await;
    let own = |salon: &network::Salon| Salon {
        id: salon.id,
        title: format!("Салон {}", salon.id),
        city: None,
        address: None,
    };
    introduce_with(&desk, ANNA, "Анна Петрова", salons.network().salons().iter().take(2).map(own).collect())
        .await;
    salons.faults().next(Endpoint::Overall, SalonFault::ServerError, 1);
    let anna = desk.talks(ANNA);
    anna.writes("/stats");
    anna.hears("За какие дни").await;
    anna.presses("Прошлый месяц");
    anna.heard("Итого по 1 из 2", 1).await;
    let shown = anna.last().text().to_owned();
    assert!(shown.contains("YClients сейчас не отвечает"), "{shown}");
    assert_eq!(shown.matches("Выручка:").count(), 2, "one salon and the total: {shown}");
    assert!(!shown.contains("Выручка: 0"), "{shown}");
}

#[tokio::test]
async fn the_number_123_does_not_see_the_tasks_of_1234() {
    let desk = desk_that_makes(1).await;
    for person in [123, 1234] {
        desk.sandbox.person(person, "Партнёр", None, &format!("+7999000{person:04}"));
        introduce(&desk, person, "Партнёр").await;
    }
    let (short, long) = (desk.talks(123), desk.talks(1234));
    long.writes("/many");
    long.hears("Поставил 1.").await;
    let number = desk.kept().tasks_of(borodach::telegram::UserId(1234)).await.expect("it reads")[0].id.0;
    short.writes("/tasks");
    short.hears("Что с задачами?").await;
    short.presses("🗂 Все задачи");
    short.hears("Задач пока нет.").await;
    short.writes("/cancel_task");
    short.hears("Номер задачи").await;
    short.writes(&number.to_string());
    short.hears("среди ваших нет").await;
    long.writes("/tasks");
    long.hears("Что с задачами?").await;
    long.presses("🗂 Все задачи");
    long.hears(&format!("№{number}")).await;
}

#[tokio::test]
async fn the_task_number_51_is_in_the_list() {
    let desk = desk_that_makes(55).await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    let anna = desk.talks(ANNA);
    anna.writes("/many");
    anna.hears("Поставил 55.").await;
    let all = desk.kept().tasks_of(borodach::telegram::UserId(ANNA)).await.expect("it reads");
    assert_eq!(all.len(), 55);
    anna.writes("/tasks");
    anna.hears("Что с задачами?").await;
    anna.presses("🗂 Все задачи");
    anna.hears("Все задачи: 55").await;
    // The oldest, on the last page, is found by its number.
    let oldest = all.last().expect("there are many").id.0;
    anna.writes(&format!("№{oldest}"));
    desk.until("it is on a button", async || {
        anna.last().text().contains("Нашлось 1 из 55")
            || anna.last().text().contains(&format!("Задача №{oldest}"))
    })
    .await;
}

#[tokio::test]
async fn a_name_with_a_sign_of_markup_breaks_no_message() {
    let desk = Desk::start().await;
    let salon = Salon { id: 41, title: "ТЦ <Кольцо> & Ко".to_owned(), city: None, address: None };
    introduce_with(&desk, ANNA, "Анна <3 & Ко", vec![salon]).await;
    let anna = desk.talks(ANNA);
    anna.writes("/account");
    anna.hears("Анна <3 & Ко, владелец").await;
    assert!(anna.last().text().contains("ТЦ <Кольцо> & Ко"));
    desk.settled().await;
}
