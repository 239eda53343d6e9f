//! The outgoing webhook.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use borodach::sandbox::bitrix24::{Brackets, Card, DEVELOPMENT, Fate, Hook, Mail, OWNER};
use serde_json::json;

use super::Desk;

/// Somebody who listens, and what they heard.
#[derive(Clone, Default)]
struct Handler(Arc<Mutex<Vec<String>>>);

impl Handler {
    /// Listens for the desk's events and answers them with `status`.
    async fn listen(desk: &Desk, status: StatusCode) -> Handler {
        let handler = Handler::default();
        let heard = handler.clone();
        let hear = move |body: String| {
            heard.0.lock().expect("nobody panics").push(body);
            async move { status }
        };
        let router = axum::Router::new().route("/bitrix24/events", axum::routing::post(hear));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback is free");
        let url = format!("http://{}/bitrix24/events", listener.local_addr().expect("it is bound"));
        tokio::spawn(axum::serve(listener, router).into_future());
        let url = url.parse().expect("an address");
        desk.portal
            .set_hook(Some(Hook { url, application_token: "made-up-application-token-000001".to_owned() }));
        handler
    }

    fn heard(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics").clone()
    }

    /// Names of events with the ids of their tasks.
    fn ids(&self) -> Vec<i64> {
        let id = |body: &String| {
            let (_, rest) = body.split_once("data[FIELDS_AFTER][ID]=").expect("an id");
            rest.split('&').next().and_then(|id| id.parse().ok()).expect("a number")
        };
        self.heard().iter().map(id).collect()
    }
}

impl Desk {
    async fn sent(&self, count: usize) {
        self.portal.wait_for(|portal| portal.sent_events().len() == count).await.expect("they are sent");
    }

    /// Makes so many tasks by hand; returns their ids.
    fn makes(&self, count: usize) -> Vec<i64> {
        let make = |n| self.portal.adds(OWNER, DEVELOPMENT, &format!("№{n}")).expect("it is made");
        (0..count).map(make).collect()
    }
}

#[tokio::test]
async fn an_event_tells_that_something_happened_and_not_what() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    let task = desk.task(json!({"TITLE": "Тайна"})).await;
    desk.sent(1).await;
    let domain = "127.0.0.1";
    let port = desk.portal.address().port().expect("a port");
    let expected = format!(
        "event=ONTASKADD&event_handler_id=404&data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]={task}\
         &data[IS_ACCESSIBLE_BEFORE]=undefined&data[IS_ACCESSIBLE_AFTER]=undefined&ts=1789992000&auth[domain]={domain}\
         &auth[client_endpoint]=http%3A%2F%2F{domain}%3A{port}%2Frest%2F\
         &auth[server_endpoint]=https%3A%2F%2Foauth.bitrix.info%2Frest%2F\
         &auth[member_id]=a223c6b3710f85df22e9377d6c4f7553&auth[application_token]=made-up-application-token-000001"
    );
    assert_eq!(handler.heard(), [expected]);
}

#[tokio::test]
async fn names_may_come_encoded() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    desk.portal.set_mail(Mail { brackets: Brackets::Encoded, ..Mail::default() });
    let task = desk.task(json!({})).await;
    desk.sent(1).await;
    let body = handler.heard()[0].clone();
    assert!(body.contains(&format!("&data%5BFIELDS_AFTER%5D%5BID%5D={task}&")), "{body}");
}

#[tokio::test]
async fn every_change_is_an_update_our_own_too() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let upload = json!({"id": 871, "data": {"NAME": "a.txt"}, "fileContent": ["a.txt", "aGVsbG8="]});
    let file = desk.ok("disk.folder.uploadfile", upload).await["ID"].clone();
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    let stage = desk.portal.stage(DEVELOPMENT, "Выполняется").expect("a column").id;
    desk.ok("tasks.task.update", json!({"taskId": task, "fields": {"PRIORITY": 2}})).await;
    desk.ok("tasks.task.start", json!({"taskId": task})).await;
    desk.ok("tasks.task.files.attach", json!({"taskId": task, "fileId": file})).await;
    desk.ok("task.stages.movetask", json!({"id": task, "stageId": stage})).await;
    desk.portal.assigns(OWNER, task, 8).expect("Pavel works here");
    desk.portal.completes(8, task).expect("it is open");
    desk.portal.removes(8, task).expect("it is there");
    desk.sent(7).await;
    let heard = handler.heard();
    for body in &heard[..6] {
        let both = format!("&data[FIELDS_BEFORE][ID]={task}&data[FIELDS_AFTER][ID]={task}&");
        assert!(body.starts_with("event=ONTASKUPDATE&") && body.contains(&both), "{body}");
    }
    let gone = format!("&data[FIELDS_BEFORE][ID]={task}&data[FIELDS_AFTER]=undefined&");
    assert!(heard[6].starts_with("event=ONTASKDELETE&") && heard[6].contains(&gone), "{}", heard[6]);
}

