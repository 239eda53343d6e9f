-- What comes by schedule, and the numbers of the network.

-- Runs of what comes by schedule. A planned moment has one row, so it is run once whoever asks.
create table job_run (
    job        text    not null, -- a flow, or a job of the host: host:ratings
    schedule   text    not null, -- five fields of cron; another schedule is another job
    planned_at bigint not null,
    owner      bigint not null, -- the instance at work on it; one that is dead is taken over from
    started_at bigint not null,
    ended_at   bigint,
    result     text check (result in ('done', 'failed', 'skipped')),
    held_up    bigint not null default 0 check (held_up in (0, 1)), -- an attempt failed, the next is waited for
    report     text    not null default '', -- what came of it, or what holds it up
    done       bigint not null default 0 check (done >= 0),
    total      bigint not null default 0 check (total >= 0), -- 0: not known
    place      bigint not null default 0, -- the last partner a flow has come to
    primary key (job, schedule, planned_at),
    check ((ended_at is null) = (result is null))
);

-- What the list of the chain tells of a barbershop, and where it is.
alter table salon add column address text;
alter table salon add column region text;
alter table salon add column is_million bigint not null default 0 check (is_million in (0, 1)); -- its city is that large
alter table salon add column is_active bigint not null default 1 check (is_active in (0, 1)); -- 0: closed
alter table salon add column seen_at bigint; -- when the list told of it last; null: it never did

create index salon_city on salon (city);

-- The numbers of a barbershop over a month. Money is in kopecks.
create table rating (
    month         text    not null, -- 2026-11
    salon_id      bigint not null references salon (id) on delete cascade,
    upto          text    not null, -- the last day that is counted, 2026-11-13
    revenue       bigint not null,
    services      bigint not null,
    goods         bigint not null,
    average_check bigint,          -- null: the service did not tell
    completed     bigint not null check (completed >= 0),
    visits        bigint not null check (visits >= 0),
    new_clients   bigint not null check (new_clients >= 0),
    returning_clients bigint,      -- null: not told
    base          bigint not null check (base >= 0), -- everybody who has ever come
    return_share  bigint,          -- of those who came, in percent; null: not told
    place         bigint check (place > 0), -- null: not in the rating
    is_stale      bigint not null check (is_stale in (0, 1)), -- the last attempt failed: the numbers are older
    loaded_at     bigint not null,
    primary key (month, salon_id)
);

create index rating_salon on rating (salon_id, month);

-- How the gathering of a month stands.
create table rating_run (
    month     text    not null primary key,
    loaded_at bigint not null, -- the latest gathering
    salons    bigint not null check (salons >= 0), -- asked
    failed    bigint not null check (failed >= 0), -- not told
    closed_at bigint -- complete and over: nothing changes any more
);
