//! What people ask of the head office, and who decided how: registrations and further barbershops.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::change::Effect;
use super::database::{Arg, Pool, words};
use super::tx::Tx;
use super::{Error, Json, Store, inbox, partner};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub i64);

words! {
    /// What is asked.
    pub enum Kind {
        /// To be let in.
        Registration = "registration",
        /// To be given one more barbershop.
        AddSalon = "add_salon",
    }
}

words! {
    /// Where a request stands.
    pub enum Status {
        /// Nobody decided yet.
        Pending = "pending",
        /// Granted.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
    }
}

/// A request as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked.
    pub kind: Kind,
    /// Who asks.
    pub user: UserId,
    /// Where they are answered.
    pub chat: ChatId,
    /// What they filled in.
    pub body: Json,
    /// Where it stands.
    pub status: Status,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// Their name.
    pub decided_by_name: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What is asked.
    pub asks: Asks,
    /// Who asks.
    pub user: UserId,
    /// Where they are answered.
    pub chat: ChatId,
    /// The staff's chat: its lane gets the event `request.submitted`.
    pub staff: Option<ChatId>,
}

/// What a request to make asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// To be let in.
    Registration {
        /// What they filled in.
        form: Json,
        /// What they told of themselves.
        profile: partner::Profile,
    },
    /// To be given further barbershops: in a partner's own words.
    AddSalon {
        /// Each in words.
        shops: Vec<String>,
    },
}

impl Asks {
    fn kind(&self) -> Kind {
        match self {
            Asks::Registration { .. } => Kind::Registration,
            Asks::AddSalon { .. } => Kind::AddSalon,
        }
    }
}

/// How a request is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Approve {
        /// The barbershops that become the person's.
        salons: Vec<partner::Salon>,
    },
    /// Refused.
    Reject {
        /// What the person is told.
        reason: String,
    },
}

/// A request as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    kind: String,
    user_id: i64,
    chat_id: i64,
    body: String,
    status: String,
    reason: Option<String>,
    decided_by: Option<i64>,
    decided_by_name: Option<String>,
    decided_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Stored> for Request {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Request, Error> {
        Ok(Request {
            id: RequestId(stored.id),
            kind: Kind::parse("request.kind", &stored.kind)?,
            user: UserId(stored.user_id),
            chat: ChatId(stored.chat_id),
            body: Json::stored(stored.body),
            status: Status::parse("request.status", &stored.status)?,
            reason: stored.reason,
            decided_by: stored.decided_by.map(UserId),
            decided_by_name: stored.decided_by_name,
            decided_at: stored.decided_at.map(Timestamp),
            created_at: Timestamp(stored.created_at),
        })
    }
}

impl Store {
    /// A request by its number.
    pub async fn request(&self, id: RequestId) -> Result<Option<Request>, Error> {
        by_id(self.readers()?, id).await
    }

    /// A person's latest request.
    pub async fn latest_request(&self, user: UserId) -> Result<Option<Request>, Error> {
        latest(self.readers()?, user).await
    }

    /// The requests nobody decided yet, the oldest first.
    pub async fn pending_requests(&self, limit: u32) -> Result<Vec<Request>, Error> {
        pending(self.readers()?, limit).await
    }
}

/// A request by its number.
async fn by_id(pool: &Pool, id: RequestId) -> Result<Option<Request>, Error> {
    const SQL: &str = "\
        select id, kind, user_id, chat_id, body, status, reason, decided_by, decided_by_name, decided_at,
               created_at
        from request
        where id = $1";
    Ok(many(pool, SQL, &[id.0.into()]).await?.pop())
}

/// A person's latest request.
async fn latest(pool: &Pool, user: UserId) -> Result<Option<Request>, Error> {
    const SQL: &str = "\
        select id, kind, user_id, chat_id, body, status, reason, decided_by, decided_by_name, decided_at,
               created_at
        from request
        where user_id = $1
        order by id desc
        limit 1";
    Ok(many(pool, SQL, &[user.0.into()]).await?.pop())
}

/// The requests nobody decided yet, the oldest first.
async fn pending(pool: &Pool, limit: u32) -> Result<Vec<Request>, Error> {
    const SQL: &str = "\
        select id, kind, user_id, chat_id, body, status, reason, decided_by, decided_by_name, decided_at,
               created_at
        from request
        where status = 'pending'
        order by id
        limit $1";
    many(pool, SQL, &[i64::from(limit).into()]).await
}

/// Makes a request, unless the person has one pending.
pub(super) async fn submit(tx: &mut Tx, submission: &Submission, now: Timestamp) -> Result<Effect, Error> {
    const INSERT: &str = "\
        insert into request (kind, user_id, chat_id, body, status, created_at)
        values ($1, $2, $3, $4, 'pending', $5)
        on conflict (user_id) where status = 'pending' do nothing
        returning id";
    const PENDING: &str = "select id from request where user_id = $1 and status = 'pending'";
    let Submission { asks, user, chat, staff } = submission;
    let body = match asks {
        Asks::Registration { form, .. } => form.clone(),
        Asks::AddSalon { shops } => told_by_partner(tx, *user, shops).await?,
    };
    let args =
        [asks.kind().as_str().into(), user.0.into(), chat.0.into(), body.as_str().into(), now.0.into()];
    let made: Vec<(i64,)> = tx.rows("make a request", INSERT, &args).await?;
    let Some(&(id,)) = made.first() else {
        let pending: Vec<(i64,)> = tx.rows("find a request", PENDING, &[user.0.into()]).await?;
        let id = pending.first().map(|(id,)| id);
        return Ok(Effect { answer: json!({ "id": id, "already": true }).into(), events: Vec::new() });
    };
    match asks {
        Asks::Registration { profile, .. } => partner::register(tx, *user, *chat, profile, now).await?,
        Asks::AddSalon { .. } => {} // Whoever asks for a second barbershop is a partner already.
    }
    let told = staff.map(|staff| event(staff, "request.submitted", id, &json!({ "request": id })));
    Ok(Effect { answer: json!({ "id": id }).into(), events: told.into_iter().collect() })
}

