//! Module `ratings`: the numbers of the network by month, as the nightly job has gathered them. Nothing here asks the
//! service, so all of it works while the service is away.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::network::own;
use super::{Action, Args, CallError, Caller, HostFn, Param, Right, Shape};
use crate::conversation::Host;
use crate::ratings::{Board, Month, Placed};
use crate::store::rating::{Average, Row, Scope};
use crate::store::salon::Salon;

const MONTH: Param = Param { name: "месяц", shape: Shape::Text, help: "ГГГГ-ММ" };
const SHOP: Param = Param { name: "барбершоп", shape: Shape::Int, help: "его id" };
const TOP: Param = Param {
    name: "top", shape: Shape::Int, help: "сколько первых мест показать всегда"
};
const AROUND: Param =
    Param {
        name: "around", shape: Shape::Int, help: "сколько соседей показать вокруг своих"
    };

/// The declarations of the module.
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "ratings",
            name: "months",
            returns: "список #{ month, from, to, is_closed, loaded_at }, новые впереди",
            help: "Месяцы, за которые есть рейтинг: этот и до двенадцати прошлых.",
            example: "for month in ratings::months() { log::info(month.month); }",
            right: Right::Partner,
            action: Action::Read(|host, _, _| months(host).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "ratings",
            name: "network",
            params: &[MONTH],
            options: &[TOP, AROUND],
            returns: "карта: month, from, to, is_closed, is_stale, loaded_at, has_before, count, rows или (), если рейтинга нет; строка — #{ place, shop, label, city, region, revenue, change, own, is_stale } или #{ gap: true }",
            help: "Рейтинг сети за месяц. С top и around — первые места и соседи своих барбершопов, пропуски — gap. Названия чужих барбершопов видит только офис. change — на сколько мест вверх; () — месяцем раньше места не было.",
            example: "let board = ratings::network(\"2026-10\", #{ top: 3, around: 2 });\nif board != () { for row in board.rows { if row.gap != true { log::info(`${row.place}`); } } }",
            right: Right::Partner,
            action: Action::Read(|host, caller, args| network(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "ratings",
            name: "place",
            params: &[SHOP, MONTH],
            returns: "#{ place, of, change, has_before } или (), если места нет",
            help: "Место барбершопа в рейтинге месяца; партнёр видит только свои.",
            example: "let found = ratings::place(partner.shops[0].id, \"2026-10\");\nif found != () { chat.say(`Место ${found.place} из ${found.of}`); }",
            right: Right::Partner,
            action: Action::Read(|host, caller, args| place(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "ratings",
            name: "history",
            params: &[SHOP],
            returns: "список карт, старые впереди: month, from, to, is_closed, is_stale, revenue, services, goods, average, completed, visits, new_clients, returning_clients, base, return_share, place, of и averages — карта с city, size, network: #{ salons, revenue, average, new_clients, returning_clients } или ()",
            help: "Барбершоп по месяцам рядом со средними: по его городу, по таким же городам (миллионники или остальные) и по сети; партнёр видит только свои.",
            example: "for month in ratings::history(partner.shops[0].id) { log::info(fmt::money(month.revenue)); }",
            right: Right::Partner,
            action: Action::Read(|host, caller, args| history(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
    ]
}

async fn months(host: &Host) -> Result<Value, CallError> {
    let (gathered, placed) = (host.store().gathered().await?, host.store().placed().await?);
    let shown = gathered.iter().filter(|gathered| placed.contains_key(&gathered.month)).map(|gathered| {
        json!({
            "month": gathered.month, "from": gathered.month.first(), "to": gathered.month.last(),
            "is_closed": gathered.closed_at.is_some(), "loaded_at": gathered.loaded_at,
        })
    });
    Ok(shown.collect())
}

async fn network(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let Some(board) = board(host, month(&args, 0)?).await? else { return Ok(Value::Null) };
    let own = own(host, &caller).await?;
    let is_own = |line: &Placed| own.iter().any(|own| own.id == line.salon);
    let count = |name: &str| args.option(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let shown = match (count("top"), count("around")) {
        (None, None) => board.lines.iter().map(Some).collect(),
        (top, around) => board.around(is_own, top.unwrap_or(0), around.unwrap_or(0)),
    };
    let row = |line: Option<&Placed>| match line {
        None => json!({ "gap": true }),
        Some(line) => {
            let is_own = is_own(line);
            // What a partner sees of others is where they are, not who.
            let label = (is_own || caller.is_staff).then_some(&line.title);
            json!({
                "place": line.place, "shop": line.salon, "label": label, "city": line.city, "region": line.region,
                "revenue": line.revenue, "change": line.change, "own": is_own, "is_stale": line.is_stale,
            })
        }
    };
    Ok(json!({
        "month": board.month, "from": board.month.first(), "to": board.upto, "is_closed": board.is_closed,
        "is_stale": board.is_stale, "loaded_at": board.loaded_at, "has_before": board.has_before,
        "count": board.lines.len(), "rows": shown.into_iter().map(row).collect::<Value>(),
    }))
}

async fn place(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let shop = shop(host, &caller, &args).await?;
    let Some(board) = board(host, month(&args, 1)?).await? else { return Ok(Value::Null) };
    let found = board.lines.iter().find(|line| line.salon == shop);
    Ok(found.map_or(Value::Null, |line| {
        json!({
            "place": line.place, "of": board.lines.len(), "change": line.change, "has_before": board.has_before,
        })
    }))
}

async fn history(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let shop = shop(host, &caller, &args).await?;
    let store = host.store();
    let salons = store.salons().await?;
    let Some(salon) = salons.into_iter().map(|kept| kept.salon).find(|salon| salon.id == shop) else {
        return Ok(json!([]));
    };
    let rows = store.ratings_of(shop).await?;
    let placed = store.placed().await?;
    let closed: Vec<Month> =
        store.gathered().await?.iter().filter(|g| g.closed_at.is_some()).map(|g| g.month).collect();
    let averages = Averages::of(host, &salon).await?;
    let shown = rows.iter().map(|row| {
        let mut card = figures(row);
        card["is_closed"] = closed.contains(&row.month).into();
        card["of"] = json!(placed.get(&row.month));
        card["averages"] = averages.in_month(row.month);
        card
    });
    Ok(shown.collect())
}

/// The averages beside which a salon is shown.
struct Averages {
    city: Vec<Average>,
    size: Vec<Average>,
    network: Vec<Average>,
}

impl Averages {
    async fn of(host: &Host, salon: &Salon) -> Result<Averages, CallError> {
        let store = host.store();
        let city = match &salon.city {
            Some(city) => store.averages(&Scope::City(city.clone())).await?,
            None => Vec::new(),
        };
        let size = store.averages(&Scope::Size { is_million: salon.is_million }).await?;
        Ok(Averages { city, size, network: store.averages(&Scope::Network).await? })
    }

    fn in_month(&self, month: Month) -> Value {
        let find = |all: &[Average]| all.iter().find(|average| average.month == month).map(average_card);
        json!({ "city": find(&self.city), "size": find(&self.size), "network": find(&self.network) })
    }
}

fn average_card(average: &Average) -> Value {
    json!({
        "salons": average.salons, "revenue": average.revenue, "average": average.average_check,
        "new_clients": average.new_clients, "returning_clients": average.returning_clients,
    })
}

fn figures(row: &Row) -> Value {
    let numbers = &row.numbers;
    json!({
        "month": row.month, "from": row.month.first(), "to": row.upto, "is_stale": row.is_stale,
        "revenue": numbers.revenue, "services": numbers.services, "goods": numbers.goods,
        "average": numbers.average_check, "completed": numbers.completed, "visits": numbers.visits,
        "new_clients": numbers.new_clients, "returning_clients": numbers.returning_clients, "base": numbers.base,
        "return_share": numbers.return_share, "place": row.place,
    })
}

async fn board(host: &Host, month: Month) -> Result<Option<Board>, CallError> {
    let load = async { Board::of(host.store(), month).await };
    let kept = host.cached(&host.cache().queries().rating, &month.to_string(), load).await?;
    Ok(kept.value)
}

fn month(args: &Args, index: usize) -> Result<Month, CallError> {
    let text = args.str(index);
    text.parse().map_err(|_| CallError::Invalid(format!("месяц пишется ГГГГ-ММ, а не «{text}»")))
}

/// The shop of the first argument. Errors: it is not the caller's.
async fn shop(host: &Host, caller: &Caller, args: &Args) -> Result<i64, CallError> {
    let shop = args.int(0);
    if caller.is_staff || own(host, caller).await?.iter().any(|own| own.id == shop) {
        return Ok(shop);
    }
    Err(CallError::Denied("это не ваш барбершоп".to_owned()))
}
