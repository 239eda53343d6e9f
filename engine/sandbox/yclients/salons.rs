//! Who the salons are: `/groups`, `/companies`, `/company/{id}`.

use axum::response::Response;
use serde_json::{Value, json};

use super::YClients;
use super::refusal::Refusal;
use super::server::{Params, envelope};
use crate::sandbox::lock;
use crate::sandbox::network::{Network, Salon};

/// Salons of somebody else's chain, which this user sees as well.
const STRANGERS: [(i64, &str); 2] =
    [(800_001, "Салон красоты «Лилия», Тверь"), (800_002, "Лилия на Садовой")];

impl YClients {
    pub(super) fn groups(&self) -> Result<Response, Refusal> {
        if self.oddities().no_groups {
            return Err(Refusal::new(403, "Недостаточно прав"));
        }
        let strangers: Vec<Value> =
            STRANGERS.iter().map(|(id, title)| json!({"id": id, "title": title})).collect();
        let ours: Vec<Value> =
            self.listed().map(|salon| json!({"id": salon.id, "title": salon.title})).collect();
        let access = json!({
            "settings_access": "1", "clients_access": "1", "users_access": "0", "loyalty_access": "1",
            "loyalty_cards_manual_transactions_access": "1", "network_services_access": "1",
        });
        let data = json!([
            {"id": YClients::OTHER_CHAIN, "title": "Лилия", "companies": strangers, "access": access},
            {"id": Network::CHAIN, "title": "BORODACH", "companies": ours, "access": access},
        ]);
        Ok(envelope(&data, &json!([])))
    }

    pub(super) fn companies(&self, params: &Params) -> Response {
        let chain = params.number("group_id").filter(|_| !self.oddities().filter_ignored);
        let is_active = params.get("active") == Some("1");
        let strangers = STRANGERS.iter().map(|(id, title)| json!({"id": id, "title": title, "active": "1"}));
        let ours =
            self.listed().filter(|salon| !is_active || self.is_open(salon)).map(|salon| self.card(salon));
        let rows: Vec<Value> = match chain {
            None => strangers.chain(ours).collect(),
            Some(YClients::OTHER_CHAIN) => strangers.collect(),
            Some(Network::CHAIN) => ours.collect(),
            Some(_) => Vec::new(),
        };
        envelope(&json!(params.page(&rows, 200, 300)), &json!([]))
    }

    pub(super) fn company(&self, id: &str) -> Result<Response, Refusal> {
        let salon = self.salon(id).map_err(|_| Refusal::old(404, "Филиал не найден."))?;
        let mut card = self.card(salon);
        card["zip"] = json!("");
        card["site"] = json!("");
        card["social"] = json!([]);
        card["schedule"] = json!("10:00-22:00");
        card["main_group_id"] = json!(Network::CHAIN.to_string());
        card["main_group"] = if self.oddities().lists_for_maps {
            json!([])
        } else {
            json!({"id": Network::CHAIN, "title": "BORODACH"})
        };
        card["bookforms"] = json!([]);
        Ok(envelope(&card, &json!([])))
    }

    /// The salon of a path. Errors: no number, or none of ours.
    pub(super) fn salon(&self, id: &str) -> Result<&Salon, Refusal> {
        let found = id.parse().ok().and_then(|id| self.0.network.salon(id));
        let found = found.filter(|salon| !lock(&self.0.hidden).contains(&salon.id));
        found.ok_or_else(|| Refusal::new(404, "Не найдено"))
    }

    fn listed(&self) -> impl Iterator<Item = &Salon> {
        let hidden = lock(&self.0.hidden).clone();
        self.0.network.salons().iter().filter(move |salon| !hidden.contains(&salon.id))
    }

    fn is_open(&self, salon: &Salon) -> bool {
        salon.closed.is_none_or(|last| last >= self.0.network.today())
    }

    /// The id is text in every second card, and the degrees are one of each.
    fn card(&self, salon: &Salon) -> Value {
        let id = if salon.id % 2 == 0 { json!(salon.id.to_string()) } else { json!(salon.id) };
        json!({
            "id": id,
            "title": salon.title,
            "public_title": "BORODACH",
            "short_descr": "",
            "logo": "https://assets.example/logo.png",
            "active": if self.is_open(salon) { json!("1") } else { json!(0) },
            "phone": format!("+7 900 {:03}-00-00", salon.id % 1000),
            "phones": [],
            "email": "",
            "country_id": 1,
            "country": "Россия",
            "city_id": salon.city.chars().count(),
            "city": salon.city,
            "timezone": 3,
            "timezone_name": salon.zone,
            "address": salon.address,
            "coordinate_lat": salon.place.0.to_string(),
            "coordinate_lon": salon.place.1,
            "phone_confirmation": false,
            "active_staff_count": salon.chairs + 1,
            "currency_short_title": "₽",
            "group_priority": 900,
            "app_ios": "",
            "app_android": "",
        })
    }
}
