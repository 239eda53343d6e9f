-- The network: its people, their barbershops, what they ask of the head office.

create table partner (
    user_id     bigint not null primary key,
    chat_id     bigint not null,
    status      text    not null check (status in ('guest', 'pending', 'rejected', 'verified')),
    name        text    not null,
    phone       text    not null,
    username    text,
    role        text check (role in ('owner', 'employee')),
    position    text, -- an employee's
    reachable   bigint not null default 1 check (reachable in (0, 1)), -- 0: blocked the bot
    reason      text, -- why rejected
    created_at  bigint not null,
    verified_at bigint
);

create index partner_chat on partner (chat_id);

create table salon (
    id           bigint not null primary key, -- YClients' company
    title        text    not null,
    title_folded text    not null, -- lower case, to search by
    city         text
);

create table partner_salon (
    user_id  bigint not null references partner (user_id) on delete cascade,
    salon_id bigint not null references salon (id) on delete cascade,
    primary key (user_id, salon_id)
);

-- What people ask, and who decided how.
create table request (
    id              bigint not null generated always as identity primary key,
    kind            text    not null check (kind in ('registration', 'add_salon')),
    user_id         bigint not null,
    chat_id         bigint not null,
    body            text    not null, -- JSON: what the person filled in
    status          text    not null check (status in ('pending', 'approved', 'rejected')),
    reason          text, -- why rejected
    decided_by      bigint,
    decided_by_name text,
    decided_at      bigint,
    created_at      bigint not null,
    check ((status = 'pending') = (decided_at is null))
);

-- One question at a time to the head office.
create unique index request_pending on request (user_id) where status = 'pending';
create index request_user on request (user_id, id);
