-- The network: its people, their barbershops, what they ask of the head office.

create table partner (
    user_id     integer not null primary key,
    chat_id     integer not null,
    status      text    not null check (status in ('guest', 'pending', 'rejected', 'verified')),
    name        text    not null,
    phone       text    not null,
    username    text,
    role        text check (role in ('owner', 'employee')),
    position    text, -- an employee's
    reachable   integer not null default 1 check (reachable in (0, 1)), -- 0: blocked the bot
    reason      text, -- why rejected
    created_at  integer not null,
    verified_at integer
) strict;

create index partner_chat on partner (chat_id);

create table salon (
    id           integer not null primary key, -- YClients' company
    title        text    not null,
    title_folded text    not null, -- lower case, to search by
    city         text
) strict;

create table partner_salon (
    user_id  integer not null references partner (user_id) on delete cascade,
    salon_id integer not null references salon (id) on delete cascade,
    primary key (user_id, salon_id)
) strict;

-- What people ask, and who decided how.
create table request (
    id              integer not null primary key autoincrement,
    kind            text    not null check (kind in ('registration', 'add_salon')),
    user_id         integer not null,
    chat_id         integer not null,
    body            text    not null, -- JSON: what the person filled in
    status          text    not null check (status in ('pending', 'approved', 'rejected')),
    reason          text, -- why rejected
    decided_by      integer,
    decided_by_name text,
    decided_at      integer,
    created_at      integer not null,
    check ((status = 'pending') = (decided_at is null))
) strict;

-- One question at a time to the head office.
create unique index request_pending on request (user_id) where status = 'pending';
create index request_user on request (user_id, id);
