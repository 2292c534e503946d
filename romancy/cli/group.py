"""The group of commands, their common options, and how they end: a mistake is one line and exit 2, no traceback."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import click

from romancy.cli.shown import json_text, one_line
from romancy.errors import (
    DefinitionError,
    InstanceExistsError,
    InstanceStateError,
    RomancyError,
    SchemaError,
    SerializationError,
    StoreError,
    UnknownInstanceError,
)
from romancy.store.address import masked

if TYPE_CHECKING:
    from romancy.app import Romancy
    from romancy.store.protocol import Database

C = TypeVar("C", bound=Callable[..., Any])

INTERRUPTED = 130
_PIPE_CLOSED = 141
_STDOUT = "romancy.stdout"
_MISTAKES = (
    DefinitionError,
    SerializationError,
    InstanceExistsError,
    InstanceStateError,
    SchemaError,
    UnknownInstanceError,
)


class Failure(click.ClickException):
    """The command was carried out, and what it tells of is bad: one line and exit 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"romancy: {one_line(self.message)}", err=True)


class Mistake(Failure):
    """What was asked cannot be done as it was asked: one line with the remedy and exit 2."""

    exit_code = 2


class _Commands(click.Group):
    """A group whose commands end in one line instead of a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _carry_every_text()
        with _ending_well():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _ending_well():
            answer = super().invoke(ctx)
            if sys.stdout is not None:  # a program that was started with it closed has none
                sys.stdout.flush()
            return answer


@contextlib.contextmanager
def _ending_well() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise Mistake(_with_remedy(error)) from None
    except _MISTAKES as error:
        raise Mistake(str(error)) from None
    except RomancyError as error:
        raise Failure(str(error)) from None
    except BrokenPipeError:
        # Nobody reads any more; what is still buffered must not complain either when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(_PIPE_CLOSED) from None
    except OSError as error:
        # What is still buffered must not complain a second time when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Failure(f"the output could not be written: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None


def _with_remedy(error: click.UsageError) -> str:
    told = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.parent is not None:
        told += "; put -- before an argument that begins with a dash"
    path = error.ctx.command_path if error.ctx is not None else "romancy"
    return f"{told}{' See' if told.endswith('?') else '; see'}: {path} --help"


def _carry_every_text() -> None:
    """Where the terminal's encoding lacks a character, it is spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def with_database(command: C) -> C:
    """The option `--db`."""
    return click.option(
        "--db",
        "database",
        metavar="FILE|URL",
        default="romancy.db",
        envvar="ROMANCY_DB",
        show_default=True,
        show_envvar=True,
        help="The SQLite file, or the postgresql:// URL.",
    )(command)


def with_json(command: C) -> C:
    """The option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def prints_apart(command: C) -> C:
    """With `--json`, what the user's code prints goes to stderr: stdout is for what `answer` prints."""

    @functools.wraps(command)
    def apart(*args: Any, as_json: bool, **options: Any) -> Any:
        with contextlib.ExitStack() as stack:
            if as_json:
                click.get_current_context().meta[_STDOUT] = sys.stdout
                stack.enter_context(contextlib.redirect_stdout(sys.stderr))
            return command(*args, as_json=as_json, **options)

    return cast(C, apart)


def answer(value: Any, *, indent: int | None = None) -> None:
    """Print JSON where programs read it."""
    click.echo(json_text(value, indent=indent), file=click.get_current_context().meta.get(_STDOUT))


@contextlib.contextmanager
def opened_to_read(database: str) -> Iterator[Database]:
    """The database as a reader, which neither makes nor changes it."""
    from romancy.store.address import is_url
    from romancy.store.opening import open_store

    if not is_url(database) and not Path(database).exists():
        raise Mistake(f"there is no database {database}: name it with --db or ROMANCY_DB")
    with _opening():
        store = open_store(database, read_only=True)
    with contextlib.closing(store):
        yield store


@contextlib.contextmanager
def opened(database: str, *, worker: bool = False, must_exist: bool = False, **options: Any) -> Iterator[Romancy]:
    """The database as an app."""
    from romancy.app import Romancy

    app = Romancy(database, worker=worker, **options)
    if must_exist:
        with opened_to_read(database):
            pass
    with _opening():
        app.open()
    with app:
        yield app


def is_there(database: str) -> bool:
    """Whether there is such a database."""
    from romancy.store.opening import exists

    with _opening():
        return exists(database)


def unknown(instance_id: str, database: str) -> Mistake:
    """There is no instance of that id in that database."""
    return Mistake(f"there is no instance {instance_id!r} in {masked(database)}: romancy list shows those that are")


@contextlib.contextmanager
def _opening() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise Mistake(str(error)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="romancy", message="romancy %(version)s")
def main() -> None:
    """Run, watch and mend durable workflows that are recorded in one SQLite file or on PostgreSQL.

    \b
    Examples:
      romancy run shop:order '["o-1", ["book"]]' --id o-1
      romancy list --status waiting
      romancy show o-1

    Exit status: 0 is good, 1 is a workflow that did not complete or a database that is not well, 2 is a command that
    cannot be carried out as it was given, 130 was interrupted.
    """
