-- What is planned, and since when: a flow that was taken out and comes back begins anew.

create table job_plan (
    job      text    not null,
    schedule text    not null,
    since    bigint not null, -- what was due before it is owed to nobody
    primary key (job, schedule)
);

-- What ran before this table was there was planned all the time.
insert into job_plan (job, schedule, since) select job, schedule, min(started_at) from job_run group by job, schedule;
