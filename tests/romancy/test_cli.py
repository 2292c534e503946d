"""The command line: what each command prints, how it ends, and that it never shows a traceback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner, Result

from romancy import Context, Flow, RetryPolicy, Romancy, activity, gather, recur, sleep, workflow
from romancy.cli import main
from romancy.cli.doctor import FAIL, OK, WARN, file_system, library, space
from romancy.cli.shown import json_text, length, visible
from romancy.cli.steps import steps
from romancy.codec import encode_error
from romancy.history import (
    ActivityCompleted,
    ActivityFailed,
    ActivityStarted,
    AttemptFailed,
    TimerFired,
    WorkflowStarted,
)
from romancy.store import SqliteStore, WorkerIdentity
from romancy.testing import VirtualClock
from romancy.workflow import definitions

SHOP = """
from dataclasses import dataclass
from pathlib import Path
import time

from romancy import Context, Flow, RetryPolicy, activity, activity_context, sleep, workflow


@dataclass
class Receipt:
    order_id: str
    total: int


def put_back(item: str) -> None:
    if item == "glued":
        raise RuntimeError("it cannot be put back")


@activity(compensate=put_back, retry=RetryPolicy(max_attempts=2, initial_delay=0.0))
def reserve(item: str) -> int:
    with Path("effects").open("a") as effects:
        effects.write(item + "\\n")
    if item == "broken":
        raise ValueError("out of \\x1b[31mstock")
    while item == "slow" and not Path("release").exists():
        time.sleep(0.005)
    return len(item)


@workflow
def order(ctx: Context, order_id: str, items: list[str]) -> Flow[Receipt]:
    total = 0
    for item in items:
        total += yield reserve(item)
    return Receipt(order_id, total)


@workflow(version=3)
def nap(ctx: Context, minutes: int = 60) -> Flow[None]:
    yield sleep(minutes=minutes)


@workflow
def spread(ctx: Context, first: int, *more: int, **named: int) -> Flow[list[int]]:
    yield sleep(0)
    return [first, *more, *named.values()]


def plain(ctx):
    yield
"""
LOUD = """
from romancy import Context, Flow, sleep, workflow


@workflow
def nap(ctx: Context) -> Flow[None]:
    ctx.log.warning("it is late")
    yield sleep(1000)
"""

OTHER_NAP = SHOP.replace("minutes: int = 60", "hours: int").replace("minutes=minutes", "hours=hours")


class Shell:
    """Runs commands in a folder of their own, each as a fresh process would see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known = len(definitions)

    def __call__(self, *words: str, status: int = 0, stdin: bytes | None = None) -> Result:
        self.forget()
        result = CliRunner().invoke(main, list(words), input=stdin, prog_name="romancy")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == status, (words, result.stdout, result.stderr)
        if status == 2:
            assert result.stdout == ""
            assert result.stderr.count("\n") == 1, result.stderr
            assert result.stderr.startswith("romancy: ")
        return result

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self(*words, status=status).stdout)

    def refused(self, *words: str, stdin: bytes | None = None) -> str:
        return self(*words, status=2, stdin=stdin).stderr.removeprefix("romancy: ").strip()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def forget(self) -> None:
        """Imports of this folder's modules do not outlive a command."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]
        del definitions[self._known :]

    def process(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen([_romancy(), *words], cwd=self.folder, text=True, env=environment, **options)


def _romancy() -> str:
    found = shutil.which("romancy", path=Path(sys.executable).parent)
    assert found is not None, "the package is not installed with its command"
    return found


def _wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROMANCY_DB", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "shop.py").write_text(SHOP)
    # As in a fresh process: workflows of the same names, of other tests, are not known.
    everything = definitions[:]
    definitions.clear()
    shell = Shell(tmp_path)
    yield shell
    shell.forget()
    definitions[:] = everything


@pytest.fixture
def stuck(shell: Shell) -> str:
    """An instance whose code has changed so that its input fits no more; the code is as it was again."""
    shell("start", "shop:nap", "5", "--id", "s-1")
    shell.write("shop.py", OTHER_NAP)
    shell("worker", "shop", "--until-idle")
    shell.write("shop.py", SHOP)
    return "s-1"


# -- run


def test_run_prints_the_result_as_json_and_nothing_else(shell: Shell) -> None:
    result = shell("run", "shop:order", '["o-1", ["book", "pen"]]')
    assert json.loads(result.stdout) == {"order_id": "o-1", "total": 7}
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("[1]", [1]),
        ("1", [1]),
        ("[1, 2, 3]", [1, 2, 3]),
        ('{"first": 1}', [1]),
        ('{"first": 1, "x": 5, "y": 6}', [1, 5, 6]),
    ],
)
def test_arguments_are_given_by_position_by_name_or_alone(shell: Shell, arguments: str, wanted: list[int]) -> None:
    assert shell.json("run", "shop:spread", arguments) == wanted


def test_arguments_come_from_a_file_or_from_standard_input(shell: Shell) -> None:
    (shell.folder / "in.json").write_bytes('\ufeff{"order_id": "ö", "items": ["ab"]}'.encode())
    assert shell.json("run", "shop:order", "@in.json") == {"order_id": "ö", "total": 2}
    result = shell("run", "shop:order", "-", stdin=b'["x", ["abc"]]')
    assert json.loads(result.stdout) == {"order_id": "x", "total": 3}


def test_an_argument_that_begins_with_a_dash_stands_behind_two_dashes(shell: Shell) -> None:
    assert shell.json("run", "shop:spread", "--", "-5") == [-5]
    assert "put -- before an argument" in shell.refused("run", "shop:spread", "-5")


def test_a_file_is_named_as_well_as_a_module_and_may_stand_in_a_package(shell: Shell) -> None:
    package = shell.folder / "firm" / "sales"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "prices.py").write_text("price = 7\n")
    (package / "quotes.py").write_text(
        "from romancy import *\nfrom .prices import price\n\n"
        "@workflow\ndef quote(ctx: Context) -> Flow[int]:\n    yield sleep(0)\n    return price\n"
    )
    assert shell.json("run", "firm/sales/quotes.py:quote") == 7
    assert shell.json("run", "firm.sales.quotes:quote") == 7


def test_the_same_id_again_prints_the_result_and_runs_nothing_again(shell: Shell) -> None:
    first = shell("run", "shop:order", '["o-1", ["book"]]', "--id", "o-1").stdout
    again = shell("run", "shop:order", '["o-1", ["book"]]', "--id", "o-1").stdout
    without_arguments = shell("run", "shop:order", "--id", "o-1").stdout
    assert first == again == without_arguments
    assert Path("effects").read_text() == "book\n"


def test_an_id_that_is_taken_is_refused(shell: Shell) -> None:
    shell("run", "shop:order", '["o-1", ["book"]]', "--id", "o-1")
    assert "'o-1' exists already: it was started with other input" in shell.refused(
        "run", "shop:order", '["o-1", ["pen"]]', "--id", "o-1"
    )
    assert "it is one of workflow 'order', not 'nap'" in shell.refused("run", "shop:nap", "--id", "o-1")


def test_a_failed_workflow_is_told_on_stderr_with_exit_1(shell: Shell) -> None:
    result = shell("run", "shop:order", '["o", ["glued", "broken"]]', "--id", "o", status=1)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "romancy: a compensation failed: RuntimeError: it cannot be put back",
        "romancy: instance 'o' failed: ValueError: out of \\x1b[31mstock (and 1 of its compensations failed); "
        "see: romancy show o",
    ]


def test_a_failed_workflow_is_told_to_programs_as_well(shell: Shell) -> None:
    told = shell.json("run", "shop:order", '["o", ["broken"]]', "--id", "o", "--json", status=1)
    assert told == {
        "id": "o",
        "workflow": "order",
        "status": "failed",
        "error": "ValueError: out of \x1b[31mstock",
        "compensation_errors": [],
    }


def test_run_tells_programs_id_status_and_result(shell: Shell) -> None:
    told = shell.json("run", "shop:spread", "3", "--id", "x", "--json")
    assert told == {"id": "x", "workflow": "spread", "status": "completed", "result": [3]}


NOISY = """
import sys

