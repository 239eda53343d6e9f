-- The world outside: writes whose fate nobody knows, and our links to the portal's tasks.

-- Who we are to other services: a database made anew numbers its conversations from 1 again, and the keys of its
-- writes must not be those of the former one.
create table installation (
    one bigint not null primary key check (one = 1), -- there is one row
    id  text not null
);

-- Writes to the outside that a person must decide about.
create table doubt (
    id              bigint not null generated always as identity primary key,
    conversation_id bigint not null references conversation (id) on delete cascade,
    lane_id         bigint not null,
    name            text    not null, -- the host function
    wants           text,             -- the number that goes with "done", in words for the office
    request         text    not null, -- JSON: its arguments
    number          bigint not null, -- the case, as the person was told
    person          text    not null, -- their name
    opened_at       bigint not null,
    decision        text check (decision in ('done', 'again', 'give_up', 'found')),
    decided_by      bigint,
    decided_by_name text,
    decided_at      bigint,
    check ((decision is null) = (decided_at is null))
);

create unique index doubt_open on doubt (conversation_id) where decision is null;

-- Tasks of the portal that partners made here.
create table task (
    id          bigint not null primary key, -- the portal's
    user_id     bigint not null,
    chat_id     bigint not null,
    salon_id    bigint,
    department  text    not null,
    title       text    not null,
    key         text    not null unique, -- of the write that made it
    explanation text    not null, -- JSON: why it went where it went
    stage_id    bigint,
    stage       text,             -- its title
    status      bigint,          -- the portal's code
    comments    bigint not null default 0 check (comments >= 0), -- the portal's count of them
    changed_at  bigint,          -- by the portal's word
    seen_at     bigint,          -- when we looked last
    created_at  bigint not null
);

create index task_user on task (user_id, id);
