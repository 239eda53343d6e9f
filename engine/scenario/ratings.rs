//! The numbers of the network, as a scenario gives them.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::people::{only, text};
use super::world::{Trouble, World, ZONE};
use crate::geography;
use crate::money::Kopecks;
use crate::ratings::{Month, order, shown};
use crate::store::rating::{Gathered, Loaded, Numbers};
use crate::store::salon::Salon;

const KNOWN: &[&str] = &[
    "shop",
    "title",
    "city",
    "active",
    "stale",
    "revenue",
    "services",
    "goods",
    "average",
    "completed",
    "visits",
    "new_clients",
    "returning_clients",
    "base",
    "return_share",
];

impl World {
    /// Gives a month its numbers, and places by the formula of the scripts. A month that is over is closed.
    pub async fn rating(&mut self, month: &str, rows: &[Value]) -> Result<(), Trouble> {
        let month: Month = month.parse().map_err(|_| format!("«{month}» — не месяц: нужно \"2026-11\""))?;
        let now = self.now();
        let there = DateTime::from_timestamp_millis(now.0).unwrap_or_default().with_timezone(&ZONE);
        let today = there.date_naive();
        let upto = month.last().min(today.pred_opt().unwrap_or(today)).max(month.first());
        let known = self.store().salons().await.map_err(|error| error.to_string())?;
        let (mut salons, mut loaded, mut stale) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let card = row.as_object().ok_or("строки рейтинга — карты #{ shop, title, revenue, … }")?;
            only("rating", card, KNOWN)?;
            let id = number(card, "shop")?.ok_or("у строки рейтинга нет поля shop — id барбершопа")?;
            let former = known.iter().map(|kept| &kept.salon).find(|salon| salon.id == id);
            salons.push(salon(id, card, former)?);
            loaded.push(Loaded { salon: id, upto, numbers: numbers(card)?, loaded_at: now });
            if card.get("stale") == Some(&Value::Bool(true)) {
                stale.push(id);
            }
        }
        let closed_at = (Month::of(today) > month).then_some(now);
        let count = salons.len() as u64;
        let gathered =
            Gathered { month, loaded_at: now, salons: count, failed: stale.len() as u64, closed_at };
        let store = self.store().clone();
        let write = async {
            store.put_salons(salons).await?;
            store.rate(month, loaded, stale).await?;
            store.rating(month).await
        };
        let rows = write.await.map_err(|error| error.to_string())?;
        let cards: Vec<Value> = rows.iter().map(|(row, salon)| shown(row, salon)).collect();
        let points = self.set().points(&cards)?;
        store.place(order(&rows, &points), gathered).await.map_err(|error| error.to_string())
    }
}

fn salon(id: i64, card: &Map<String, Value>, former: Option<&Salon>) -> Result<Salon, Trouble> {
    let title = match (text(card, "title")?, former) {
        (Some(title), _) => title,
        (None, Some(former)) => former.title.clone(),
        (None, None) => return Err(format!("барбершопа {id} ещё нет: добавьте ему title")),
    };
    let city = text(card, "city")?.or_else(|| former.and_then(|former| former.city.clone()));
    let place = geography::shipped().towns.place(&title, city.as_deref(), None);
    Ok(Salon {
        id,
        title,
        address: None,
        city: place.as_ref().map(|place| place.city.clone()),
        region: place.as_ref().and_then(|place| place.region.clone()),
        is_million: place.is_some_and(|place| place.is_million),
        is_active: card.get("active") != Some(&Value::Bool(false)),
    })
}

/// What a scenario does not tell follows from the revenue, so that a row may be short.
fn numbers(card: &Map<String, Value>) -> Result<Numbers, Trouble> {
    let count = |name: &str, or: u64| Ok::<_, Trouble>(number(card, name)?.map_or(or, i64::unsigned_abs));
    let revenue = number(card, "revenue")?.unwrap_or(0);
    let goods = number(card, "goods")?.unwrap_or(0);
    let completed = count("completed", revenue.unsigned_abs() / 150_000)?;
    let new_clients = count("new_clients", completed / 4)?;
    Ok(Numbers {
        revenue: Kopecks(revenue),
        services: Kopecks(number(card, "services")?.unwrap_or(revenue - goods)),
        goods: Kopecks(goods),
        average_check: Some(Kopecks(number(card, "average")?.unwrap_or(150_000))),
        completed,
        visits: count("visits", completed)?,
        new_clients,
        returning_clients: Some(count("returning_clients", completed - new_clients.min(completed))?),
        base: count("base", completed)?,
        return_share: Some(count("return_share", 75)?),
    })
}

fn number(card: &Map<String, Value>, key: &str) -> Result<Option<i64>, Trouble> {
    match card.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("поле {key} — целое число")),
    }
}