from romancy import Context, Flow, RetryPolicy, activity, workflow

print("imported")


@activity(retry=RetryPolicy(max_attempts=1))
def tells(word: str) -> str:
    print("does", word)
    sys.stdout.write("and says so\\n")
    if word == "no":
        raise ValueError(word)
    return word


@workflow
def noisy(ctx: Context, word: str) -> Flow[str]:
    print("runs")
    return (yield tells(word))
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["run", "noisy:noisy", '"yes"'], 0),
        (["run", "noisy:noisy", '"no"'], 1),
        (["start", "noisy:noisy", '"yes"'], 0),
        (["worker", "noisy", "--until-idle"], 0),
        (["show", "before", "--import", "noisy"], 0),
    ],
)
def test_with_json_what_the_users_code_prints_goes_to_stderr(shell: Shell, words: list[str], status: int) -> None:
    shell.write("noisy.py", NOISY)
    shell("start", "noisy:noisy", '"yes"', "--id", "before")
    result = shell(*words, "--json", status=status)
    assert isinstance(json.loads(result.stdout), dict)
    assert "imported" in result.stderr
    for told in ("runs\n", "does ", "and says so\n"):
        assert (told in result.stderr) == (words[0] in ("run", "worker"))


def test_without_json_what_the_users_code_prints_stays_where_it_is(shell: Shell) -> None:
    shell.write("noisy.py", NOISY)
    assert shell("run", "noisy:noisy", '"yes"').stdout == 'imported\nruns\ndoes yes\nand says so\n"yes"\n'


def test_a_cancelled_workflow_ends_run_with_exit_1(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    shell("cancel", "n")
    assert "instance 'n' was cancelled" in shell("run", "shop:nap", "--id", "n", status=1).stderr


def test_a_stuck_workflow_ends_run_with_its_reason_and_the_remedy(shell: Shell, stuck: str) -> None:
    result = shell("run", "shop:nap", "--id", stuck, status=1)
    assert "'s-1' is stuck: args: " in result.stderr
    assert "mend it, then: romancy retry s-1" in result.stderr
    assert result.stderr.count("\n") == 1
    told = shell.json("run", "shop:nap", "--id", stuck, "--json", status=1)
    assert told["status"] == "stuck" and told["error"].startswith("args: ")


def test_run_works_in_memory(shell: Shell) -> None:
    assert shell.json("run", "shop:spread", "1", "--db", ":memory:") == [1]
    assert not list(shell.folder.glob("*memory*"))


# -- what the user names


@pytest.mark.parametrize("command", ["run", "start"])
@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("shop", "'shop' names no workflow: write MODULE:WORKFLOW"),
        ("shop:", "'shop:' names no workflow"),
        (":order", "':order' names no workflow"),
        ("shop:ordr", "shop has no workflow 'ordr': did you mean order?"),
        ("shop:zzz", "shop has no workflow 'zzz': it has nap, order, spread"),
        ("shop:Receipt", "shop:Receipt is a type and no workflow"),
        ("shop:reserve", "shop:reserve is <activity 'reserve'"),
        ("shop:plain", "shop:plain is a plain generator function: write @workflow above it"),
        ("shpo:order", "there is no module 'shpo' here or on Python's path: did you mean shop?"),
        ("nowhere.to.be:found", "there is no module 'nowhere.to.be' here"),
        ("no-name:order", "'no-name' is no name of a module"),
        ("missing.py:order", "there is no file missing.py"),
        ("empty:order", "empty has no workflow 'order', and it defines none"),
        ("boom:order", "importing boom failed: ZeroDivisionError: division by zero ("),
        ("syntax:order", "importing syntax failed: SyntaxError: "),
        ("leaves:order", "importing leaves failed: SystemExit: 3"),
        ("needy:order", "importing needy failed: No module named 'not_there_at_all'"),
        ("json.py:order", "json.py cannot be imported as 'json'"),
    ],
)
def test_a_target_that_does_not_fit_is_one_line_with_the_remedy(
    shell: Shell, command: str, target: str, told: str
) -> None:
    shell.write("empty.py", "x = 1\n")
    shell.write("boom.py", "1 / 0\n")
    shell.write("syntax.py", "def f(:\n")
    shell.write("leaves.py", "raise SystemExit(3)\n")
    shell.write("needy.py", "import not_there_at_all\n")
    shell.write("json.py", "")
    assert shell.refused(command, target, "[]").startswith(told)
    assert not Path("romancy.db").exists()


