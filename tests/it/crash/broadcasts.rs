//! A broadcast through deaths: everybody gets it, and only what was under way may come twice.

use borodach::config::Limit;
use borodach::store::CrashPoint;
use nonzero_ext::nonzero;

use super::{count, tells};
use crate::broadcasts::{SEND, heard, network};
use crate::desk::{Desk, OLGA};

const PEOPLE: i64 = 60;

#[tokio::test]
async fn a_broadcast_that_dies_again_and_again_reaches_everybody() {
    let mut desk = Desk::lay().await;
    desk.config.telegram.limits.overall_per_second = Limit::of(nonzero!(100_u32));
    network(&desk, PEOPLE).await;
    std::fs::write(desk.flow("send"), SEND).expect("the folder is ours");
    let deaths: Vec<CrashPoint> = [20, 15, 22, 17]
        .into_iter()
        .flat_map(|n| [CrashPoint::Before(n), CrashPoint::After(n + 1)])
        .collect();
    let story = async {
        let office = desk.office(OLGA);
        office.writes("/send");
        office.heard("закончена", 1).await;
    };
    let (died, _) = tells(&desk, &deaths, story).await;
    let heard = heard(&desk, PEOPLE);
    let doubled: usize = heard.iter().map(|times| times.saturating_sub(1)).sum();
    println!("a broadcast to {PEOPLE} through {died} deaths: {doubled} came twice");
    assert!(died >= 4, "it died only {died} times");
    assert!(heard.iter().all(|&times| times >= 1), "everybody has it");
    // The line to Telegram is short here, so no more than a few are under way at a time.
    assert!(doubled <= died * 3, "{doubled} came twice in {died} deaths");
    assert_eq!(count(&desk, "select count(*) from broadcast_recipient where status = 'sent'").await, PEOPLE);
}
