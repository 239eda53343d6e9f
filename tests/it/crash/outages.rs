//! The database goes away for a while: nothing is lost, and the talks go on.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_talk_waits_for_a_locked_database_and_goes_on() {
    let mut desk = Desk::lay().await;
    desk.store.busy_timeout = Duration::from_millis(50);
    introduce(&desk, guests(1));
    desk.run().await;
    walks(&desk, FIRST_GUEST, &REGISTRATION[..4]).await;
    let DatabaseUrl::Sqlite(path) = &desk.store.url else { panic!("a desk has SQLite") };
    let mut other =
        SqliteConnection::connect(path.to_str().expect("a path of letters")).await.expect("it is there");
    other.execute("begin immediate").await.expect("nobody else writes now");
    let fetched = desk.sandbox.calls(Method::GetUpdates);
    desk.talks(FIRST_GUEST).writes("Казань, ТЦ Кольцо");
    let is_stuck = desk
        .sandbox
        .wait_for(|sandbox| sandbox.pending_updates() > 0 && sandbox.calls(Method::GetUpdates) == fetched);
    is_stuck.await.expect("the update is not confirmed while it cannot be written");
    assert_eq!(desk.health().await["status"], "ok", "reading goes on");
    other.execute("rollback").await.expect("it is our lock");
    desk.talks(FIRST_GUEST).hears("Есть ещё барбершоп?").await;
    walks(&desk, FIRST_GUEST, &REGISTRATION[5..]).await;
    assert_eq!(compare(&desk, guests(1), &smooth_registration().await, 0), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn talks_go_on_when_the_server_drops_every_connection() {
    let base = Base::make(On::Postgres, "dropped").await;
    let mut desk = base.lay().await;
    introduce(&desk, guests(20));
    desk.run().await;
    let name = base.0.clone().expect("a database of its own");
    let story = everybody_registers(&desk, guests(20));
    let dropping = async {
        for heard in [30, 70, 110] {
            let reached = desk.sandbox.wait_for(|sandbox| sandbox.calls(Method::SendMessage) >= heard);
            reached.await.expect("the bot goes on talking");
            admin(&format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
            ))
            .await;
        }
    };
    tokio::join!(story, dropping);
    comes_to_rest(&desk).await;
    assert_eq!(
        compare(&desk, guests(20), &smooth_registration().await, 0),
        0,
        "the bot itself was never away"
    );
    assert_eq!(count(&desk, "select count(*) from request").await, 20);
    desk.stop().await;
    base.drop().await;
}
