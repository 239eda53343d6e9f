-- What is known of towns: where a barbershop is, is found out by these names.

-- Filled from the list that comes with the bot whenever that has changed; what the office has changed stays.
create table town (
    name       text    not null, -- as post knows it
    region     text    not null,
    kind       text    not null check (kind in ('town', 'settlement')),
    is_million integer not null check (is_million in (0, 1)), -- more than a million people live there
    others     text    not null default '', -- other names: Питер;СПб
    parts      text    not null default '', -- places in it that people name instead: Купчино;Парнас
    place      integer not null, -- of towns of one name the one with the least is meant
    origin     text    not null check (origin in ('list', 'office')), -- who has the last word on this row
    is_used    integer not null default 1 check (is_used in (0, 1)), -- 0: the office wants nothing found by it
    primary key (name, region)
) strict;

-- Which list the rows are from.
create table town_list (
    one  integer not null primary key check (one = 1),
    hash text    not null
) strict;
