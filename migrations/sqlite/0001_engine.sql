-- The engine: what came in, where each talk stands, what must go out. All instants are milliseconds
-- since 1970, UTC. The twin in the other folder has the same tables.

-- A running process.
create table instance (
    id      integer not null primary key autoincrement, -- never used twice
    seen_at integer not null
) strict;

-- The instances that may hold lanes. The file is locked by one process: the last to have come.
create view live_instance as select max(id) as id from instance;

-- One chat, one lane. Its holder alone advances what concerns the chat.
create table lane (
    id    integer not null primary key, -- the chat's id
    owner integer,                      -- the instance that holds it
    token integer not null default 0 check (token >= 0) -- one more at each taking
) strict;

create index lane_owner on lane (owner) where owner is not null;

-- Updates accepted once, in order per lane.
create table inbox (
    id          integer not null primary key autoincrement,
    source      text    not null, -- telegram, bitrix24, timer, event, panel
    key         text    not null, -- its name there, e.g. the update id
    lane_id     integer not null,
    body        text    not null, -- JSON
    received_at integer not null,
    done_at     integer,
    unique (source, key)
) strict;

create index inbox_open on inbox (lane_id, id) where done_at is null;
create index inbox_done on inbox (done_at) where done_at is not null;

-- All the scripts of one version.
create table script_set (
    hash         text    not null primary key, -- of the content
    rhai_version text    not null,
    built_at     integer not null
) strict;

create table script_file (
    set_hash text not null references script_set (hash) on delete cascade,
    path     text not null,
    body     text not null,
    primary key (set_hash, path)
) strict;

-- Every attempt to go live.
create table publication (
    id       integer not null primary key autoincrement,
    set_hash text references script_set (hash), -- null: could not be built
    at       integer not null,
    result   text    not null check (result in ('live', 'refused')),
    report   text    not null -- what staff are told
) strict;

-- Numbers given out in blocks.
create table sequence (
    name text    not null primary key,
    next integer not null
) strict;

insert into sequence (name, next) values ('conversation', 1);

-- Runs of flows.
create table conversation (
    id         integer not null primary key,
    chat_id    integer not null,
    user_id    integer not null,
    flow       text    not null,
    set_hash   text    not null references script_set (hash),
    epoch      integer not null check (epoch >= 0), -- how often it was turned back
    status     text    not null check (status in ('awaiting', 'finished', 'cancelled', 'failed')),
    detail     text    not null, -- JSON: what it waits for, or why it failed
    updated_at integer not null
) strict;

-- A person answers one question at a time.
create unique index conversation_awaiting on conversation (chat_id, user_id) where status = 'awaiting';
create index conversation_failed on conversation (updated_at) where status = 'failed';
create index conversation_ended on conversation (updated_at) where status in ('finished', 'cancelled');
create index conversation_set on conversation (set_hash);

-- Large answers, each kept once.
create table blob (
    hash text not null primary key, -- SHA-256 of the body, in hex
    body text not null
) strict;

-- What a flow asked of the world, and the answer. Replay reads the rows in order: a gap or
-- another name means that the flow was edited under a live conversation.
create table journal (
    conversation_id integer not null references conversation (id) on delete cascade,
    step_no         integer not null check (step_no >= 0),
    name            text    not null, -- the host call, e.g. bitrix24::add_task
    site            text    not null, -- file and line
    request         text,             -- JSON: what was asked, for writes
    answer          text,             -- JSON, exactly as the flow received it
    blob_hash       text references blob (hash), -- instead of a large answer; both null: only intended
    recorded_at     integer not null,
    primary key (conversation_id, step_no),
    check (answer is null or blob_hash is null)
) strict;

create index journal_blob on journal (blob_hash) where blob_hash is not null;

-- Messages decided and not yet delivered, in order per chat.
create table outbox (
    id            integer not null primary key autoincrement,
    key           text    not null unique, -- conversation-epoch-step, or another name for ever
    chat_id       integer not null,
    call          text    not null, -- JSON
    created_at    integer not null,
    attempt_count integer not null default 0 check (attempt_count >= 0),
    not_before    integer not null default 0,
    done_at       integer,
    outcome       text check (outcome in ('sent', 'refused', 'unreachable')),
    message_id    integer, -- Telegram's
    check ((done_at is null) = (outcome is null))
) strict;

create index outbox_open on outbox (chat_id, id) where done_at is null;
create index outbox_done on outbox (done_at) where done_at is not null;

-- Moments promised.
create table timer (
    conversation_id integer not null references conversation (id) on delete cascade,
    step_no         integer not null check (step_no >= 0),
    kind            text    not null check (kind in ('limit', 'remind')),
    lane_id         integer not null,
    user_id         integer not null,
    fire_at         integer not null,
    primary key (conversation_id, step_no, kind)
) strict;

create index timer_fire_at on timer (fire_at);
