//! Each call to the portal in turn is slow, refused for the moment, or answered into nothing: the talk and what is on the
//! portal come out the same.

use std::num::NonZeroU32;
use std::time::Duration;

use borodach::sandbox::bitrix24::{Bitrix24, Fault, Method};
use futures::future::join_all;

use crate::desk::{ANNA, Desk};
use crate::portal::{introduce, open_portal};

/// What a talk came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    transcript: String,
    /// Of the task: its title, how many files and comments it has, its column.
    objects: Vec<(String, usize, usize, Option<String>)>,
}

/// Faults after which nothing must be different: of none is it unknown for long whether the call was done.
const FAULTS: [Fault; 4] = [
    Fault::Slow(Duration::from_millis(300)),
    Fault::Unavailable,
    Fault::ResetAfterAccept,
    Fault::BadGatewayAfterAccept,
];

async fn desk() -> (Desk, Bitrix24) {
    let mut desk = Desk::lay().await;
    let portal = open_portal(&mut desk).await;
    let retry = &mut desk.config.services.retry;
    retry.attempts = NonZeroU32::new(3).expect("three");
    (retry.first_pause, retry.shortest_pause) = (Duration::from_millis(20), Duration::from_millis(20));
    // A request whose answer was lost is over at once here: nothing stands between us and the portal.
    desk.config.bitrix24.longest_request = Duration::ZERO;
    desk.config.conversations.doubt_settles = Duration::from_millis(50);
    // Only what the talk calls is to be struck.
    desk.config.bitrix24.look_for_changes = borodach::config::Limit::OFF;
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    // The last that the portal is asked about itself.
    desk.until("the portal is known", async || portal.calls(Method::Task3Add) > 0).await;
    desk.settled().await;
    (desk, portal)
}

/// Anna makes a task with a file, comments on it and cancels it.
async fn story(desk: &Desk, portal: &Bitrix24) -> Outcome {
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Какому отделу задача?").await;
    anna.presses("🎨 Дизайн");
    anna.hears("Что нужно сделать?").await;
    anna.writes("Табличка");
    anna.hears("Теперь подробнее").await;
    anna.writes("Режим работы");
    anna.hears("Вот что получилось").await;
    anna.presses("👌 Всё верно");
    anna.hears("Приложите фото").await;
    desk.sandbox.sends_document(ANNA, ANNA, "макет.pdf", vec![7_u8; 1000]);
    anna.hears("Принято").await;
    anna.presses("✅ Готово (1)");
    anna.heard("Прикреплено", 1).await;
    anna.presses("📋 Открыть задачу");
    anna.hears("🕒 Поставлена").await;
    anna.presses("💬 Комментарий");
    anna.hears("Что передать отделу").await;
    anna.writes("Размер А3");
    anna.hears("💬 Передал").await;
    anna.presses("📋 Открыть задачу");
    anna.heard("🕒 Поставлена", 2).await;
    anna.presses("🚫 Отменить задачу");
    anna.hears("Отменить задачу").await;
    anna.presses("🚫 Да, отменить");
    anna.hears("отменена").await;
    desk.settled().await;
    let own = portal.tasks().into_iter().filter(|task| task.title.contains("Табличка"));
    let objects = own.map(|task| {
        let comments = portal.chat(task.id).iter().filter(|said| said.text.contains("Размер А3")).count();
        (task.title, portal.files(task.id).len(), comments, portal.column(task.id).map(|column| column.title))
    });
    Outcome { transcript: without_times(&anna.transcript()), objects: objects.collect() }
}

/// Minutes go by while people talk.
fn without_times(text: &str) -> String {
    let is_time = |window: &[char]| matches!(window, [a, b, ':', c, d] if [a, b, c, d].iter().all(|letter| letter.is_ascii_digit()));
    let mut letters: Vec<char> = text.chars().collect();
    for at in 0..letters.len().saturating_sub(4) {
        if is_time(&letters[at..at + 5]) {
            letters[at..at + 5].fill('#');
        }
    }
    letters.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_any_one_call_changes_neither_the_talk_nor_the_portal() {
    let (calm, portal) = desk().await;
    let before = portal.log_of_calls().len();
    let smooth = story(&calm, &portal).await;
    assert_eq!(smooth.objects.len(), 1);
    let mut called: Vec<Method> = portal.log_of_calls()[before..].iter().map(|call| call.method).collect();
    called.sort_unstable();
    called.dedup();
    assert!(called.contains(&Method::Task3Add) && called.len() >= 6, "{called:?}");
    // A comment whose answer is lost is told of: it can be looked for only when nobody is at work on it any more.
    let is_told = |method, fault: Fault| method == Method::Task3Say && fault.hides_success();
    let all = called.iter().flat_map(|&method| FAULTS.map(|fault| (method, fault)));
    let hard: Vec<_> = all.filter(|&(method, fault)| !is_told(method, fault)).collect();
    for few in hard.chunks(4) {
        let played = few.iter().map(|&(method, fault)| async move {
            let (desk, portal) = desk().await;
            portal.faults().next(method, fault, 1);
            let outcome = story(&desk, &portal).await;
            assert_eq!(portal.faults().struck(), 1, "{} {fault:?} was to strike", method.name());
            (method, fault, outcome)
        });
        for (method, fault, outcome) in join_all(played).await {
            assert_eq!(outcome, smooth, "{} {fault:?}", method.name());
        }
    }
}
