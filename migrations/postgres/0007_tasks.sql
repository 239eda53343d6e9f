-- What the helper's model is asked: the server is paid by the question.

-- How many questions a person has asked today; former days are not kept.
create table helper_question (
    user_id bigint not null primary key,
    day     text   not null, -- YYYY-MM-DD by the office's calendar
    asked   bigint not null check (asked > 0)
);
