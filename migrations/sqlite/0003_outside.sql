-- The world outside: writes whose fate nobody knows, and our links to the portal's tasks.

-- Who we are to other services: a database made anew numbers its conversations from 1 again, and the keys of its
-- writes must not be those of the former one.
create table installation (
    one integer not null primary key check (one = 1), -- there is one row
    id  text not null
) strict;

-- Writes to the outside that a person must decide about.
create table doubt (
    id              integer not null primary key autoincrement,
    conversation_id integer not null references conversation (id) on delete cascade,
    lane_id         integer not null,
    name            text    not null, -- the host function
    wants           text,             -- the number that goes with "done", in words for the office
    request         text    not null, -- JSON: its arguments
    number          integer not null, -- the case, as the person was told
    person          text    not null, -- their name
    opened_at       integer not null,
    decision        text check (decision in ('done', 'again', 'give_up', 'found')),
    decided_by      integer,
    decided_by_name text,
    decided_at      integer,
    check ((decision is null) = (decided_at is null))
) strict;

create unique index doubt_open on doubt (conversation_id) where decision is null;

-- Tasks of the portal that partners made here.
create table task (
    id          integer not null primary key, -- the portal's
    user_id     integer not null,
    chat_id     integer not null,
    salon_id    integer,
    department  text    not null,
    title       text    not null,
    key         text    not null unique, -- of the write that made it
    explanation text    not null, -- JSON: why it went where it went
    stage_id    integer,
    stage       text,             -- its title
    status      integer,          -- the portal's code
    comments    integer not null default 0 check (comments >= 0), -- the portal's count of them
    changed_at  integer,          -- by the portal's word
    seen_at     integer,          -- when we looked last
    created_at  integer not null
) strict;

create index task_user on task (user_id, id);
