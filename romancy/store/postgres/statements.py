"""The statements of a tick, which several verbs share; whatever is written is fenced by a lease."""

from __future__ import annotations

from romancy.store.instances import WAKEABLE, literals
from romancy.store.postgres.packing import EVENT_ROWS, HISTORY, STATE_ROWS, TOLD_ROWS
from romancy.store.protocol import TERMINAL

FENCED = "with fence as (select token from romancy.worker where token = %(token)s for key share)"
"""Nobody takes a lease over while a statement that saw it goes on."""

FENCED_APPEND = f"{FENCED} insert into romancy.history ({HISTORY}) select event.* from fence, {EVENT_ROWS}".replace(
    "%(token)s", "$1"
).replace("%(events)s", "$2")

ADDRESSEE = """romancy.instance i
    on i.number = coalesce((select child.number from romancy.instance child
                             where child.id = told.child and child.parent = told.instance),
                           case when told.child is null then told.instance end)"""

LOCK = f"""
    select number from romancy.instance
     where number in (select unnest(%(numbers)s::bigint[])
                      union select i.number from {TOLD_ROWS} join {ADDRESSEE}
                      union select instance from romancy.inbox where number = any(%(delivered)s))
     order by number for no key update"""
"""All that a tick touches, in one order, so that two ticks never wait for each other; what comes next sees letters that
came before."""

TELL = f"""
    insert into romancy.inbox (instance, kind, data, at)
    select i.number, told.kind, told.data, %(at)s
      from {TOLD_ROWS} join {ADDRESSEE}
     where i.status not in ({literals(TERMINAL)}) order by told.place"""

WAKE = f"""
    update romancy.instance set wake_at = least(coalesce(wake_at, %(at)s), %(at)s)
     where number in (select i.number from {TOLD_ROWS} join {ADDRESSEE})
       and owner is null and status in ({literals(WAKEABLE)})"""

STATES = f"""
    update romancy.instance
       set status = state.status, run = state.run, position = state.position, error = state.error, changed = %(at)s,
           owner = case when state.keep then %(token)s::bigint end, retries = state.retries, recoveries = 0,
           wake_at = case when state.can_wake
                           and exists (select 1 from romancy.inbox where inbox.instance = state.number)
                          then 0 else state.wake_at end
      from {STATE_ROWS}
     where instance.number = state.number and instance.owner = %(token)s"""
