//! The numbers of a whole network, gathered within the limits of the service and through its failures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use borodach::clock::{ManualClock, SharedClock, SystemClock};
use borodach::config;
use borodach::http::{self, BreakerSettings, ClientSettings, Kind, Service, Throttle};
use borodach::ratings::{Known, Line, gather};
use borodach::sandbox::network::Network;
use borodach::sandbox::yclients::{Endpoint, Fault, Limits, Often, Refused, Rule, YClients};
use borodach::yclients::{Client, CompanyId, Period};
use nonzero_ext::nonzero;

use crate::sandbox_yclients::today;
use crate::yclients::{client, policy, sandbox};

const SALONS: u16 = 400;
const AT_ONCE: NonZeroU32 = nonzero!(8_u32);

fn february() -> Period {
    Period::month(2026, 2).expect("a month")
}

fn january() -> Period {
    Period::month(2026, 1).expect("a month")
}

fn ids(sandbox: &YClients) -> Vec<CompanyId> {
    sandbox.network().salons().iter().map(|salon| CompanyId(salon.id)).collect()
}

/// Every new line says what the network says, and every old one what was known.
fn tells_the_truth(lines: &[Line], sandbox: &YClients, known: &BTreeMap<CompanyId, Known>) {
    assert_eq!(
        lines.iter().map(|line| line.salon).collect::<Vec<_>>(),
        ids(sandbox),
        "a line for each, in order"
    );
    for line in lines {
        if line.is_stale() {
            assert_eq!(line.numbers.as_ref(), known.get(&line.salon), "the last known numbers, and no zeros");
            continue;
        }
        let salon = sandbox.network().salon(line.salon.0).expect("it is ours");
        let (from, to) = (february().from(), february().to());
        let totals = sandbox.network().totals(salon, from, to);
        let numbers = line.numbers.as_ref().expect("new numbers");
        assert_eq!(numbers.overall.income.total.current, totals.sum.income());
    }
}

