"""The commands that make something happen: run, start, worker, cancel, retry, migrate."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import sys
import uuid
from typing import Any, NoReturn

import click

from romancy.cli.group import (
    INTERRUPTED,
    Failure,
    Mistake,
    answer,
    is_there,
    main,
    opened,
    opened_to_read,
    prints_apart,
    unknown,
    with_database,
    with_json,
)
from romancy.cli.shown import command, json_text, one_line, stored, visible
from romancy.errors import (
    InstanceCancelledError,
    InstanceExistsError,
    InstanceFailedError,
    InstanceStuckError,
    UnknownInstanceError,
)
from romancy.store.address import masked
from romancy.store.protocol import TERMINAL
from romancy.worker.signals import Interrupted

_ARGUMENTS = "[ARGS]"
_LINES = "\n\t"
_ABOUT_ARGUMENTS = """ARGS is JSON: an array holds arguments by position, an object holds them by name, anything else
    is the one argument. @FILE reads it from a file and - from standard input: keep secrets out of the command line.
    They can be left out to go on with an instance that exists."""


def _with_arguments(about: Any) -> Any:
    """Put what is said of ARGS into the help of a command."""
    about.__doc__ = about.__doc__.replace("ABOUT_ARGUMENTS", _ABOUT_ARGUMENTS)
    return about


@main.command()
@click.argument("target", metavar="MODULE:WORKFLOW")
@click.argument("arguments", metavar=_ARGUMENTS, required=False)
@click.option("--id", "instance_id", metavar="ID", help="The instance's id; a random one by default.")
@with_database
@with_json
@prints_apart
@_with_arguments
def run(target: str, arguments: str | None, instance_id: str | None, database: str, as_json: bool) -> None:
    """Start a workflow, wait for it, and print its result as JSON.

    ABOUT_ARGUMENTS

    The same id again goes on with the same instance, or prints its result. Exit status: 1 when it failed, was cancelled
    or is stuck.

    \b
    Examples:
      romancy run shop:order '["o-1", ["book"]]' --id o-1
      romancy run shop.py:order '{"order_id": "o-2", "items": ["pen"]}'
      romancy run shop:order --id o-1
    """
    from romancy.cli.targets import find_workflow

    workflow = find_workflow(target)
    chosen = instance_id if instance_id is not None else str(uuid.uuid4())
    call = _call(workflow, arguments, instance_id, database)
    _log_to_stderr()
    with opened(database, worker=True) as app:
        try:
            handle = app.get(chosen) if call is None else app.start(call, id=chosen)
            value = _wait(handle, database)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, _leave)
            _interrupted(target, chosen, database)
            raise
        except (InstanceFailedError, InstanceCancelledError, InstanceStuckError) as error:
            _ended_badly(error, workflow.definition.name, database, as_json)
        _ended_well(workflow, chosen, value, as_json)


def _call(workflow: Any, arguments: str | None, instance_id: str | None, database: str) -> Any:
    """The call to start; None where the id is that of an instance to go on with."""
    from romancy.cli.targets import call_of

    if arguments is None and instance_id is not None and is_there(database):
        with opened_to_read(database) as store:
            known = store.instance(instance_id)
        if known is not None:
            name = workflow.definition.name
            if known.workflow != name:
                raise InstanceExistsError(instance_id, f"it is one of workflow {known.workflow!r}, not {name!r}")
            return None
    return call_of(workflow, arguments)


def _wait(handle: Any, database: str) -> Any:
    if not sys.stderr.isatty():
        return handle.result()
    from romancy.cli.progress import Progress

    with Progress(database, handle.id) as progress:
        while True:
            try:
                return handle.result(timeout=0.2)
            except TimeoutError:
                progress.show()


def _leave(*_: object) -> None:
    """End as a crash would: what is recorded stays, what is in flight runs again."""
    os._exit(INTERRUPTED)


def _leave_behind(interrupted: Interrupted) -> NoReturn:
    """End as a crash would, since its thread would never let go of what this worker holds."""
    try:
        told = f"{interrupted.obstacle.rstrip()}\nthis worker ends without it, as one that is killed"
        click.echo(f"romancy: {visible(told, keep=_LINES)}", err=True)
    finally:
        os._exit(128 + interrupted.number)


def _interrupted(target: str, instance_id: str, database: str) -> None:
    """Say how to go on; what is in memory cannot."""
    told = "romancy: interrupted; what is in flight is finished first, and a second Ctrl-C leaves now"
    if database != ":memory:":
        told += f"; go on with: {_again(target, instance_id, database)}"
    click.echo(told, err=True)


def _again(target: str, instance_id: str, database: str) -> str:
    db = [] if database == "romancy.db" else ["--db", masked(database)]
    id_option = [f"--id={instance_id}"] if instance_id.startswith("-") else ["--id", instance_id]
    return visible(shlex.join(["romancy", "run", *db, target, *id_option]))


def _ended_well(workflow: Any, instance_id: str, value: Any, as_json: bool) -> None:
    from romancy.codec import workflow_codec

    result = stored(workflow_codec(workflow.definition).encode_result(value))
    if as_json:
        name = workflow.definition.name
        answer({"id": instance_id, "workflow": name, "status": "completed", "result": result})
    else:
        click.echo(json_text(result))


def _ended_badly(
    error: InstanceFailedError | InstanceCancelledError | InstanceStuckError, name: str, database: str, as_json: bool
) -> None:
    status, told = "stuck", error.reason if isinstance(error, InstanceStuckError) else ""
    undone: tuple[BaseException, ...] = ()
    if isinstance(error, InstanceStuckError):
        remedy = f"mend it, then: {command('retry', database, error.instance_id)}"
        line = f"instance {error.instance_id!r} is stuck: {one_line(error.reason)}; {remedy}"
    else:
        status, undone = _status(error), error.compensation_errors
        told = "" if error.__cause__ is None else f"{type(error.__cause__).__name__}: {error.__cause__}"
        line = f"{one_line(str(error))}; see: {command('show', database, error.instance_id)}"
    if as_json:
        errors = [f"{type(each).__name__}: {each}" for each in undone]
        fields = {"id": error.instance_id, "workflow": name, "status": status, "error": told}
        answer({**fields, "compensation_errors": errors})
    for each in undone:
        click.echo(f"romancy: a compensation failed: {one_line(f'{type(each).__name__}: {each}')}", err=True)
    raise Failure(line)


def _status(error: InstanceFailedError | InstanceCancelledError) -> str:
    return "failed" if isinstance(error, InstanceFailedError) else "cancelled"


@main.command()
@click.argument("target", metavar="MODULE:WORKFLOW")
@click.argument("arguments", metavar=_ARGUMENTS, required=False)
@click.option("--id", "instance_id", metavar="ID", help="The instance's id; a random one by default.")
@with_database
@with_json
@prints_apart
@_with_arguments
def start(target: str, arguments: str | None, instance_id: str | None, database: str, as_json: bool) -> None:
    """Start a workflow for workers to run; print its id.

    ABOUT_ARGUMENTS

    \b
    Examples:
      romancy start shop:order '["o-3", ["lamp"]]' --id o-3
      romancy worker shop --until-idle
    """
    from romancy.cli.targets import find_workflow

    workflow = find_workflow(target)
    call = _call(workflow, arguments, instance_id, database)
    if database == ":memory:":
        raise Mistake("what is started in memory is gone when this command ends: name a file with --db")
    with opened(database) as app:
        assert call is not None or instance_id is not None
        handle = app.get(str(instance_id)) if call is None else app.start(call, id=instance_id)
        if as_json:
            answer({"id": handle.id, "workflow": workflow.definition.name, "status": handle.status})
        else:
            click.echo(visible(handle.id))


@main.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@click.option("--until-idle", is_flag=True, help="End when nothing is left to do now; what sleeps or waits stays.")
@with_database
@with_json
@prints_apart
def worker(modules: tuple[str, ...], until_idle: bool, database: str, as_json: bool) -> None:
    """Run the workflows of modules until SIGTERM or Ctrl-C.

    Activities in flight are finished then, and the rest is handed back. A second Ctrl-C ends at once; what was in
    flight then runs again later. Workflow code that does not yield is named after a second signal, and the process ends
    without it. A MODULE is imported, which runs its code: it is a dotted name seen from the current folder, or the path
    of a .py file.

    \b
    Examples:
      romancy worker shop --until-idle
      romancy worker shop.py --until-idle --json
    """
    from romancy.cli.targets import load_workflows
    from romancy.worker.leases import this_worker

    names = sorted({name for module in modules for name in load_workflows(module)})
    me = this_worker(None).id
    _log_to_stderr()
    with opened(database, worker_id=me) as app:
        known = ", ".join(map(visible, names))
        click.echo(f"romancy: worker {visible(me)} on {visible(masked(database))} runs {known}", err=True)
        try:
            ended = app.serve(until_idle=until_idle)
        except Interrupted as interrupted:
            _leave_behind(interrupted)
        told = ", ".join(f"{number} {status}" for status, number in sorted(ended.items())) or "nothing"
        click.echo(f"romancy: worker {visible(me)} is done; it brought to an end: {told}", err=True)
    if as_json:
        answer({"worker": me, "database": masked(database), "workflows": names, "ended": ended})


@main.command()
@click.argument("instance_id", metavar="ID")
@with_database
@with_json
def cancel(instance_id: str, database: str, as_json: bool) -> None:
    """Ask an instance to cancel; what it did is compensated.

    \b
    Examples:
      romancy cancel o-4
      romancy cancel -- -id-that-begins-with-a-dash
    """
    with opened(database, must_exist=True) as app:
        handle = _found(app, instance_id, database)
        if (status := handle.status) not in TERMINAL:
            handle.cancel()
    if status in TERMINAL:
        _tell(instance_id, status, f"has ended already: it is {status}", as_json)
        return
    with opened_to_read(database) as store:
        then = "" if store.leases() else "; no worker runs, so it waits for one"
    if status == "stuck":
        then = f"; it is stuck, so it waits for: {command('retry', database, instance_id)}"
    _tell(instance_id, status, f"is asked to cancel{then}", as_json)


@main.command()
@click.argument("instance_id", metavar="ID")
@with_database
@with_json
def retry(instance_id: str, database: str, as_json: bool) -> None:
    """Take a stuck instance up again, once it is mended.

    \b
    Examples:
      romancy retry o-5
    """
    with opened(database, must_exist=True) as app:
        _found(app, instance_id, database)
        status = app.retry(instance_id).status
    with opened_to_read(database) as store:
        then = "" if store.leases() else "; no worker runs, so it waits for one"
    _tell(instance_id, status, f"goes on{then}", as_json)


def _tell(instance_id: str, status: str, told: str, as_json: bool) -> None:
    if as_json:
        answer({"id": instance_id, "status": status})
    else:
        click.echo(f"{visible(instance_id)} {told}")


def _found(app: Any, instance_id: str, database: str) -> Any:
    with contextlib.suppress(UnknownInstanceError):
        return app.get(instance_id)
    raise unknown(instance_id, database)


@main.command()
@with_database
@with_json
def migrate(database: str, as_json: bool) -> None:
    """Make the tables of a database, or bring them up to date.

    Workers do it as well when they start.

    Where workers may not make tables, an owner of the database runs this before they start.

    \b
    Examples:
      romancy migrate
      romancy migrate --db orders.db
    """
    if database == ":memory:":
        raise Mistake("a database in memory is gone when this command ends: name a file or a URL with --db")
    before = is_there(database)
    with opened(database):
        pass
    status = "current" if before else "made"
    if as_json:
        answer({"database": masked(database), "status": status})
    else:
        click.echo(f"{visible(masked(database))} is {'at this version' if before else 'made'}")


class _Visible(logging.Formatter):
    """Log lines without anything that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        over = "\r\x1b[2K" if sys.stderr.isatty() else ""  # the line that shows progress
        return over + visible(super().format(record), keep=_LINES)


def _log_to_stderr() -> None:
    """What workers and workflows log is shown, unless the user's module has set up logging itself."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("romancy").setLevel(logging.INFO)
