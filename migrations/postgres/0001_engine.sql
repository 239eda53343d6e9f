-- The engine: what came in, where each talk stands, what must go out. All instants are milliseconds
-- since 1970, UTC. The twin in the other folder has the same tables.

-- Rows that come as one JSON text: the name and the shape are those of the other database, so that one
-- statement serves both.
create function json_each(rows text) returns table (value jsonb)
language sql immutable parallel safe
as $$ select element from jsonb_array_elements(rows::jsonb) as list (element) $$;

-- A running process.
create table instance (
    id      bigint not null generated always as identity primary key, -- never used twice
    seen_at bigint not null
);

-- The instances that may hold lanes: a session with the advisory lock of its number, which ends with the
-- process, and a sign of life within 30 seconds, in case that the session outlives the process.
create view live_instance as
select instance.id
from instance
join pg_locks as held
    on held.locktype = 'advisory' and held.granted and held.objsubid = 2
    and held.classid = 1651470960 and held.objid = instance.id
    and held.database = (select oid from pg_database where datname = current_database())
where instance.seen_at > extract(epoch from clock_timestamp()) * 1000 - 30000;

-- One chat, one lane. Its holder alone advances what concerns the chat.
create table lane (
    id    bigint not null primary key, -- the chat's id
    owner bigint,                      -- the instance that holds it
    token bigint not null default 0 check (token >= 0) -- one more at each taking
);

create index lane_owner on lane (owner) where owner is not null;

-- Updates accepted once, in order per lane.
create table inbox (
    id          bigint not null generated always as identity primary key,
    source      text    not null, -- telegram, bitrix24, timer, event, panel
    key         text    not null, -- its name there, e.g. the update id
    lane_id     bigint not null,
    body        text    not null, -- JSON
    received_at bigint not null,
    done_at     bigint,
    unique (source, key)
);

create index inbox_open on inbox (lane_id, id) where done_at is null;
create index inbox_done on inbox (done_at) where done_at is not null;

-- All the scripts of one version.
create table script_set (
    hash         text    not null primary key, -- of the content
    rhai_version text    not null,
    built_at     bigint not null
);

create table script_file (
    set_hash text not null references script_set (hash) on delete cascade,
    path     text not null,
    body     text not null,
    primary key (set_hash, path)
);

-- Every attempt to go live.
create table publication (
    id       bigint not null generated always as identity primary key,
    set_hash text references script_set (hash), -- null: could not be built
    at       bigint not null,
    result   text    not null check (result in ('live', 'refused')),
    report   text    not null -- what staff are told
);

-- Numbers given out in blocks.
create table sequence (
    name text    not null primary key,
    next bigint not null
);

insert into sequence (name, next) values ('conversation', 1);

-- Runs of flows.
create table conversation (
    id         bigint not null primary key,
    chat_id    bigint not null,
    user_id    bigint not null,
    flow       text    not null,
    set_hash   text    not null references script_set (hash),
    epoch      bigint not null check (epoch >= 0), -- how often it was turned back
    status     text    not null check (status in ('awaiting', 'finished', 'cancelled', 'failed')),
    detail     text    not null, -- JSON: what it waits for, or why it failed
    updated_at bigint not null
);

-- A person answers one question at a time.
create unique index conversation_awaiting on conversation (chat_id, user_id) where status = 'awaiting';
create index conversation_failed on conversation (updated_at) where status = 'failed';
create index conversation_ended on conversation (updated_at) where status in ('finished', 'cancelled');
create index conversation_set on conversation (set_hash);

-- Large answers, each kept once.
create table blob (
    hash text not null primary key, -- SHA-256 of the body, in hex
    body text not null
);

-- What a flow asked of the world, and the answer. Replay reads the rows in order: a gap or
-- another name means that the flow was edited under a live conversation.
create table journal (
    conversation_id bigint not null references conversation (id) on delete cascade,
    step_no         bigint not null check (step_no >= 0),
    name            text    not null, -- the host call, e.g. bitrix24::add_task
    site            text    not null, -- file and line
    request         text,             -- JSON: what was asked, for writes
    answer          text,             -- JSON, exactly as the flow received it
    blob_hash       text references blob (hash), -- instead of a large answer; both null: only intended
    recorded_at     bigint not null,
    primary key (conversation_id, step_no),
    check (answer is null or blob_hash is null)
);

create index journal_blob on journal (blob_hash) where blob_hash is not null;

-- Messages decided and not yet delivered, in order per chat.
create table outbox (
    id            bigint not null generated always as identity primary key,
    key           text    not null unique, -- conversation-epoch-step, or another name for ever
    chat_id       bigint not null,
    call          text    not null, -- JSON
    created_at    bigint not null,
    attempt_count bigint not null default 0 check (attempt_count >= 0),
    not_before    bigint not null default 0,
    done_at       bigint,
    outcome       text check (outcome in ('sent', 'refused', 'unreachable')),
    message_id    bigint, -- Telegram's
    check ((done_at is null) = (outcome is null))
);

create index outbox_open on outbox (chat_id, id) where done_at is null;
create index outbox_done on outbox (done_at) where done_at is not null;

-- Moments promised.
create table timer (
    conversation_id bigint not null references conversation (id) on delete cascade,
    step_no         bigint not null check (step_no >= 0),
    kind            text    not null check (kind in ('limit', 'remind')),
    lane_id         bigint not null,
    user_id         bigint not null,
    fire_at         bigint not null,
    primary key (conversation_id, step_no, kind)
);

create index timer_fire_at on timer (fire_at);