/// Turns the clock whenever the clock is all that is waited for: when every place is taken by a call that waits for its
/// turn. At the end, when fewer calls are left than places, whoever waits is given the time after a while of quiet.
async fn turning(
    clock: &ManualClock,
    service: &Service,
    lines: impl Future<Output = Vec<Line>>,
) -> Vec<Line> {
    let mut lines = std::pin::pin!(lines);
    let mut quiet = 0;
    loop {
        let waiting = service.report()["waiting"].as_u64().expect("a number");
        let is_full = waiting == u64::from(AT_ONCE.get());
        if is_full || (waiting > 0 && quiet > 30) {
            clock.turn(Duration::from_millis(50));
        }
        quiet = if is_full { 0 } else { quiet + 1 };
        // Real time: what is on the wire arrives by it, and calls rest by it between their attempts.
        let arrival = async {
            if is_full {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            biased;
            lines = &mut lines => return lines,
            () = arrival => {}
        }
    }
}

#[tokio::test]
async fn four_hundred_salons_are_gathered_as_fast_as_the_limits_allow() {
    let (sandbox, clock) = sandbox(usize::from(SALONS)).await;
    sandbox.set_limits(Limits::default());
    let throttle = Throttle::new("yclients", &config::Config::default().services.yclients.quotas());
    let (client, service) = client(sandbox.url(), throttle, clock.clone());
    let shared: SharedClock = clock.clone();
    let started = shared.now();
    let (salons, known) = (ids(&sandbox), BTreeMap::new());
    let gathering = gather(&client, &shared, &salons, february(), &known, AT_ONCE);
    let lines = turning(&clock, &service, gathering).await;
    let took = shared.now().since(started).as_secs_f64();
    // 200 calls a minute: what the service bears in the long run.
    let allowed = f64::from(SALONS) / (200.0 / 60.0);
    println!("{SALONS} salons in {took:.1} s of turned time; the limit allows {allowed:.1} s");
    assert_eq!((sandbox.refused_by_limits(), lines.iter().filter(|line| line.is_stale()).count()), (0, 0));
    tells_the_truth(&lines, &sandbox, &known);
    assert!(took <= allowed * 1.05, "{took} s instead of {allowed} s");
    assert!(took >= f64::from(SALONS - 10) / (200.0 / 60.0), "{took} s: the throttle did not hold");
}

#[tokio::test]
async fn with_a_third_of_the_calls_failing_every_salon_is_new_or_marked_stale_and_none_is_zero() {
    let (sandbox, clock) = sandbox(usize::from(SALONS)).await;
    sandbox.set_limits(Limits::default());
    let throttle = Throttle::new("yclients", &config::Config::default().services.yclients.quotas());
    let (client, service) = client(sandbox.url(), throttle, clock.clone());
    let shared: SharedClock = clock.clone();
    // What was known before: January's numbers would do as well as any others.
    let salons = ids(&sandbox);
    sandbox.set_limits(Limits::OFF);
    let (free, _) = crate::yclients::client(sandbox.url(), Throttle::new("yclients", &[]), clock.clone());
    let before =
        gather(&free, &shared, &salons[..usize::from(SALONS) - 20], january(), &BTreeMap::new(), AT_ONCE)
            .await;
    let known: BTreeMap<CompanyId, Known> =
        before.into_iter().filter_map(|line| Some((line.salon, line.numbers?))).collect();
    assert_eq!(known.len(), usize::from(SALONS) - 20, "of twenty nothing was known");
    // What was asked without limits would count for a minute.
    clock.turn(Duration::from_mins(1));
    sandbox.set_limits(Limits::default());

    sandbox.faults().seed(30);
    // Each strikes what those before it spared, so that three calls in ten fail, in equal parts.
    let rules = [
        (Fault::ServerError, 0.06),
        (Fault::BadGatewayHtml, 0.0638),
        (Fault::Reset, 0.0682),
        (Fault::CutJson, 0.0732),
        (Fault::EmptyBody, 0.0789),
    ];
    for (kind, chance) in rules {
        sandbox.faults().add(Rule { endpoint: Some(Endpoint::Overall), kind, often: Often::Chance(chance) });
    }
    let (calls_before, started) = (sandbox.calls(Endpoint::Overall), shared.now());
    let gathering = gather(&client, &shared, &salons, february(), &known, AT_ONCE);
    let lines = turning(&clock, &service, gathering).await;
    let calls = sandbox.calls(Endpoint::Overall) - calls_before;
    let took = shared.now().since(started).as_secs_f64();
    let stale = lines.iter().filter(|line| line.is_stale()).count();
    println!(
        "{SALONS} salons by {calls} calls, {} failed, in {took:.0} s of turned time; {stale} stale",
        sandbox.faults().struck()
    );
    assert!(sandbox.faults().struck() * 100 / calls >= 25, "the faults did not strike");
    assert!(
        (1..usize::from(SALONS) / 10).contains(&stale),
        "{stale}: three attempts out of ten fail three times in 37"
    );
    assert!(
        lines
            .iter()
            .filter(|line| line.is_stale())
            .all(|line| line.failure.as_ref().is_some_and(|why| why.kind() == Kind::Unavailable))
    );
    assert_eq!(sandbox.refused_by_limits(), 0);
    tells_the_truth(&lines, &sandbox, &known);
}

#[tokio::test]
async fn a_salon_closed_to_us_is_stale_and_the_others_are_not() {
    let (sandbox, clock) = sandbox(20).await;
    let (client, _) = client(sandbox.url(), Throttle::new("yclients", &[]), clock.clone());
    let shared: SharedClock = clock.clone();
    let salons = ids(&sandbox);
    sandbox.refuse(salons[3].0, Some(Refused::NoRight));
    let lines = gather(&client, &shared, &salons, february(), &BTreeMap::new(), AT_ONCE).await;
    let stale: Vec<usize> = (0..20).filter(|place| lines[*place].is_stale()).collect();
    assert_eq!((stale, &lines[3].numbers), (vec![3], &None), "no numbers are another thing than none earned");
    assert_eq!(lines[3].failure.as_ref().map(borodach::yclients::Error::kind), Some(Kind::Denied));
}

#[tokio::test]
async fn when_the_token_is_refused_nobody_else_is_asked() {
    let (sandbox, clock) = sandbox(usize::from(SALONS)).await;
    let (client, _) = client(sandbox.url(), Throttle::new("yclients", &[]), clock.clone());
    let shared: SharedClock = clock.clone();
    sandbox.know_user(false);
    let lines = gather(&client, &shared, &ids(&sandbox), february(), &BTreeMap::new(), AT_ONCE).await;
    assert!(
        lines
            .iter()
            .all(|line| line.failure.as_ref().is_some_and(borodach::yclients::Error::is_about_tokens))
    );
    let asked = sandbox.calls(Endpoint::Overall);
    assert!(asked <= u64::from(AT_ONCE.get()), "{asked} calls to hear the same");
}

#[tokio::test]
#[ignore = "measures real time"]
async fn at_a_raised_limit_the_gathering_keeps_up_in_real_time() {
    crate::crypto();
    let clock: SharedClock = Arc::new(SystemClock);
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    let network = Network::new(usize::from(SALONS), today(), 7);
    let sandbox = YClients::start(addr, network, clock.clone()).await.expect("loopback is free");
    sandbox.set_limits(Limits { per_second: Some(30), per_minute: Some(1200), ..Limits::default() });
    let settings = config::Yclients {
        api_url: sandbox.url(),
        partner_token: Some(YClients::PARTNER.into()),
        user_token: Some(YClients::USER.into()),
        ..config::Yclients::default()
    };
    // Six times the real limits.
    let limits = config::YclientsLimits {
        per_second: config::Limit::of(nonzero!(30_u32)),
        per_minute: config::Limit::of(nonzero!(1200_u32)),
    };
    let throttle = Throttle::new("yclients", &limits.quotas());
    let service = Service::new("yclients", policy(), throttle, BreakerSettings::default(), clock.clone());
    let http = http::client(&ClientSettings::default()).expect("the provider is installed");
    let client = Client::new(&settings, service, http, clock.clone());
    let salons = ids(&sandbox);
    let started = clock.now();
    let lines = gather(&client, &clock, &salons, february(), &BTreeMap::new(), AT_ONCE).await;
    let took = clock.now().since(started).as_secs_f64();
    let allowed = f64::from(SALONS) / (1200.0 / 60.0);
    println!(
        "{SALONS} salons in {took:.2} s; the limit allows {allowed:.2} s; {} refused",
        sandbox.refused_by_limits()
    );
    tells_the_truth(&lines, &sandbox, &BTreeMap::new());
    assert!(took <= allowed * 1.05, "{took} s instead of {allowed} s");
}