#[tokio::test]
async fn a_comment_of_the_new_card_has_the_id_0() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    let first = desk.portal.comments(8, task, "да").expect("he may");
    desk.sent(1).await;
    desk.portal.change(|conduct| conduct.card = Card::Forum);
    let second = desk.portal.comments(8, task, "нет").expect("he may");
    desk.sent(2).await;
    let heard = handler.heard();
    let by_chat = format!(
        "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=0&data[FIELDS_AFTER][MESSAGE_ID]={first}&data[FIELDS_AFTER][TASK_ID]={task}&"
    );
    let by_forum = format!("data[FIELDS_AFTER][ID]={second}&data[FIELDS_AFTER][TASK_ID]={task}&");
    assert!(heard[0].contains(&by_chat), "{}", heard[0]);
    assert!(heard[1].contains(&by_forum), "{}", heard[1]);
}

#[tokio::test]
async fn an_event_that_was_not_taken_never_comes_again() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::INTERNAL_SERVER_ERROR).await;
    desk.makes(1);
    desk.sent(1).await;
    desk.clock.turn(Duration::from_hours(48));
    desk.makes(1);
    desk.sent(2).await;
    let fates: Vec<Fate> = desk.portal.sent_events().iter().map(|sent| sent.fate).collect();
    assert_eq!(fates, [Fate::Answered(500), Fate::Answered(500)]);
    assert_eq!((handler.heard().len(), desk.portal.waiting_events()), (2, 0));
}

#[tokio::test]
async fn events_are_lost_and_doubled_by_the_same_dice_for_the_same_seed() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    desk.portal.seed(3);
    desk.portal.set_mail(Mail { lost: 0.3, twice: 0.3, ..Mail::default() });
    let made = desk.makes(30);
    desk.portal.wait_for(|portal| portal.waiting_events() == 0).await.expect("sent");
    let lost = desk.portal.sent_events().iter().filter(|sent| sent.fate == Fate::Lost).count();
    let heard = handler.ids();
    let is_doubled = |task: &&i64| heard.iter().filter(|id| id == task).count() == 2;
    let doubled = made.iter().filter(is_doubled).count();
    assert_eq!(heard.len(), made.len() - lost + doubled);
    assert!(lost > 0 && doubled > 0, "{lost} lost, {doubled} doubled");
}

#[tokio::test]
async fn a_delayed_event_waits_for_the_clock() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    desk.portal.set_mail(Mail { delay: Duration::from_secs(30), ..Mail::default() });
    desk.makes(2);
    assert_eq!(desk.portal.waiting_events(), 2);
    desk.clock.turn(Duration::from_secs(29));
    desk.ok("user.current", json!({})).await;
    assert_eq!((desk.portal.waiting_events(), handler.heard().len()), (2, 0));
    desk.clock.turn(Duration::from_secs(1));
    desk.sent(2).await;
    assert_eq!(handler.heard().len(), 2);
}

#[tokio::test]
async fn events_overtake_each_other() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    desk.portal.seed(1);
    desk.portal.set_mail(Mail { spread: Duration::from_mins(1), ..Mail::default() });
    let made = desk.makes(10);
    desk.clock.turn(Duration::from_mins(1));
    desk.sent(10).await;
    let mut heard = handler.ids();
    assert_ne!(heard, made);
    heard.sort_unstable();
    assert_eq!(heard, made);
}

#[tokio::test]
async fn events_gather_and_come_in_a_burst() {
    let desk = Desk::start().await;
    let handler = Handler::listen(&desk, StatusCode::OK).await;
    desk.portal.set_mail(Mail { burst: Some(Duration::from_mins(5)), ..Mail::default() });
    let made = desk.makes(20);
    desk.clock.turn(Duration::from_mins(4));
    assert_eq!((desk.portal.waiting_events(), handler.heard().len()), (20, 0));
    desk.clock.turn(Duration::from_mins(1));
    desk.sent(20).await;
    let mut heard = handler.ids();
    heard.sort_unstable();
    assert_eq!(heard, made);
}