@pytest.mark.parametrize("command", ["run", "start"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"order_id":', "ARGS is not JSON: Expecting value at line 1, column 13; write "),
        ("o-1", "ARGS is not JSON: "),
        ("", "ARGS is not JSON: "),
        ("[" * 100_000, "ARGS cannot be read as JSON: "),
        ("9" * 5000, "ARGS cannot be read as JSON: "),
        ('["o-1"]', "ARGS do not fit order(order_id: str, items: list[str]): missing a required argument: 'items'"),
        ('["o-1", [], 3]', "ARGS do not fit order(order_id: str, items: list[str]): too many positional arguments"),
        ('{"order": 1}', "ARGS do not fit order("),
        ('["o-1", ["a", 5]]', "ARGS do not fit order(order_id: str, items: list[str]): args.items[1]"),
        ("@not-there.json", "cannot read not-there.json: No such file or directory"),
        ("@.", "cannot read .: "),
        ("@binary", "binary is not UTF-8 text"),
        ("@bad.json", "bad.json is not JSON: "),
    ],
)
def test_arguments_that_do_not_fit_are_one_line_with_the_remedy(
    shell: Shell, command: str, arguments: str, told: str
) -> None:
    (shell.folder / "binary").write_bytes(b"\xff\xfe\x00")
    shell.write("bad.json", "{")
    assert shell.refused(command, "shop:order", arguments).startswith(told)
    assert not Path("romancy.db").exists()


def test_arguments_that_are_left_out_are_asked_for_unless_the_instance_exists(shell: Shell) -> None:
    assert "missing a required argument: 'order_id'" in shell.refused("run", "shop:order", "--id", "o-1")
    shell("start", "shop:order", '["o-1", ["book"]]', "--id", "o-1")
    assert shell.json("run", "shop:order", "--id", "o-1") == {"order_id": "o-1", "total": 4}


@pytest.mark.parametrize("instance_id", ["", "x" * 1001, "a\x00b"])
def test_an_id_that_cannot_be_stored_is_refused(shell: Shell, instance_id: str) -> None:
    assert "the id " in shell.refused("run", "shop:nap", "--id", instance_id)


def test_standard_input_that_is_no_text_is_refused(shell: Shell) -> None:
    assert "standard input is not UTF-8" in shell.refused("run", "shop:order", "-", stdin=b"\xff")


# -- the options of every command

READERS = [("list",), ("show", "x"), ("export", "x"), ("doctor",), ("check",)]
CHANGERS = [("cancel", "x"), ("retry", "x")]


@pytest.mark.parametrize("words", [*READERS, *CHANGERS])
def test_commands_about_what_is_there_make_no_database(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell.refused(*words) == "there is no database romancy.db: name it with --db or ROMANCY_DB"
    assert [file.name for file in shell.folder.iterdir()] == ["shop.py"]


@pytest.mark.parametrize("words", [*READERS, *CHANGERS, ("start", "shop:nap"), ("run", "shop:nap"), ("worker", "shop")])
def test_an_address_of_another_database_is_refused_without_its_password(shell: Shell, words: tuple[str, ...]) -> None:
    told = shell.refused(*words, "--db", "mysql://me:secret@host/db")
    assert told == "mysql:// databases are not supported: name a SQLite file or a postgresql:// URL"


@pytest.mark.parametrize("words", [("list",), ("cancel", "x"), ("run", "shop:nap"), ("migrate",), ("check",)])
def test_a_server_that_does_not_answer_is_named_without_its_password(shell: Shell, words: tuple[str, ...]) -> None:
    told = shell.refused(*words, "--db", "postgresql://me:secret@127.0.0.1:1/db")
    assert told.startswith("postgresql://me:***@127.0.0.1:1/db: ")
    assert "secret" not in told


@pytest.mark.parametrize("words", [("list",), ("cancel", "x"), ("start", "shop:nap"), ("worker", "shop")])
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("shop.py", "shop.py is no SQLite database"),
        (".", ". is a folder"),
        ("other.db", "other.db is the database of another program"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(
    shell: Shell, words: tuple[str, ...], file: str, told: str
) -> None:
    with sqlite3.connect("other.db") as other:
        other.execute("create table thing (x)")
    other.close()
    before = Path("other.db").read_bytes()
    assert shell.refused(*words, "--db", file).startswith(told)
    assert Path("other.db").read_bytes() == before
    assert Path("shop.py").read_text() == SHOP


def test_start_in_memory_is_refused_since_nothing_would_be_left(shell: Shell) -> None:
    assert "gone when this command ends" in shell.refused("start", "shop:nap", "--db", ":memory:")


def test_a_folder_that_is_missing_is_named(shell: Shell) -> None:
    assert "the folder nowhere is missing" in shell.refused("start", "shop:nap", "--db", "nowhere/x.db")


def test_the_database_comes_from_the_environment_and_the_option_wins(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROMANCY_DB", "from-env.db")
    shell("start", "shop:nap", "--id", "a")
    shell("start", "shop:nap", "--id", "b", "--db", "by-option.db")
    assert [each["id"] for each in shell.json("list", "--json")] == ["a"]
    assert [each["id"] for each in shell.json("list", "--json", "--db", "by-option.db")] == ["b"]
    assert not Path("romancy.db").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("lst",), "No such command 'lst'. Did you mean 'list'? See: romancy --help"),
        (("--nope",), "No such option '--nope'; see: romancy --help"),
        (("run",), "Missing argument 'MODULE:WORKFLOW'; see: romancy run --help"),
        (("worker",), "Missing argument 'MODULE...'; see: romancy worker --help"),
        (("show",), "Missing argument 'ID'; see: romancy show --help"),
        (("list", "--status", "lost"), "Invalid value for '--status': 'lost' is not one of 'pending', "),
        (("list", "--limit", "few"), "Invalid value for '--limit': 'few' is not a valid integer"),
        (("list", "--limit", "-1"), "Invalid value for '--limit': -1 is not in the range"),
        (("show", "x", "y"), "Got unexpected extra argument"),
    ],
)
def test_a_slip_of_the_fingers_is_one_line_and_exit_2(shell: Shell, words: tuple[str, ...], told: str) -> None:
    assert shell.refused(*words).startswith(told)


def test_the_version_is_that_of_the_package(shell: Shell) -> None:
    from importlib.metadata import version

    assert shell("--version").stdout == f"romancy {version('romancy')}\n"


EVERY_COMMAND = ["run", "start", "worker", "list", "show", "cancel", "retry", "export", "doctor", "check", "migrate"]


def test_every_command_takes_db_and_json_and_says_what_it_does_with_an_example(shell: Shell) -> None:
    assert sorted(main.commands) == sorted(EVERY_COMMAND)
    overview = shell("--help").stdout
    for name in EVERY_COMMAND:
        told = shell(name, "--help").stdout
        assert "--db FILE" in told and "--json" in told and "Examples:" in told
        assert f"romancy {name}" in told.partition("Examples:")[2]
        line = next(each for each in overview.splitlines() if each.startswith(f"  {name} "))
        assert line.endswith("."), "the overview shows the whole sentence"
        assert not line.endswith("...")