/// What a partner asks, in the form that the office knows from registrations.
async fn told_by_partner(tx: &mut Tx, user: UserId, shops: &[String]) -> Result<Json, Error> {
    const SQL: &str = "select name, phone, role, position from partner where user_id = $1";
    let known: Vec<(String, String, Option<String>, Option<String>)> =
        tx.rows("read who asks", SQL, &[user.0.into()]).await?;
    let (name, phone, role, position) = known.into_iter().next().unwrap_or_default();
    Ok(json!({ "name": name, "phone": phone, "role": role, "position": position, "shops": shops }).into())
}

/// Puts the request of a person who registered before into the table, decided as their standing says.
pub(super) async fn introduce(tx: &mut Tx, partner: &partner::Partner, by: &str) -> Result<(), Error> {
    const SQL: &str = "\
        insert into request (kind, user_id, chat_id, body, status, reason, decided_by_name, decided_at, created_at)
        values ('registration', $1, $2, $3, $4, $5, $6, cast(nullif($7, '') as bigint), $8)";
    let status = match partner.status {
        partner::Status::Guest => return Ok(()), // They never asked.
        partner::Status::Pending => Status::Pending,
        partner::Status::Rejected => Status::Rejected,
        partner::Status::Verified => Status::Approved,
    };
    let profile = &partner.profile;
    let shops: Vec<&str> = partner.salons.iter().map(|salon| salon.title.as_str()).collect();
    let body: Json = json!({
        "name": profile.name, "phone": profile.phone, "shops": shops,
        "role": profile.role.map(partner::Role::as_str), "position": profile.position,
    })
    .into();
    let decided = status != Status::Pending;
    let decided_at =
        if decided { partner.verified_at.unwrap_or(partner.created_at).0.to_string() } else { String::new() };
    let args = [
        partner.user.0.into(),
        partner.chat.0.into(),
        body.as_str().into(),
        status.as_str().into(),
        partner.reason.as_deref().into(),
        decided.then_some(by).into(),
        decided_at.as_str().into(),
        partner.created_at.0.into(),
    ];
    tx.run("introduce a request", SQL, &args).await.map(drop)
}

/// Decides a request, if it is the first to.
pub(super) async fn decide(
    tx: &mut Tx,
    id: RequestId,
    decision: &Decision,
    (by, by_name): (UserId, &str),
    now: Timestamp,
) -> Result<Effect, Error> {
    const DECIDE: &str = "\
        update request
        set status = $2, reason = $3, decided_by = $4, decided_by_name = $5, decided_at = $6
        where id = $1 and status = 'pending'
        returning kind, user_id, chat_id";
    let (status, reason) = match decision {
        Decision::Approve { .. } => (Status::Approved, None),
        Decision::Reject { reason } => (Status::Rejected, Some(reason.as_str())),
    };
    let args =
        [id.0.into(), status.as_str().into(), reason.into(), by.0.into(), by_name.into(), now.0.into()];
    let decided: Vec<(String, i64, i64)> = tx.rows("decide a request", DECIDE, &args).await?;
    let Some((kind, user, chat)) = decided.into_iter().next() else {
        return Ok(Effect { answer: decided_before(tx, id).await?, events: Vec::new() });
    };
    match (Kind::parse("request.kind", &kind)?, reason) {
        (Kind::Registration, None) => partner::verify(tx, UserId(user), now).await?,
        (Kind::Registration, Some(reason)) => partner::reject(tx, UserId(user), reason).await?,
        (Kind::AddSalon, _) => {} // The person stays what they are.
    }
    let name = match decision {
        Decision::Approve { salons } => {
            partner::link(tx, UserId(user), salons).await?;
            "request.approved"
        }
        Decision::Reject { .. } => "request.rejected",
    };
    Ok(Effect {
        answer: json!({ "done": true, "decision": status.as_str(), "user_id": user }).into(),
        events: vec![event(ChatId(chat), name, id.0, &json!({ "request": id.0, "reason": reason }))],
    })
}

/// What whoever decides second is told.
async fn decided_before(tx: &mut Tx, id: RequestId) -> Result<Json, Error> {
    const SQL: &str = "select status, decided_by_name from request where id = $1";
    let found: Vec<(String, Option<String>)> = tx.rows("find a decision", SQL, &[id.0.into()]).await?;
    Ok(match found.first() {
        Some((decision, by)) => json!({ "done": false, "decision": decision, "by": by }).into(),
        None => json!({ "done": false, "unknown": true }).into(),
    })
}

/// Tells a chat's flows of something that happens once to a request.
fn event(chat: ChatId, name: &str, request: i64, data: &serde_json::Value) -> inbox::New {
    inbox::New {
        source: String::from("event"),
        key: format!("{name}:{request}"),
        lane: chat.into(),
        body: json!({ "event": name, "data": data }).into(),
    }
}

/// Reads requests.
async fn many(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Request>, Error> {
    let requests: Vec<Stored> = pool.rows("read requests", sql, args).await?;
    requests.into_iter().map(Request::try_from).collect()
}
