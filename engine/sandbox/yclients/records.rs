//! Visits one by one: `/records/{id}`.

use axum::response::Response;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Value, json};

use super::YClients;
use super::refusal::Refusal;
use super::server::{Params, envelope};
use crate::sandbox::network::{Day, Salon};

/// No page is longer, whatever is asked for.
const MOST: usize = 300;

impl YClients {
    /// Without days everything there is would come; the real service gives a month.
    pub(super) fn records(&self, id: &str, params: &Params) -> Result<Response, Refusal> {
        let salon = self.salon(id)?;
        let day = |name: &str, usual: NaiveDate| match params.get(name) {
            None => Ok(usual),
            Some(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map_err(|_| Refusal::invalid(name, "The date has another form than Y-m-d")),
        };
        let today = self.0.network.today();
        let (from, to) = (day("start_date", today - TimeDelta::days(30))?, day("end_date", today)?);
        let rows: Vec<(NaiveDate, u64, Day)> = from
            .iter_days()
            .take_while(|date| *date <= to)
            .flat_map(|date| {
                let day = self.0.network.day(salon, date);
                (0..day.records()).map(move |number| (date, number, day))
            })
            .collect();
        let page = params.page(&rows, 25, MOST);
        let data: Vec<Value> =
            page.iter().map(|(date, number, day)| self.record(salon, *date, *number, day)).collect();
        let meta = json!({"page": params.number("page").unwrap_or(1), "total_count": rows.len()});
        Ok(envelope(&json!(data), &meta))
    }

    fn record(&self, salon: &Salon, date: NaiveDate, number: u64, day: &Day) -> Value {
        let chairs = u64::from(salon.chairs);
        let minutes = i64::try_from(number / chairs * 55).unwrap_or(0);
        let opening = date.and_time(NaiveTime::from_hms_opt(10, 0, 0).unwrap_or_default());
        let at = opening + TimeDelta::minutes(minutes);
        let attendance = match number {
            number if number < day.completed => 1,
            number if number < day.completed + day.pending => {
                if number.is_multiple_of(2) {
                    2
                } else {
                    0
                }
            }
            _ => -1,
        };
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        let id = (days * 1000 + i64::try_from(number).unwrap_or(0)) * 1000 + salon.id % 1000;
        let cost =
            day.services.0.checked_div(i64::try_from(day.completed).unwrap_or(0)).unwrap_or(0) / 1000 * 10;
        let is_new = number < day.new_clients;
        let client = match number % 7 {
            // A visit may be without a client, which is told in two ways.
            5 if self.oddities().lists_for_maps => json!([]),
            5 => Value::Null,
            _ => json!({
                "id": id % 100_000, "name": "Иван", "surname": "", "patronymic": "", "phone": "", "email": "",
                "success_visits_count": if is_new { 0 } else { 4 }, "fail_visits_count": 0, "discount": 0,
                "is_new": is_new, "custom_fields": [], "client_tags": [],
            }),
        };
        let staff = salon.id % 1000 * 10 + i64::try_from(number % chairs).unwrap_or(0);
        json!({
            "id": id,
            "company_id": salon.id,
            "staff_id": if number.is_multiple_of(2) { json!(staff) } else { json!(staff.to_string()) },
            "services": [{
                "id": 9001, "title": "Мужская стрижка", "cost": cost, "cost_to_pay": cost * 9 / 10,
                "manual_cost": cost * 9 / 10, "cost_per_unit": cost, "discount": 10, "first_cost": cost, "amount": 1,
            }],
            "goods_transactions": [],
            "staff": {"id": staff, "name": "Тимур", "specialization": "Барбер", "position": []},
            "client": client,
            "comer": null,
            "clients_count": 1,
            "date": at.format("%Y-%m-%d %H:%M:%S").to_string(),
            // The offset is Moscow's, wherever the salon is: such answers have been seen.
            "datetime": format!("{}+03:00", at.format("%Y-%m-%dT%H:%M:%S")),
            "create_date": format!("{}+0300", (at - TimeDelta::days(2)).format("%Y-%m-%dT%H:%M:%S")),
            "last_change_date": format!("{}+0300", at.format("%Y-%m-%dT%H:%M:%S")),
            "comment": "",
            "online": number < day.online,
            "attendance": attendance,
            "visit_attendance": attendance,
            "confirmed": 1,
            "seance_length": 3300,
            "length": 3300,
            "visit_id": if number.is_multiple_of(3) { json!(id.to_string()) } else { json!(id) },
            "created_user_id": 0,
            "deleted": false,
            "paid_full": i32::from(attendance == 1),
            "prepaid": false,
            "record_labels": [],
            "activity_id": 0,
            "documents": [],
        })
    }
}