def _examples(shell: Shell, name: str) -> list[list[str]]:
    lines = shell(name, "--help").stdout.partition("Examples:")[2].partition("Options:")[0].splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def test_every_example_of_the_help_runs(shell: Shell, stuck: str) -> None:
    for instance_id in ("o-4", "-id-that-begins-with-a-dash"):
        shell("start", "shop:nap", f"--id={instance_id}")
    with sqlite3.connect("romancy.db") as connection:
        connection.execute("update instance set id = 'o-5' where id = ?", [stuck])
    connection.close()
    ran = 0
    for name in EVERY_COMMAND:
        for words in _examples(shell, name):
            assert words[0] == "romancy"
            shell(*words[1:])
            ran += 1
    assert ran >= 15


# -- start and worker


def test_start_prints_the_id_and_a_worker_finishes_it(shell: Shell) -> None:
    instance_id = shell("start", "shop:order", '["o", ["book"]]').stdout.strip()
    assert shell.json("list", "--json")[0]["status"] == "pending"
    result = shell("worker", "shop", "--until-idle", "--json")
    told = json.loads(result.stdout)
    assert told["workflows"] == ["nap", "order", "spread"]
    assert told["ended"] == {"completed": 1}
    first, last = result.stderr.splitlines()
    assert first == f"romancy: worker {told['worker']} on romancy.db runs nap, order, spread"
    assert last == f"romancy: worker {told['worker']} is done; it brought to an end: 1 completed"
    assert shell.json("show", instance_id, "--json")["result"] == {"order_id": "o", "total": 4}


def test_start_again_with_the_same_id_is_the_same_instance(shell: Shell) -> None:
    for _ in range(2):
        told = shell.json("start", "shop:order", '["o", ["book"]]', "--id", "o", "--json")
        assert told == {"id": "o", "workflow": "order", "status": "pending"}
    assert len(shell.json("list", "--json")) == 1


