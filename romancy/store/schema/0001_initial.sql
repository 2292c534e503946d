create table opening (
    opened integer not null,
    confirmed integer not null
);
insert into opening values (0, 0);

create table worker (
    token integer primary key autoincrement,
    id text not null unique,
    host text not null,
    pid integer not null,
    born text not null,
    started real not null,
    until real not null
);

create table instance (
    number integer primary key autoincrement,
    id text not null unique,
    workflow text not null,
    version text not null,
    input text not null,
    seed text not null,
    status text not null,
    run integer not null default 1,
    position integer not null default 0,
    owner integer,
    wake_at real,
    retries integer not null default 0,
    parent integer,
    parent_run integer,
    parent_step text,
    error text,
    recoveries integer not null default 0,
    recovered_at text,
    created real not null,
    changed real not null
);
create index instance_due on instance (wake_at) where owner is null and wake_at is not null;
create index instance_suspect on instance (wake_at) where owner is null and wake_at is not null and recoveries >= 3;
create index instance_owned on instance (owner) where owner is not null;
create index instance_status on instance (status, number);
create index instance_parent on instance (parent) where parent is not null;

create table history (
    instance integer not null,
    run integer not null,
    seq integer not null,
    kind text not null,
    step text,
    name text,
    attempt integer,
    fingerprint integer,
    data text,
    detail text,
    started real,
    due real,
    at real not null,
    primary key (instance, run, seq)
) without rowid;

create table inbox (
    number integer primary key autoincrement,
    instance integer not null,
    kind text not null,
    data text not null,
    at real not null
);
create index inbox_instance on inbox (instance);
