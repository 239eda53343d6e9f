//! The numbers: `/company/{id}/analytics/overall` and its charts.

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::YClients;
use super::refusal::Refusal;
use super::server::{Params, envelope, json};
use crate::money::Kopecks;
use crate::sandbox::network::{Day, Salon, Totals};

/// The longest period it counts.
const LONGEST: i64 = 365;

impl YClients {
    pub(super) fn overall(&self, id: &str, params: &Params) -> Result<Response, Refusal> {
        let salon = self.salon(id)?;
        let (from, to) = days(params)?;
        let span = Days::new(to.signed_duration_since(from).num_days().unsigned_abs() + 1);
        let now = self.0.network.totals(salon, from, to);
        let before = self.0.network.totals(salon, from - span, from - Days::new(1));
        Ok(envelope(&self.blocks(&now, &before), &json!([])))
    }

    pub(super) fn chart(&self, id: &str, name: &str, params: &Params) -> Result<Response, Refusal> {
        let salon = self.salon(id)?;
        let (from, to) = days(params)?;
        let line = |label: &str, slug: Option<&str>, of: &dyn Fn(&Day) -> Value| {
            self.line(salon, (from, to), label, slug, of)
        };
        let sum = self.0.network.totals(salon, from, to).sum;
        let chart = match name {
            "income_daily" => json!([
                line("Выручка", Some("income_total"), &|day| number(day.income())),
                line("Услуги", Some("income_services"), &|day| number(day.services)),
                line("Товары", Some("income_goods"), &|day| number(day.goods)),
            ]),
            "records_daily" => json!([
                line("Всего записей", None, &|day| json!(day.records())),
                line("Онлайн-записи", None, &|day| json!(day.online)),
                line("Новые клиенты", None, &|day| json!(day.new_clients)),
            ]),
            "fullness_daily" => json!([
                line("Заполненность", Some("fullness_spent"), &|day| percent(
                    day.minutes_taken,
                    day.minutes
                )),
                line("Неявки", Some("fullness_no_show"), &|day| percent(day.minutes_lost, day.minutes)),
            ]),
            "clients_daily" => json!([
                line("Клиенты", Some("clients_total"), &|day| json!(day.completed)),
                line("Новые", Some("clients_new"), &|day| json!(day.new_clients)),
                line("Повторные", Some("clients_returned"), &|day| json!(
                    day.completed - day.new_clients
                )),
            ]),
            "record_source" => json!([
                {"label": "Виджет", "data": sum.online},
                {"label": "Администратор", "data": sum.records() - sum.online},
            ]),
            "record_status" => json!([
                {"label": "Пришёл", "data": sum.completed},
                {"label": "Ожидание", "data": sum.pending},
                {"label": "Отменено", "data": sum.canceled},
            ]),
            _ => return Err(Refusal::not_found()),
        };
        Ok(json(StatusCode::OK, &chart))
    }

    fn line(
        &self,
        salon: &Salon,
        (from, to): (NaiveDate, NaiveDate),
        label: &str,
        slug: Option<&str>,
        of: &dyn Fn(&Day) -> Value,
    ) -> Value {
        let oddities = self.oddities();
        let days = from.iter_days().take_while(|date| *date <= to);
        let points = days.map(|date| {
            let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
            let at = if oddities.iso_charts {
                json!(format!("{date}T00:00:00+03:00"))
            } else {
                json!(midnight.timestamp_millis())
            };
            json!([at, of(&self.0.network.day(salon, date))])
        });
        let mut line = json!({"label": label, "data": points.collect::<Vec<_>>()});
        if let Some(slug) = slug.filter(|_| !oddities.no_slugs) {
            line["slug"] = json!(slug);
        }
        line
    }