def test_a_worker_that_is_idle_leaves_what_sleeps(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    result = shell("worker", "shop.py", "--until-idle")
    assert "brought to an end: nothing" in result.stderr
    assert shell.json("show", "n", "--json")["status"] == "waiting"


def test_a_worker_without_workflows_is_refused(shell: Shell) -> None:
    shell.write("empty.py", "x = 1\n")
    assert shell.refused("worker", "empty").startswith("empty defines no workflow: ")
    assert shell.refused("worker", "shop:order") == "a worker takes modules: write shop for shop:order"
    assert shell.refused("worker", "shop", "nowhere").startswith("there is no module 'nowhere'")
    assert not Path("romancy.db").exists()


def test_a_package_that_defines_workflows_in_its_modules_is_one_for_a_worker(shell: Shell) -> None:
    (shell.folder / "firm").mkdir()
    shell.write("firm/__init__.py", "from firm import inner\n")
    shell.write("firm/inner.py", SHOP)
    result = shell("worker", "firm", "--until-idle", "--json")
    assert json.loads(result.stdout)["workflows"] == ["nap", "order", "spread"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight_and_exits_0(shell: Shell, number: int) -> None:
    shell("start", "shop:order", '["o", ["slow"]]', "--id", "o")
    shell("start", "shop:nap", "--id", "n")
    worker = shell.process("worker", "shop", "--json")
    try:
        _wait_for(Path("effects").exists)
        worker.send_signal(number)
        Path("release").touch()
        stdout, stderr = worker.communicate(timeout=20)
    finally:
        worker.kill()
    assert worker.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert json.loads(stdout)["ended"] == {"completed": 1}
    assert shell.json("show", "o", "--json")["result"] == {"order_id": "o", "total": 4}
    with contextlib.closing(SqliteStore("romancy.db", read_only=True)) as store:
        assert store.leases() == []


# -- list

HOSTILE = "\x1b[2J\x07\u202eexe\x9b31m\u2028'; drop table instance --"


def test_a_list_shows_every_instance_in_the_order_of_creation(shell: Shell) -> None:
    assert shell("start", "shop:nap", "--id", "n").stdout == "n\n"
    shell("run", "shop:order", '["o", ["broken"]]', "--id", "o", status=1)
    lines = shell("list").stdout.splitlines()
    assert lines[0].split() == ["id", "workflow", "status", "created", "changed", "next", "error"]
    assert [line.split()[:3] for line in lines[2:]] == [["n", "nap", "waiting"], ["o", "order", "failed"]]
    assert "in 60 min" in lines[2] or "in 59 min" in lines[2] or "in 1 h" in lines[2]
    keys = {"id", "workflow", "version", "status", "run", "created", "changed", "wake_at", "error"}
    told = shell.json("list", "--json")
    assert all(each.keys() == keys for each in told)
    assert told[0]["version"] == "3"
    assert told[1]["wake_at"] is None


def test_a_list_is_filtered_and_read_page_by_page(shell: Shell) -> None:
    for number in range(5):
        shell("start", "shop:nap" if number % 2 else "shop:spread", f"[{number}]", "--id", f"i-{number}")
    shell("cancel", "i-1")
    shell("worker", "shop", "--until-idle")

    def ids(*words: str) -> list[str]:
        return [each["id"] for each in shell.json("list", "--json", *words)]

    assert ids("--workflow", "nap") == ["i-1", "i-3"]
    assert ids("--status", "completed") == ["i-0", "i-2", "i-4"]
    assert ids("--status", "cancelled", "--workflow", "nap") == ["i-1"]
    assert ids("--workflow", "' or 1=1 --") == []
    assert ids("--limit", "2") == ["i-0", "i-1"]
    assert ids("--limit", "2", "--after", "i-1") == ["i-2", "i-3"]
    assert ids("--limit", "0") == [f"i-{number}" for number in range(5)]
    assert shell("list", "--limit", "2").stderr == "romancy: there are more; go on with --after i-1\n"
    assert shell("list", "--limit", "5").stderr == ""
    assert "there is no instance 'i-9'" in shell.refused("list", "--after", "i-9")


def test_an_empty_list_says_so_and_is_empty_for_programs(shell: Shell) -> None:
    SqliteStore("romancy.db").close()
    result = shell("list")
    assert (result.stdout, result.stderr) == ("", "no instances\n")
    assert shell.json("list", "--json") == []


def test_nothing_that_is_stored_reaches_the_terminal_as_a_command(shell: Shell) -> None:
    shell("start", "shop:order", json.dumps([HOSTILE, [HOSTILE, "broken"]]), "--id", HOSTILE)
    shell("worker", "shop", "--until-idle")
    printed = [
        shell(*words).stdout
        for command in ("list", "show", "export", "doctor")
        for words in ([command, HOSTILE], [command, HOSTILE, "--json"])
        for words in ([word for word in words if command in ("show", "export") or word != HOSTILE],)
    ]
    printed.append(shell("list", "--after", "nobody\x1b[2J", status=2).stderr)
    printed.append(shell("run", "shop:order", "--id", HOSTILE, status=1).stderr)
    for text in printed:
        assert all(each.isprintable() or each == "\n" for each in text)
    assert shell.json("list", "--json")[0]["id"] == HOSTILE
    assert shell.json("show", HOSTILE, "--json")["input"]["order_id"] == HOSTILE
    assert "\\x1b[2J\\x07\\u202eexe" in shell("list").stdout


# -- show


@activity(retry=RetryPolicy(max_attempts=5, initial_delay=30.0, jitter=False, max_duration=1e6))
def cli_flaky() -> None:
    raise ConnectionError("no line\ntoday")


@activity
def cli_quick(number: int) -> int:
    return number


@workflow
def cli_retrying(ctx: Context) -> Flow[None]:
    yield cli_quick(7)
    yield cli_flaky()


@workflow
def cli_child(ctx: Context) -> Flow[str]:
    yield sleep(hours=2)
    return "grown"


@workflow
def cli_parent(ctx: Context) -> Flow[None]:
    yield gather(cli_child().options(id="kid"), cli_quick(1), cli_counting(3).options(id="done"))


@workflow
def cli_counting(ctx: Context, number: int) -> Flow[int]:
    yield cli_quick(number)
    if number < 3:
        yield recur(number + 1)
    return number


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(time.time())


@pytest.fixture
def app(shell: Shell, clock: VirtualClock) -> Iterator[Romancy]:
    known = [cli_retrying, cli_child, cli_parent, cli_counting]
    with Romancy("romancy.db", worker=False, clock=clock, workflows=known) as app:
        yield app


def test_an_activity_between_two_attempts_is_shown_with_its_error_and_the_next_attempt(
    shell: Shell, app: Romancy, clock: VirtualClock
) -> None:
    app.start(cli_retrying(), id="r")
    app.run_until_idle()
    clock.advance(31)
    app.run_until_idle()
    told = shell.json("show", "r", "--json")
    assert told["status"] == "waiting"
    _, quick, flaky = told["history"]
    assert (quick["what"], quick["status"], quick["attempts"], quick["result"]) == ("cli_quick", "completed", 1, 7)
    assert (flaky["step"], flaky["status"], flaky["attempts"]) == ("2", "retrying", 2)
    assert [each["type"] for each in flaky["errors"]] == ["ConnectionError", "ConnectionError"]
    assert "no line" in flaky["errors"][0]["traceback"]
    assert told["waits_for"] == [{"what": "step 2, cli_flaky: its next attempt", "due": flaky["next_attempt"]}]
    table = shell("show", "r").stdout
    row = next(line for line in table.splitlines() if line.startswith("2 "))
    assert "retrying" in row and "ConnectionError: no line; today, next attempt in 1 min" in row


def test_children_that_are_not_done_are_what_a_parent_waits_for(shell: Shell, app: Romancy) -> None:
    app.start(cli_parent(), id="p")
    app.run_until_idle()
    assert app.get("done").status == "completed"
    assert shell.json("show", "p", "--json")["waits_for"] == [{"what": "child kid (waiting)", "due": None}]
    kid = shell.json("show", "kid", "--json")
    assert kid["parent"] == {"id": "p", "step": "1.1"}
    assert [each["what"] for each in kid["waits_for"]] == ["a timer"]
    lines = shell("show", "kid").stdout.splitlines()
    assert any(line.split() == ["parent", "p,", "step", "1.1"] for line in lines)
    assert any(line.startswith("waits for  a timer, due ") and "(in " in line for line in lines)


def test_a_child_that_ended_is_one_row_of_its_parent(shell: Shell, app: Romancy, clock: VirtualClock) -> None:
    app.start(cli_parent(), id="p")
    app.run_until_idle()
    clock.advance(hours=2)
    app.run_until_idle()
    told = shell.json("show", "p", "--json")
    assert told["waits_for"] == []
    row = next(each for each in told["history"] if each["step"] == "1.1")
    assert (row["what"], row["status"], row["child"], row["result"]) == (
        "workflow cli_child",
        "completed",
        "kid",
        "grown",
    )


def test_earlier_runs_stay_readable_each_with_its_own_input(shell: Shell, app: Romancy) -> None:
    app.start(cli_counting(1), id="c")
    app.run_until_idle()
    last = shell.json("show", "c", "--json")
    first = shell.json("show", "c", "--run", "1", "--json")
    assert (last["run"], last["runs"], last["input"], last["result"]) == (3, 3, {"number": 3}, 3)
    assert (first["run"], first["input"], first["result"]) == (1, {"number": 1}, None)
    assert first["history"][-1]["status"] == "recurred"
    assert "run       1 of 3" in shell("show", "c", "--run", "1").stdout
    assert shell.refused("show", "c", "--run", "4") == "instance 'c' has no run 4: its last is 3"


def test_an_instance_without_a_worker_waits_for_one_and_names_what_it_has_not_read(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    shell("cancel", "n")
    worker, letter = shell.json("show", "n", "--json")["waits_for"]
    assert worker["what"] == "a worker that knows workflow 'nap'"
    assert letter["what"].startswith("cancel, unread since ")


def test_an_instance_that_a_worker_holds_names_it_and_one_whose_worker_is_gone_says_so(shell: Shell) -> None:
    shell("start", "shop:order", '["o", ["slow"]]', "--id", "o")
    worker = shell.process("worker", "shop")
    try:
        _wait_for(Path("effects").exists)
        held = shell.json("show", "o", "--json")
        assert held["status"] == "running"
        assert held["waits_for"][0]["what"].endswith(f"which runs it (process {worker.pid})")
    finally:
        worker.kill()
        worker.communicate()
    waits = shell.json("show", "o", "--json")["waits_for"]
    assert waits == [{"what": "another worker, since the one that held it is gone", "due": None}]
    assert "fail  workers" in shell("doctor", status=1).stdout


def test_show_says_by_a_replay_which_calls_are_pending_where_the_module_is_imported(shell: Shell) -> None:
    shell("start", "shop:nap", "5", "--id", "n")
    shell("worker", "shop", "--until-idle")
    (wait,) = shell.json("show", "n", "--import", "shop", "--json")["waits_for"]
    assert wait["what"] == "step 1, a sleep"
    assert wait["due"] == shell.json("list", "--json")[0]["wake_at"]
    shell.write("shop.py", OTHER_NAP)
    (wait,) = shell.json("show", "n", "--import", "shop", "--json")["waits_for"]
    assert wait["what"].startswith("somebody to mend it, since a replay says: args: ")
    shell.write("elsewhere.py", SHOP.replace("def nap", "def doze"))
    assert "elsewhere does not define workflow 'nap'" in shell.refused("show", "n", "--import", "elsewhere")


def test_a_look_at_what_waits_at_its_first_step_logs_nothing_of_its_workflow(
    shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    shell.write("loud.py", LOUD)
    shell("start", "loud:nap", "--id", "n")
    shell("worker", "loud", "--until-idle")
    assert [record.getMessage() for record in caplog.records] == ["[n] it is late"]
    assert "step 1, a sleep" in shell("show", "n", "--import", "loud").stdout
    assert len(caplog.records) == 1


def test_show_and_list_import_nothing_by_themselves(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    shell.write("shop.py", "raise SystemExit('it was imported')\n")
    for words in (["list"], ["show", "n"], ["export", "n"], ["doctor"], ["cancel", "n"]):
        shell(*words)
    assert "shop" not in sys.modules


def test_what_went_wrong_in_a_compensation_is_shown(shell: Shell) -> None:
    shell("run", "shop:order", '["o", ["glued", "broken"]]', "--id", "o", status=1)
    told = shell.json("show", "o", "--json")
    assert told["error"]["type"] == "ValueError"
    assert [each["message"] for each in told["compensation_errors"]] == ["it cannot be put back"]
    undo = next(each for each in told["history"] if each["step"] == "c1")
    assert undo["what"] == "put_back (compensation)"
    table = shell("show", "o").stdout
    assert "a compensation failed: RuntimeError: it cannot be put back" in table


def test_an_unknown_instance_is_one_line(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    for command in ("show", "export", "cancel", "retry"):
        told = shell.refused(command, "nobody")
        assert told == "there is no instance 'nobody' in romancy.db: romancy list shows those that are"


def test_an_id_that_begins_with_a_dash_stands_behind_two_dashes(shell: Shell) -> None:
    shell("start", "shop:nap", "--id=--db")
    for command in ("show", "export", "cancel"):
        assert "--db" in shell(command, "--", "--db").stdout


def test_a_damaged_history_is_told_beside_what_can_be_read(shell: Shell) -> None:
    shell("run", "shop:spread", "1", "--id", "x")
    with sqlite3.connect("romancy.db") as connection:
        connection.execute("update history set kind = 'os.system' where seq = 1")
    connection.close()
    result = shell("show", "x", status=1)
    assert "status    completed" in result.stdout
    assert "'os.system' is no kind of event that is known here" in result.stderr
    assert "'os.system'" in shell.json("show", "x", "--json", status=1)["damage"]
    assert "'os.system'" in shell.refused("export", "x")


# -- the rows of a history

ONCE = {"step": "3", "name": "charge"}


def test_attempts_of_one_activity_are_one_row_with_its_completion() -> None:
    error = encode_error(ValueError("no"))
    rows = steps(
        [
            WorkflowStarted(at=10.0),
            AttemptFailed(at=11.0, attempt=1, error=error, due=12.0, started=10.5, **ONCE),
            TimerFired(at=11.5, step="4"),
            AttemptFailed(at=12.5, attempt=2, error=error, due=14.0, started=12.0, **ONCE),
            ActivityCompleted(at=14.5, attempt=3, result="5", started=14.0, **ONCE),
        ]
    )
    assert [each.step for each in rows] == ["", "3", "4"]
    row = rows[1].fields()
    assert (row["status"], row["attempts"], row["seconds"], row["result"]) == ("completed", 3, 4.0, 5)
    assert [each["message"] for each in row["errors"]] == ["no", "no"]
    assert row["next_attempt"] is None
    assert rows[1].cells(20.0)[-1] == "5, before: ValueError: no"


def test_an_activity_that_is_in_flight_once_is_a_row_that_has_started() -> None:
    (row,) = steps([ActivityStarted(at=1.0, attempt=1, **ONCE)])
    assert (row.status, row.attempts, row.started, row.ended) == ("started", 1, 1.0, None)


def test_an_activity_that_failed_for_good_shows_its_last_error() -> None:
    failed = ActivityFailed(at=3.5, attempt=1, error=encode_error(KeyError("x")), started=1.0, **ONCE)
    (row,) = steps([failed])
    assert row.cells(9.0)[2:4] == ["failed", "1"]
    assert row.cells(9.0)[5:] == ["2.5 s", "KeyError: 'x'"]


# -- cancel and retry


def test_cancel_is_durable_and_says_what_it_waits_for(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    assert shell("cancel", "n").stdout == "n is asked to cancel; no worker runs, so it waits for one\n"
    shell("worker", "shop", "--until-idle")
    assert shell.json("list", "--json")[0]["status"] == "cancelled"
    assert shell("cancel", "n").stdout == "n has ended already: it is cancelled\n"
    assert shell.json("cancel", "n", "--json") == {"id": "n", "status": "cancelled"}


def test_to_cancel_what_has_ended_changes_nothing_and_says_so(shell: Shell) -> None:
    shell("run", "shop:spread", "1", "--id", "x")
    shell("run", "shop:order", '["o", ["broken"]]', "--id", "y", status=1)
    before = [shell("export", each, "--rows").stdout for each in "xy"]
    assert shell("cancel", "x").stdout == "x has ended already: it is completed\n"
    assert shell("cancel", "y").stdout == "y has ended already: it is failed\n"
    assert shell.json("cancel", "x", "--json") == {"id": "x", "status": "completed"}
    assert [shell("export", each, "--rows").stdout for each in "xy"] == before
    assert "there is no instance 'z'" in shell.refused("cancel", "z")


def test_what_has_ended_cannot_be_retried(shell: Shell) -> None:
    shell("run", "shop:spread", "1", "--id", "x")
    assert shell.refused("retry", "x") == "instance 'x' is completed: only a stuck instance can be retried"


def test_a_stuck_instance_goes_on_after_retry(shell: Shell, stuck: str) -> None:
    assert shell.json("list", "--json")[0]["status"] == "stuck"
    assert "romancy retry s-1" in shell("cancel", stuck).stdout
    shown = shell("show", stuck).stdout
    assert "waits for  somebody to mend it" in shown
    assert "cancel, unread since" in shown
    assert shell("retry", stuck).stdout == "s-1 goes on; no worker runs, so it waits for one\n"
    shell("worker", "shop", "--until-idle")
    assert shell.json("list", "--json")[0]["status"] == "cancelled"


# -- export


def test_an_export_holds_every_field_of_every_event_of_every_run(shell: Shell, app: Romancy) -> None:
    handle = app.start(cli_counting(1), id="c")
    app.run_until_idle()
    told = shell.json("export", "c")
    instance = told["instance"]
    assert (instance["id"], instance["workflow"], instance["status"]) == ("c", "cli_counting", "completed")
    assert instance["input"] == '{"number":1}'
    assert len(instance["seed"]) == 32
    assert len(told["runs"]) == 3
    for number, run in enumerate(told["runs"], 1):
        wanted = [{"kind": each.kind, **attrs.asdict(each)} for each in handle.history(run=number)]
        assert run == wanted


def test_an_export_never_overwrites_a_file(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "n")
    assert shell("export", "n", "--output", "n.json").stdout == ""
    assert json.loads(Path("n.json").read_text())["instance"]["id"] == "n"
    assert Path("n.json").stat().st_mode & 0o777 == 0o600
    before = Path("n.json").read_bytes()
    assert "n.json exists, and is not overwritten" in shell.refused("export", "n", "--output", "n.json")
    assert Path("n.json").read_bytes() == before
    assert "cannot write nowhere/n.json: No such file" in shell.refused("export", "n", "--output", "nowhere/n.json")


# -- looking changes nothing


def _digest() -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in Path().glob("romancy.db*")}


@pytest.mark.parametrize("words", [("list",), ("show", "n"), ("export", "n"), ("doctor",), ("check",)])
def test_commands_that_look_change_no_byte_and_need_no_lock(shell: Shell, words: tuple[str, ...]) -> None:
    shell("start", "shop:nap", "--id", "n")
    before = _digest()
    assert list(before) == ["romancy.db"]
    shell(*words)
    assert _digest() == before
    with sqlite3.connect("romancy.db", isolation_level=None) as writer:
        writer.execute("begin immediate")
        writer.execute("update instance set changed = 0")
        shell(*words)
        writer.execute("rollback")
    writer.close()


# -- doctor


def _checks(shell: Shell, status: int = 0) -> dict[str, dict[str, str]]:
    told = shell.json("doctor", "--json", status=status)
    assert told["healthy"] is (status == 0)
    return {each["check"]: each for each in told["checks"]}


def test_a_healthy_database_passes_every_check(shell: Shell) -> None:
    shell("run", "shop:spread", "1")
    checks = _checks(shell)
    assert {name for name, each in checks.items() if each["status"] != "ok"} <= {"sqlite"}
    lines = shell("doctor").stdout.splitlines()
    assert len(lines) == len(checks)
    assert all(line.split()[0] in ("ok", "warn") for line in lines)
    assert sqlite3.sqlite_version in checks["sqlite"]["told"]


def test_a_stuck_instance_is_something_wrong(shell: Shell, stuck: str) -> None:
    checks = _checks(shell, status=1)
    assert checks["stuck"]["status"] == "fail"
    assert "'s-1'" in checks["stuck"]["told"] and "romancy retry" in checks["stuck"]["told"]


def test_a_lease_that_expired_is_something_wrong_and_a_living_one_is_not(shell: Shell, clock: VirtualClock) -> None:
    with Romancy("romancy.db", worker_id="alive"):
        assert _checks(shell)["workers"]["told"].startswith("'alive' (process ")
    store = SqliteStore("romancy.db")
    store.register(WorkerIdentity(id="lost", host="elsewhere", pid=1, born="x"), clock() - 100, clock() - 70)
    store.close()
    worker = _checks(shell, status=1)["workers"]
    assert worker["status"] == "fail"
    assert "'lost' (process 1, lease expired 1 min" in worker["told"]


def test_work_without_a_worker_is_a_warning(shell: Shell) -> None:
    shell("start", "shop:nap")
    assert _checks(shell)["instances"]["told"] == "1 pending; no worker runs: start one with romancy worker MODULE"


def test_damaged_pages_are_something_wrong(shell: Shell) -> None:
    for _ in range(3):
        shell("start", "shop:nap")
    connection = sqlite3.connect("romancy.db")
    page = connection.execute("select rootpage from sqlite_master where name = 'instance_status'").fetchone()[0]
    size = connection.execute("pragma page_size").fetchone()[0]
    connection.close()
    with Path("romancy.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    result = shell("doctor", status=1)
    assert "fail" in result.stdout and "restore a backup" in result.stdout


def test_a_database_whose_log_was_taken_away_is_something_wrong(shell: Shell) -> None:
    with Romancy("romancy.db", worker=False) as app:
        app.start(cli_child(), id="acknowledged")
        shutil.copy("romancy.db", "copy.db")
    result = shell("doctor", "--db", "copy.db", status=1)
    assert "copy.db-wal is missing" in result.stdout
    assert "copy.db-wal is missing" in shell.refused("list", "--db", "copy.db")
    assert "copy.db-wal is missing" in shell.refused("start", "shop:nap", "--db", "copy.db")


def test_another_journal_mode_and_open_permissions_are_warnings(shell: Shell) -> None:
    shell("start", "shop:nap")
    connection = sqlite3.connect("romancy.db")
    connection.execute("pragma journal_mode = delete")
    connection.close()
    Path("romancy.db").chmod(0o644)
    checks = _checks(shell)
    assert (checks["pragmas"]["status"], checks["permissions"]["status"]) == ("warn", "warn")
    assert "journal_mode = delete" in checks["pragmas"]["told"]
    shell("worker", "shop", "--until-idle")
    assert _checks(shell)["pragmas"]["status"] == "ok"


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ((3, 34, 1), FAIL),
        ((3, 40, 1), WARN),
        ((3, 44, 5), WARN),
        ((3, 44, 6), OK),
        ((3, 45, 0), WARN),
        ((3, 50, 6), WARN),
        ((3, 50, 7), OK),
        ((3, 51, 0), WARN),
        ((3, 51, 2), WARN),
        ((3, 51, 3), OK),
        ((3, 53, 1), OK),
    ],
)
def test_versions_of_sqlite_are_told_apart_by_their_known_faults(version: tuple[int, ...], status: str) -> None:
    assert library(version).status == status


MOUNTS = r"""41 40 8:2 / /srv/my\040share/disk rw master:2 - xfs /dev/sdb1 rw
40 22 0:44 / /srv/my\040share rw - nfs4 host:/x rw
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/var/x.db", OK, "ext4"),
        ("/srv/my share/x.db", FAIL, "nfs4 is a network file system"),
        ("/srv/my share/disk/x.db", OK, "xfs"),
        ("/srv/my shared/x.db", OK, "ext4"),
    ],
)
def test_a_network_file_system_is_something_wrong(path: str, status: str, told: str) -> None:
    check = file_system(Path(path), MOUNTS)
    assert check.status == status
    assert check.told.startswith(told)


@pytest.mark.parametrize(("free", "status"), [(10**10, OK), (5 * 10**7, WARN), (10**6, FAIL)])
def test_a_disk_that_is_nearly_full_is_something_wrong(free: int, status: str) -> None:
    assert space(free).status == status


# -- what a terminal is given


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain é 漢 😀", "plain é 漢 😀"),
        ("\x1b[31m\x00\x7f\x9b", "\\x1b[31m\\x00\\x7f\\x9b"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\u202e\u2066\ud800", "\\u202e\\u2066\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, wanted: str) -> None:
    assert visible(text) == wanted


def test_json_for_terminals_is_the_same_json() -> None:
    value = {"\x1b": ["\x7f\u202e\ud800\U000e0001", "é", 10**30, None], "\n": {"deep": [1.5]}}
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert json.loads(text) == value
        assert all(each.isprintable() or each == "\n" for each in text)
    assert "é" in json_text(value)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0.0, "0 ms"),
        (-1.0, "0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (125.0, "2 min 5 s"),
        (3599.9, "1 h"),
        (3725.0, "1 h 2 min"),
        (86399.9, "1 d"),
        (90000.0, "1 d 1 h"),
        (8.64e7, "1000 d"),
    ],
)
def test_lengths_of_time_are_told_in_two_units(seconds: float, wanted: str) -> None:
    assert length(seconds) == wanted


# -- real processes


def test_ctrl_c_says_how_to_go_on_and_that_command_does(shell: Shell) -> None:
    process = shell.process("run", "shop:order", '["o", ["book", "slow", "pen"]]')
    try:
        _wait_for(lambda: Path("effects").exists() and "slow" in Path("effects").read_text())
        process.send_signal(signal.SIGINT)
        line = process.stderr.readline()
        Path("release").touch()
        stdout, rest = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, stdout, rest) == (130, "", "")
    again = shlex.split(line.partition("go on with: ")[2])
    assert again[:3] == ["romancy", "run", "shop:order"]
    assert shell.json(*again[1:]) == {"order_id": "o", "total": 11}
    assert Path("effects").read_text().split() == ["book", "slow", "pen"]


def test_a_second_ctrl_c_ends_at_once(shell: Shell) -> None:
    process = shell.process("run", "shop:order", '["o", ["slow"]]', "--id", "o")
    try:
        _wait_for(Path("effects").exists)
        process.send_signal(signal.SIGINT)
        line = process.stderr.readline()
        assert line.endswith("go on with: romancy run shop:order --id o\n")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
        assert (process.returncode, stderr) == (130, "")
        Path("release").touch()
        assert shell.json("run", "shop:order", "--id", "o") == {"order_id": "o", "total": 4}
    finally:
        process.kill()
        process.communicate()


SPIN = """
from pathlib import Path

from romancy import Context, sleep, workflow


@workflow
def spin(ctx: Context):
    Path("spins").touch()
    while True:
        pass
    yield sleep(0)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_worker_whose_code_never_yields_and_names_it(
    shell: Shell, number: int, status: int
) -> None:
    shell.write("spin.py", SPIN)
    shell("start", "spin:spin", "--id", "s-1")
    process = shell.process("worker", "spin")
    try:
        _wait_for(Path("spins").exists)
        _signal_until_it_ends(process, number)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == status
    told = stderr.rpartition("romancy: the workflow code of ")[2]
    assert told.startswith("instance 's-1' runs and does not yield")
    assert f'{shell.folder / "spin.py"}", line' in told
    assert told.endswith("\nthis worker ends without it, as one that is killed\n")
    assert "Traceback" not in stderr
    assert shell.json("check", "--json") == {"healthy": True, "findings": []}
    assert shell.json("export", "s-1")["runs"] == [[]], "nothing of it was written"


def _signal_until_it_ends(process: subprocess.Popen[str], number: int) -> None:
    """Two that come at once are one to the interpreter."""
    for _ in range(8):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3.0)
            return


def test_a_long_run_shows_its_progress_on_a_terminal_and_only_there(shell: Shell) -> None:
    ours, theirs = pty.openpty()
    process = shell.process("run", "shop:order", '["o", ["book", "slow"]]', "--id", "o", stderr=theirs)
    os.close(theirs)
    seen = ""
    try:
        while "step 1 reserve done" not in seen:
            seen += os.read(ours, 1024).decode()
        Path("release").touch()
        stdout, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(ours)
    assert process.returncode == 0
    assert json.loads(stdout) == {"order_id": "o", "total": 8}
    assert "o running · 1 completed · step 1 reserve done · " in seen
    assert seen.startswith("\r\x1b[2K")


def test_a_reader_that_goes_away_ends_a_command_in_silence(shell: Shell) -> None:
    for number in range(3):
        shell("start", "shop:nap", "--id", f"{number}" + "x" * 900)
    for words in (["list"], ["list", "--json"], ["--help"], ["list", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = shell.process(*words, stdout=writing)
        os.close(writing)
        _, stderr = process.communicate(timeout=20)
        assert (process.returncode, stderr) == (141, "")


def test_a_character_that_the_terminal_lacks_is_spelled_out(shell: Shell) -> None:
    shell("start", "shop:nap", "--id", "é漢")
    told = subprocess.run(
        [_romancy(), "list"], cwd=shell.folder, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}
    )
    assert told.returncode == 0
    assert b"\xe9\\u6f22" in told.stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [(["run", "shop:order", '["o", ["broken"]]'], 1), (["run", "shop:oder"], 2), (["list"], 2), (["--version"], 0)],
)
def test_a_process_ends_with_its_status_and_one_line(shell: Shell, words: list[str], status: int) -> None:
    process = shell.process(*words)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == status
    assert (stdout + stderr).count("\n") == 1


def test_the_package_is_run_as_the_command(shell: Shell) -> None:
    words = ["show", "nothing", "more"]
    told = subprocess.run([sys.executable, "-m", "romancy", *words], cwd=shell.folder, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == shell(*words, status=2).stderr


def test_looking_loads_nothing_that_only_running_needs(shell: Shell) -> None:
    shell("start", "shop:nap")
    code = (
        "import sys\nfrom romancy.cli import main\nmain(['list', '--json'], standalone_mode=False)\n"
        "print(sorted({'libcst', 'tabulate', 'sqlite_utils', 'romancy.cli.targets', 'romancy.cli.doctor'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=shell.folder, capture_output=True, text=True)
    assert told.stderr == "[]\n"
