//! Errors are reported to Sentry when `SENTRY_DSN` names one, without anything personal.
//!
//! What the log calls an error becomes an event, what it tells before that its breadcrumbs, and a tenth of the calls
//! to services its traces. The host's own words are Latin; whatever is Cyrillic was written by somebody, and is left
//! out together with long numbers (phones, people's ids), addresses of mail and every secret.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use sentry::integrations::tracing::{BreadcrumbLayer, ErrorLayer, SpanLayer};
use sentry::protocol::{Breadcrumb, Context, Event};
use serde_json::Value;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Environment;
use crate::http::Mask;

/// Reports until it is dropped; then what is not sent yet is sent, for two seconds at most.
pub struct Reporting {
    _guard: sentry::ClientInitGuard,
}

/// Why nothing can be reported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The value is not shown: it holds a key.
    #[error(
        "SENTRY_DSN is not like `https://KEY@HOST/PROJECT`; copy it from the project's settings, or unset it"
    )]
    Dsn,
}

/// The share of calls that are traced.
const TRACES: f32 = 0.1;

/// What stands in place of somebody's words, of a long number, and of an address of mail.
const TEXT: &str = "[text]";
const NUMBER: &str = "[number]";
const MAIL: &str = "[mail]";

/// Numbers of so many digits may be somebody's: a phone, an id.
const LONG: usize = 9;

impl Reporting {
    /// Begins to report. To be called before the threads are started, with a TLS provider installed.
    /// Errors: [`Error::Dsn`].
    pub fn start(dsn: &SecretString, environment: Environment, mask: Mask) -> Result<Reporting, Error> {
        let dsn: sentry::types::Dsn = dsn.expose_secret().parse().map_err(|_| Error::Dsn)?;
        let environment = match environment {
            Environment::Production => "production",
            Environment::Development => "development",
        };
        let mask = Arc::new(mask);
        let crumbs = Arc::clone(&mask);
        let mut options = sentry::ClientOptions::new()
            .release(concat!("borodach@", env!("CARGO_PKG_VERSION")))
            .environment(environment)
            // The name of the machine is nobody's business.
            .server_name("borodach")
            .send_default_pii(false)
            .traces_sample_rate(TRACES)
            .before_breadcrumb(move |mut crumb: Breadcrumb| {
                crumb_without_people(&crumbs, &mut crumb);
                Some(crumb)
            })
            .before_send(move |event| Some(without_people(&mask, event)));
        options.dsn = Some(dsn);
        Ok(Reporting { _guard: sentry::init(options) })
    }
}

/// What goes from the log to Sentry: errors, what was told before them, and calls to services.
pub fn layers<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_call = |metadata: &Metadata<'_>| metadata.is_span() && metadata.name() == "api_call";
    let is_crumb = |metadata: &Metadata<'_>| {
        metadata.is_event() && matches!(*metadata.level(), Level::INFO | Level::WARN)
    };
    let is_error = |metadata: &Metadata<'_>| metadata.is_event() && *metadata.level() == Level::ERROR;
    SpanLayer::new()
        .with_filter(filter_fn(is_call))
        .and_then(BreadcrumbLayer::new().with_filter(filter_fn(is_crumb)))
        .and_then(ErrorLayer::new().with_filter(filter_fn(is_error)))
}

/// Takes everything personal out of an event.
fn without_people(mask: &Mask, mut event: Event<'static>) -> Event<'static> {
    event.user = None;
    event.request = None;
    let texts = [&mut event.message, &mut event.culprit, &mut event.transaction];
    texts.into_iter().flatten().for_each(|text| *text = clean(mask, text));
    if let Some(entry) = &mut event.logentry {
        entry.message = clean(mask, &entry.message);
        entry.params.iter_mut().for_each(|value| clean_value(mask, value));
    }
    let errors = event.exception.values.iter_mut().filter_map(|exception| exception.value.as_mut());
    errors.for_each(|text| *text = clean(mask, text));
    event.breadcrumbs.values.iter_mut().for_each(|crumb| crumb_without_people(mask, crumb));
    event.tags.values_mut().for_each(|text| *text = clean(mask, text));
    event.extra.values_mut().for_each(|value| clean_value(mask, value));
    let others = event.contexts.values_mut().filter_map(|context| match context {
        Context::Other(fields) => Some(fields),
        _ => None,
    });
    others.flat_map(|fields| fields.values_mut()).for_each(|value| clean_value(mask, value));
    event
}

fn crumb_without_people(mask: &Mask, crumb: &mut Breadcrumb) {
    if let Some(text) = &mut crumb.message {
        *text = clean(mask, text);
    }
    crumb.data.values_mut().for_each(|value| clean_value(mask, value));
}

fn clean_value(mask: &Mask, value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(mask, text),
        Value::Number(number) if number.to_string().bytes().filter(u8::is_ascii_digit).count() >= LONG => {
            *value = NUMBER.into();
        }
        Value::Array(values) => values.iter_mut().for_each(|value| clean_value(mask, value)),
        Value::Object(fields) => fields.values_mut().for_each(|value| clean_value(mask, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text without secrets, words of people, long numbers and addresses of mail.
fn clean(mask: &Mask, text: &str) -> String {
    let masked = mask.text(text);
    let words = masked.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        let is_mail = bare.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if is_mail { format!("{MAIL}{}", &word[bare.len()..]) } else { word.to_owned() }
    });
    let words: String = words.collect();
    let is_theirs = |c: char| matches!(c, '\u{400}'..='\u{52f}');
    let without_words = replace(&words, TEXT, is_theirs, |c| !c.is_alphanumeric(), 1);
    // A phone is written with spaces, brackets and dashes inside.
    replace(
        &without_words,
        NUMBER,
        |c| c.is_ascii_digit(),
        |c| matches!(c, ' ' | '-' | '(' | ')' | '\u{a0}'),
        LONG,
    )
}

/// Puts `sign` in place of each stretch that begins and ends with characters that are `theirs`, holds at least
/// `least` of them, and nothing besides but what may stand `between` them.
fn replace(
    text: &str,
    sign: &str,
    theirs: impl Fn(char) -> bool,
    between: impl Fn(char) -> bool,
    least: usize,
) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&theirs) {
        let (before, stretch) = rest.split_at(start);
        let end = stretch.find(|c| !theirs(c) && !between(c)).unwrap_or(stretch.len());
        let end = stretch[..end]
            .rfind(&theirs)
            .map_or(end, |last| last + stretch[last..].chars().next().map_or(0, char::len_utf8));
        shown.push_str(before);
        let count = stretch[..end].chars().filter(|c| theirs(*c)).count();
        shown.push_str(if count >= least { sign } else { &stretch[..end] });
        rest = &stretch[end..];
    }
    shown + rest
}
