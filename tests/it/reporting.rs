//! What Sentry gets to know: the error, its breadcrumbs, and nothing of people.

use std::sync::mpsc;

use borodach::config::Environment;
use borodach::http::Mask;
use borodach::reporting::{Error, Reporting, layers};
use tracing_subscriber::layer::SubscriberExt as _;

/// Calls to services, of which a tenth are traced: that none is, or a third, happens once in a billion runs.
const CALLS: usize = 200;

/// A stand-in that keeps the envelopes it receives.
fn sentry() -> (std::net::SocketAddr, mpsc::Receiver<String>) {
    let (kept, envelopes) = mpsc::channel();
    let (tell, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("threads are to be had").block_on(async move {
            let keep = async move |body: String| {
                // The test may be over.
                let _ = kept.send(body);
                "{}"
            };
            let router = axum::Router::new().route("/api/42/envelope/", axum::routing::post(keep));
            let listener =
                tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
            tell.send(listener.local_addr().expect("it is bound")).expect("the test waits");
            axum::serve(listener, router).await.expect("it serves until the end");
        });
    });
    (address.recv().expect("it starts"), envelopes)
}

#[test]
fn an_error_reaches_sentry_without_anything_personal() {
    crate::crypto();
    let (address, envelopes) = sentry();
    let dsn = format!("http://made-up-key@{address}/42").into();
    let mask = Mask::new(["1000000002:made-up-token".to_owned().into()]);
    let reporting = Reporting::start(&dsn, Environment::Production, mask).expect("the address is right");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layers()), || {
        tracing::debug!("nobody needs to know this");
        tracing::info!(chat.id = 5_000_000_501_i64, "chat 5000000501 began registration");
        tracing::error!(
            phone = "+7 (999) 000-00-01",
            mail = "anna@example.org",
            case.number = 7,
            "message 12-1 failed: `Петрова Анна, ул. Ленина` was refused at /bot1000000002:made-up-token/SendMessage"
        );
        for attempt in 0..CALLS {
            drop(
                tracing::info_span!("api_call", service = "bitrix24", endpoint = "task.add", attempt)
                    .entered(),
            );
            drop(tracing::info_span!("turn", chat.id = 5_000_000_501_i64).entered());
        }
    });
    drop(reporting);
    let envelopes: Vec<String> = envelopes.try_iter().collect();
    let parts = envelopes.iter().flat_map(|envelope| envelope.lines());
    let parts: Vec<serde_json::Value> = parts.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let traces: Vec<_> = parts.iter().filter(|part| part.get("transaction").is_some()).collect();
    assert!(traces.iter().all(|trace| trace["transaction"] == "api_call"), "{traces:#?}");
    assert!((1..CALLS / 3).contains(&traces.len()), "a tenth of {CALLS} calls are {}", traces.len());
    let event = parts.iter().find(|part| part.get("message").is_some());
    let event = event.unwrap_or_else(|| panic!("no event in {envelopes:#?}"));
    insta::assert_snapshot!(event["message"].as_str().unwrap_or_default(), @"message 12-1 failed: `[text]` was refused at /bot[hidden]/SendMessage");
    assert_eq!(event.get("level"), None, "an error, which Sentry takes for granted");
    assert_eq!(event["release"], concat!("borodach@", env!("CARGO_PKG_VERSION")));
    assert_eq!((&event["environment"], &event["server_name"]), (&"production".into(), &"borodach".into()));
    let fields = &event["contexts"]["Rust Tracing Fields"];
    assert_eq!(fields["phone"], "+[number]", "{fields:#}");
    assert_eq!((&fields["mail"], &fields["case.number"]), (&"[mail]".into(), &7.into()));
    let crumbs = event["breadcrumbs"]["values"].as_array().expect("a list");
    assert_eq!(crumbs.len(), 1, "{crumbs:#?}");
    assert_eq!(crumbs[0]["message"], "chat [number] began registration");
    for personal in ["000-00-01", "5000000501", "Анна", "Ленина", "anna@", "made-up-token"] {
        assert!(!event.to_string().contains(personal), "{personal}: {event:#}");
    }
}

#[test]
fn a_bad_address_is_refused_without_being_shown() {
    let error = Reporting::start(&"http://hush".to_owned().into(), Environment::Production, Mask::default());
    let Err(error @ Error::Dsn) = error else { panic!("it must be refused") };
    insta::assert_snapshot!(error, @"SENTRY_DSN is not like `https://KEY@HOST/PROJECT`; copy it from the project's settings, or unset it");
}