    fn blocks(&self, now: &Totals, before: &Totals) -> Value {
        let oddities = self.oddities();
        let change = |now: i64, before: i64| change(now, before, oddities.null_for_no_change);
        let currency = if oddities.lists_for_maps {
            json!([])
        } else {
            json!({"id": 1, "iso": "RUB", "name": "Российский рубль", "symbol": "₽", "is_symbol_after_amount": true})
        };
        let sum = |money: Kopecks| match (oddities.money_as_numbers, oddities.spaced_sums) {
            (true, _) => number(money),
            (false, true) => json!(spaced(money)),
            (false, false) => json!(plain(money)),
        };
        let money = |now: Kopecks, before: Kopecks| {
            json!({
                "current_sum": sum(now), "previous_sum": sum(before),
                "change_percent": change(now.0, before.0), "currency": currency,
            })
        };
        let fullness = |totals: &Totals| i64::try_from(totals.fullness_tenths).unwrap_or(0);
        let count = |records: u64| i64::try_from(records).unwrap_or(0);
        let (day, earlier) = (&now.sum, &before.sum);
        let active = now.new_clients + now.returned;
        let records = |part: u64| share(part, day.records());
        json!({
            "income_total_stats": money(day.income(), earlier.income()),
            "income_services_stats": money(day.services, earlier.services),
            "income_goods_stats": money(day.goods, earlier.goods),
            "income_average_stats": money(now.average, before.average),
            "income_average_services_stats": money(now.average_services, before.average_services),
            "fullness_stats": {
                "current_percent": tenths(now.fullness_tenths),
                "previous_percent": tenths(before.fullness_tenths),
                "change_percent": change(fullness(now), fullness(before)),
            },
            "record_stats": {
                "current_completed_count": day.completed, "current_completed_percent": records(day.completed),
                "current_pending_count": day.pending, "current_pending_percent": records(day.pending),
                "current_canceled_count": day.canceled, "current_canceled_percent": records(day.canceled),
                "current_total_count": day.records(), "previous_total_count": earlier.records(),
                "change_percent": change(count(day.records()), count(earlier.records())),
            },
            "client_stats": {
                "total_count": now.clients,
                "new_count": now.new_clients, "new_percent": share(now.new_clients, active).unwrap_or(0),
                "return_count": now.returned, "return_percent": share(now.returned, active).unwrap_or(0),
                "active_count": active,
                "lost_count": now.lost, "lost_percent": share(now.lost, now.clients).unwrap_or(0),
            },
        })
    }
}

/// The days asked for. Errors: 422 when they are none, or too many.
pub(super) fn days(params: &Params) -> Result<(NaiveDate, NaiveDate), Refusal> {
    let day = |name: &str| {
        let date = params.get(name).and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok());
        date.ok_or_else(|| Refusal::invalid(name, "The date is missing or has another form than Y-m-d"))
    };
    let (from, to) = (day("date_from")?, day("date_to")?);
    if from > to {
        return Err(Refusal::invalid("date_to", "The end is before the beginning"));
    }
    if to.signed_duration_since(from).num_days() >= LONGEST {
        return Err(Refusal::invalid("date_to", "The maximum interval is 365 days"));
    }
    Ok((from, to))
}

/// In percent, cut toward zero; nothing when there was nothing before.
fn change(now: i64, before: i64, null_for_no_change: bool) -> Option<i64> {
    if now == 0 && before == 0 {
        return (!null_for_no_change).then_some(0);
    }
    let percent = (i128::from(now) - i128::from(before)) * 100;
    percent.checked_div(i128::from(before)).and_then(|percent| i64::try_from(percent).ok())
}

/// In percent, rounded; nothing when there is no whole.
fn share(part: u64, whole: u64) -> Option<u64> {
    (part * 200 + whole).checked_div(whole * 2)
}

/// `2161.51`, `338.1`, `0`: a point, and no zeros at the end.
fn plain(money: Kopecks) -> String {
    let text = money.to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 434 750,5` with spaces that do not break.
fn spaced(money: Kopecks) -> String {
    let text = plain(money);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped},{fraction}") }
}

/// The amount as a number of JSON.
pub(super) fn number(money: Kopecks) -> Value {
    serde_json::from_str(&plain(money)).unwrap_or(Value::Null)
}

fn percent(part: u64, whole: u64) -> Value {
    tenths((part * 1000).checked_div(whole).unwrap_or(0))
}

/// 61.3, and 58 rather than 58.0.
fn tenths(tenths: u64) -> Value {
    if tenths.is_multiple_of(10) {
        return json!(tenths / 10);
    }
    serde_json::from_str(&format!("{}.{}", tenths / 10, tenths % 10)).unwrap_or(Value::Null)
}
