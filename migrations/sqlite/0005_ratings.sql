-- What comes by schedule, and the numbers of the network.

-- Runs of what comes by schedule. A planned moment has one row, so it is run once whoever asks.
create table job_run (
    job        text    not null, -- a flow, or a job of the host: host:ratings
    schedule   text    not null, -- five fields of cron; another schedule is another job
    planned_at integer not null,
    owner      integer not null, -- the instance at work on it; one that is dead is taken over from
    started_at integer not null,
    ended_at   integer,
    result     text check (result in ('done', 'failed', 'skipped')),
    held_up    integer not null default 0 check (held_up in (0, 1)), -- an attempt failed, the next is waited for
    report     text    not null default '', -- what came of it, or what holds it up
    done       integer not null default 0 check (done >= 0),
    total      integer not null default 0 check (total >= 0), -- 0: not known
    place      integer not null default 0, -- the last partner a flow has come to
    primary key (job, schedule, planned_at),
    check ((ended_at is null) = (result is null))
) strict;

-- What the list of the chain tells of a barbershop, and where it is.
alter table salon add column address text;
alter table salon add column region text;
alter table salon add column is_million integer not null default 0 check (is_million in (0, 1)); -- its city is that large
alter table salon add column is_active integer not null default 1 check (is_active in (0, 1)); -- 0: closed
alter table salon add column seen_at integer; -- when the list told of it last; null: it never did

create index salon_city on salon (city);

-- The numbers of a barbershop over a month. Money is in kopecks.
create table rating (
    month         text    not null, -- 2026-11
    salon_id      integer not null references salon (id) on delete cascade,
    upto          text    not null, -- the last day that is counted, 2026-11-13
    revenue       integer not null,
    services      integer not null,
    goods         integer not null,
    average_check integer,          -- null: the service did not tell
    completed     integer not null check (completed >= 0),
    visits        integer not null check (visits >= 0),
    new_clients   integer not null check (new_clients >= 0),
    returning_clients integer,      -- null: not told
    base          integer not null check (base >= 0), -- everybody who has ever come
    return_share  integer,          -- of those who came, in percent; null: not told
    place         integer check (place > 0), -- null: not in the rating
    is_stale      integer not null check (is_stale in (0, 1)), -- the last attempt failed: the numbers are older
    loaded_at     integer not null,
    primary key (month, salon_id)
) strict;

create index rating_salon on rating (salon_id, month);

-- How the gathering of a month stands.
create table rating_run (
    month     text    not null primary key,
    loaded_at integer not null, -- the latest gathering
    salons    integer not null check (salons >= 0), -- asked
    failed    integer not null check (failed >= 0), -- not told
    closed_at integer -- complete and over: nothing changes any more
) strict;
