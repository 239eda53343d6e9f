//! Module `helper`: a language model that puts into words what it is given.

use std::time::Duration;

use chrono::{DateTime, Days, TimeZone as _, Utc};
use chrono_tz::Europe::Moscow;
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, Done, HostFn, Outside, Param, Right, Shape};
use crate::clock::Timestamp;
use crate::conversation::Host;
use crate::helper::Answer;
use crate::http::Kind;
use crate::telegram::html;

const SERVICE: &str = "helper";
const QUESTION: Param =
    Param { name: "вопрос", shape: Shape::Text, help: "слова человека" };
const CONTEXT: Param = Param {
    name: "известное",
    shape: Shape::Text,
    help: "всё, что модель узнает: цифры, как их написал бы бот. Имён и телефонов сюда не кладите",
};

/// The declarations of the module.
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "helper",
            name: "is_on",
            returns: "true, если модель подключена (helper.endpoint в config.yaml)",
            help: "Есть ли у помощника языковая модель.",
            action: Action::Read(|host, _, _| {
                async move { Ok(json!(host.world().helper.is_some())) }.boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "helper",
            name: "answer",
            params: &[QUESTION, CONTEXT],
            returns: "карта: known, text; known — false, если модель не знает или назвала цифры, которых ей не давали",
            help: "Отвечает на вопрос только по тому, что известно; каждая цифра ответа сверяется с известным. Вопросов в день — не больше, чем в настройках.",
            example: "let answer = helper::answer(\"Сколько у меня визитов?\", \"Визитов за ноябрь: 160\");\nchat.say(if answer.known { answer.text } else { \"Этого я не знаю.\" });",
            right: Right::Partner,
            outside: Some(Outside {
                service: SERVICE,
                scope: "",
                timeout: Duration::from_mins(1),
                fresh: None,
                stand_in: |_| json!({ "known": false, "text": "" }),
                done: Done::Plain,
                means: |_| Value::Null,
            }),
            action: Action::Read(|host, caller, args| answer(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
    ]
}

async fn answer(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let client = host.world().helper.as_ref().ok_or_else(|| CallError::not_configured(SERVICE))?;
    if let Some(most) = client.questions_per_day() {
        let (day, tomorrow) = today(caller.now);
        // Counted before it is asked: what is paid for must not come free by an answer that is lost.
        if !host.store().count_question(caller.user, day, i64::from(most)).await? {
            return Err(CallError::Failed {
                kind: Kind::Limit,
                service: SERVICE,
                message: format!("вопросов за день уже {most}"),
                retry_after: Some(tomorrow.since(caller.now)),
            });
        }
    }
    let plain = |place: usize| html::plain(&args.html(place));
    Ok(match client.answer(&plain(0), &plain(1)).await? {
        Answer::Known(text) => json!({ "known": true, "text": text }),
        Answer::Unknown => json!({ "known": false, "text": "" }),
        Answer::Invented(figures) => {
            metrics::counter!("helper_invented_total").increment(1);
            tracing::warn!("the helper's model named {} figures that it was not given", figures.len());
            json!({ "known": false, "text": "" })
        }
    })
}

/// The office's day, and when the next one begins.
fn today(now: Timestamp) -> (String, Timestamp) {
    let day =
        DateTime::<Utc>::from_timestamp_millis(now.0).unwrap_or_default().with_timezone(&Moscow).date_naive();
    let midnight = (day + Days::new(1)).and_time(chrono::NaiveTime::MIN);
    let tomorrow = Moscow.from_local_datetime(&midnight).earliest();
    (day.to_string(), tomorrow.map_or(now, |moment| Timestamp(moment.timestamp_millis())))
}
