-- One message to many people, and what they vote in it.

create table broadcast (
    id            integer not null primary key autoincrement,
    call          text    not null, -- JSON: the message, as the outbox keeps its own
    audience      text    not null, -- in words for the office
    status        text    not null check (status in ('running', 'stopped', 'done')),
    staff_chat    integer,          -- hears of its progress
    progress      text,             -- the key of the message there that shows it
    begun_by_name text    not null,
    ended_by_name text,             -- who stopped it
    created_at    integer not null,
    ended_at      integer,
    check ((status = 'running') = (ended_at is null))
) strict;

create index broadcast_running on broadcast (id) where status = 'running';

-- Who gets it, and what became of that.
create table broadcast_recipient (
    broadcast_id integer not null references broadcast (id) on delete cascade,
    user_id      integer not null,
    chat_id      integer not null,
    status       text    not null check (status in ('waiting', 'sending', 'sent', 'blocked', 'failed')),
    message_id   integer, -- Telegram's
    primary key (broadcast_id, user_id)
) strict;

create index broadcast_recipient_waiting on broadcast_recipient (broadcast_id, user_id) where status = 'waiting';
create index broadcast_recipient_sending on broadcast_recipient (broadcast_id) where status = 'sending';

-- A broadcast that asks.
create table poll (
    id             integer not null primary key autoincrement,
    broadcast_id   integer not null unique references broadcast (id) on delete cascade,
    question       text    not null,
    closed_by_name text,
    closed_at      integer
) strict;

create table poll_option (
    poll_id integer not null references poll (id) on delete cascade,
    number  integer not null check (number >= 0), -- as Telegram counts them
    title   text    not null,
    primary key (poll_id, number)
) strict;

-- Telegram makes each person's copy a poll of its own.
create table poll_copy (
    telegram_id text    not null primary key,
    poll_id     integer not null references poll (id) on delete cascade,
    chat_id     integer not null,
    message_id  integer not null,
    is_open     integer not null default 1 check (is_open in (0, 1)) -- takes votes in Telegram
) strict;

create index poll_copy_open on poll_copy (poll_id) where is_open = 1;

-- What each person has chosen, as they chose last.
create table poll_vote (
    poll_id integer not null references poll (id) on delete cascade,
    user_id integer not null,
    number  integer not null,
    primary key (poll_id, user_id, number),
    foreign key (poll_id, number) references poll_option (poll_id, number)
) strict;
