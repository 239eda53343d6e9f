//! Several instances on one database.

use borodach::config::Mode;

use super::*;

const SECRET: &str = "made-up-secret-of-the-tests";

/// Stands between Telegram and the instances: each update goes to another of them than the one before.
async fn balances(desk: &Desk, addresses: &[std::net::SocketAddr]) {
    let (http, mut next) = (reqwest::Client::new(), 0);
    let base = desk.sandbox.url();
    let updates = format!("{}/bot{}/getUpdates", base.as_str().trim_end_matches('/'), desk.sandbox.token());
    let mut turn = addresses.iter().cycle();
    loop {
        let held = http.get(format!("{updates}?timeout=20&offset={next}")).send().await;
        let text = held.expect("the sandbox is there").text().await.expect("a text");
        let portion: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for update in portion["result"].as_array().expect("a list") {
            next = update["update_id"].as_i64().expect("a number") + 1;
            let address = turn.next().expect("there are instances");
            let delivered = http
                .post(format!("http://{address}/telegram/webhook"))
                .header("x-telegram-bot-api-secret-token", SECRET)
                .body(update.to_string())
                .send();
            assert!(delivered.await.expect("the instance is there").status().is_success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn two_instances_share_the_chats_and_nobody_is_answered_twice() {
    let base = Base::make(On::Postgres, "shared").await;
    let mut desk = base.lay().await;
    desk.config.telegram.mode = Mode::Webhook;
    desk.config.telegram.webhook_secret = Some(SECRET.to_owned().into());
    introduce(&desk, guests(20));
    let first = Life::begin(&desk, None).await.expect("nothing strikes it");
    let second = Life::begin(&desk, None).await.expect("nothing strikes it");
    let addresses = [first.address, second.address];
    tokio::select! {
        () = everybody_registers(&desk, guests(20)) => {}
        () = balances(&desk, &addresses) => {}
    }
    comes_to_rest(&desk).await;
    assert_eq!(compare(&desk, guests(20), &smooth_registration().await, 0), 0);
    assert_eq!(count(&desk, "select count(*) from request").await, 20);
    assert!(first.stops().await && second.stops().await);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn of_two_instances_one_goes_on_when_the_other_is_killed() {
    let base = Base::make(On::Postgres, "two").await;
    let desk = base.lay().await;
    introduce(&desk, guests(20));
    // The first polls, and the second stands by.
    let first = Life::begin(&desk, None).await.expect("nothing strikes it");
    let mut story = pin!(everybody_registers(&desk, guests(20)));
    let halfway = desk.sandbox.wait_for(|sandbox| sandbox.calls(Method::SendMessage) >= 60);
    tokio::select! {
        () = &mut story => panic!("they were not to be ready yet"),
        halfway = halfway => halfway.expect("the bot talks"),
    }
    let second = Life::begin(&desk, None).await.expect("nothing strikes it");
    first.kill().await;
    story.await;
    comes_to_rest(&desk).await;
    let doubled = compare(&desk, guests(20), &smooth_registration().await, 1);
    println!("one of two was killed: 20 of 20 went on, {doubled} words came twice");
    assert_eq!(count(&desk, "select count(*) from request").await, 20);
    assert!(second.stops().await);
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_flow_by_schedule_comes_once_although_one_of_two_instances_is_killed_in_the_middle() {
    const WEEKLY: &str = "\
        flow(#{ title: \"Отчёт\", on: [cron(\"0 10 * * MON\")], access: [\"verified\"] });\n\
        fn start(chat, partner) { chat.say(\"Отчёт готов\"); }";
    const FED: &str = "select count(*) from inbox where source = 'cron' and key like 'weekly:%'";
    let base = Base::make(On::Postgres, "scheduled").await;
    let mut desk = base.lay().await;
    let clock = borodach::clock::ManualClock::new(crate::jobs::at("2026-11-23 09:58"));
    desk.clock = clock.clone();
    // In place of the shipped report, which asks a service.
    std::fs::remove_file(desk.flow("weekly_report")).expect("it is shipped");
    std::fs::write(desk.flow("weekly"), WEEKLY).expect("the folder is ours");
    introduce(&desk, guests(40));
    let first = Life::begin(&desk, None).await.expect("nothing strikes it");
    for person in guests(40) {
        // A bot may write only to whom has written to it.
        desk.talks(person).writes("/start");
        let partner = crate::store::verified(person);
        first.store.introduce(&partner, "Ольга").await.expect("the store is well");
    }
    let second = Life::begin(&desk, None).await.expect("nothing strikes it");
    clock.set(crate::jobs::at("2026-11-23 10:00"));
    // The first step reaches thirty; the rest waits for the next minute, and whoever began may not live to see it.
    let fed = async |wanted: i64| {
        while count(&desk, FED).await < wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, fed(30)).await.expect("the flow comes");
    first.kill().await;
    let rest = async {
        while count(&desk, FED).await < 40 {
            clock.turn(Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, rest).await.expect("somebody goes on where it stood");
    comes_to_rest(&desk).await;
    assert_eq!(
        count(&desk, "select count(*) from job_run where job = 'weekly' and result = 'done'").await,
        1
    );
    let told: Vec<usize> = guests(40).map(|person| desk.talks(person).count("Отчёт готов")).collect();
    // One that was on its way when the instance was killed may come twice: Telegram has no key for it.
    assert!(told.iter().all(|count| (1..=2).contains(count)), "{told:?}");
    assert_eq!(count(&desk, FED).await, 40);
    assert!(second.stops().await);
    base.drop().await;
}
