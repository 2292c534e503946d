"""`replays` tells where the code of today departs from what `romancy export` wrote, and what is no history of it."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from romancy import Context, Flow, Workflow, activity, gather, sleep, workflow
from romancy.cli import main
from romancy.errors import DefinitionError
from romancy.history import Event
from romancy.testing import Sandbox, VirtualClock, replays
from tests.histories import __main__ as making
from tests.histories import programs

KEPT = Path(programs.__file__).parent
VERSIONS = sorted(
    (each for each in KEPT.iterdir() if list(each.glob("*.json"))),
    key=lambda each: list(map(int, each.name.split("."))),
)


@activity
def price(item: str) -> int:
    return len(item)


@activity
def pay(amount: int) -> str:
    return f"paid {amount}"


def undo(item: str) -> None: ...


@activity(compensate=undo)
def reserve(item: str) -> None: ...


@workflow
def order(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    yield sleep(60)
    return (yield from pay(amount))


def changed(fn: Any) -> Workflow[Any, Any]:
    """Another version of the workflow `order`."""
    other: Workflow[Any, Any] = workflow(name="order")(fn)
    return other


def paid_twice(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    yield pay(amount)
    yield sleep(60)
    return (yield from pay(amount))


def longer(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    yield sleep(60)
    yield pay(amount)
    return (yield from pay(amount))


def shorter(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    return f"paid {amount}"
    yield


def other_order(ctx: Context, item: str) -> Flow[str]:
    yield sleep(60)
    amount = yield from price(item)
    return (yield from pay(amount))


def other_result(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    yield sleep(60)
    return (yield from pay(amount)) + "!"


def raising(ctx: Context, item: str) -> Flow[str]:
    yield from order.fn(ctx, item)
    raise ValueError("too late")


def other_arguments(ctx: Context, item: str) -> Flow[str]:
    amount = yield from price(item)
    yield sleep(600)
    yield pay(amount + 1)
    return f"paid {amount}"


def other_input(ctx: Context, item: int) -> Flow[str]:
    yield price(str(item))
    return ""


def with_gather(ctx: Context, item: str) -> Flow[str]:
    ((amount,), _) = yield from gather(gather(price(item)), sleep(60))
    return (yield from pay(amount))


@pytest.fixture
def export(tmp_path):
    """Write the history of an instance of a file to a file, as an operator would."""

    def export(app: Sandbox, id: str) -> Path:
        target = tmp_path / f"{id}.json"
        target.unlink(missing_ok=True)
        done = CliRunner().invoke(main, ["export", id, "--db", app.database, "--output", str(target)])
        assert done.exit_code == 0, done.output
        return target

    return export


@pytest.fixture
def app(tmp_path):
    with Sandbox(tmp_path / "app.db") as app:
        yield app


@pytest.fixture
def completed(app, export) -> Path:
    app.run(order("hat"), id="completed")
    return export(app, "completed")


@pytest.fixture
def waiting(app, export) -> Path:
    app.start(order("hat"), id="waiting")
    return export(app, "waiting")


def edited(path: Path, edit: Any) -> Path:
    told = json.loads(path.read_text("utf-8"))
    edit(told)
    path.write_text(json.dumps(told), "utf-8")
    return path


# -- kept histories


@pytest.mark.parametrize("folder", VERSIONS, ids=[each.name for each in VERSIONS])
def test_the_histories_of_every_version_still_replay(folder):
    replayed = sum(
        replays(each, f"{folder}/{each.__name__.removeprefix('kept_')}-*.json") for each in programs.WORKFLOWS
    )
    assert replayed == len(list(folder.glob("*.json"))) >= 12


@pytest.mark.parametrize("folder", VERSIONS, ids=[each.name for each in VERSIONS])
def test_every_kind_of_event_and_ending_is_kept(folder):
    told = [json.loads(each.read_text("utf-8")) for each in folder.glob("*.json")]
    kinds = {event["kind"] for each in told for run in each["runs"] for event in run}
    assert kinds == {each.kind for each in get_args(Event)}
    assert {each["instance"]["status"] for each in told} == {"completed", "failed", "cancelled", "waiting"}
    assert any(len(each["runs"]) > 2 for each in told)


def test_the_histories_of_this_version_are_made_again_as_they_are_kept(tmp_path):
    """Where they differ, a release between has to keep both: `python -m tests.histories tests/histories/VERSION`."""
    making.make(tmp_path)
    kept = {each.name: each.read_text("utf-8") for each in VERSIONS[-1].iterdir()}
    assert {each.name: each.read_text("utf-8") for each in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("folder", VERSIONS, ids=[each.name for each in VERSIONS])
def test_a_kept_history_of_which_anything_is_missing_does_not_replay(folder, tmp_path):
    """Each event counts: without it, the code of today comes to another end."""
    kept = folder / "order-failed.json"
    events = json.loads(kept.read_text("utf-8"))["runs"][0]
    for place, event in enumerate(events):
        if event["kind"] != "attempt_failed":
            copy = tmp_path / f"{place}.json"
            copy.write_bytes(kept.read_bytes())
            with pytest.raises(AssertionError, match=rf"(?s)1 recorded run does not.*{place}\.json: run 1:"):
                replays(programs.order, edited(copy, lambda told, place=place: told["runs"][0].pop(place)))


# -- what fits


def test_what_ended_and_what_waits_replays(completed, waiting):
    assert replays(order, completed) == 1
    assert replays(order, str(completed), waiting, completed) == 2


def test_what_failed_was_undone_or_cancelled_replays(app, export):
    @workflow
    def undone(ctx: Context) -> Flow[None]:
        yield reserve("hat")
        yield sleep(5)
        raise ValueError("no hat")

    app.start(undone(), id="failed")
    app.start(undone(), id="cancelled").cancel()
    app.advance(10)
    assert [each.status for each in app.instances()] == ["failed", "cancelled"]
    assert replays(undone, export(app, "failed"), export(app, "cancelled"), strict=True) == 2


def test_what_has_not_begun_replays(tmp_path, export):
    with Sandbox(tmp_path / "app.db", at_once=False) as app:
        app.start(order("hat"), id="pending")
        assert app.get("pending").status == "pending"
        assert replays(order, export(app, "pending")) == 1


def test_what_recorded_its_last_step_and_has_not_gone_on_replays(completed):
    """An activity with `session()` records itself; its instance runs still, until the workflow has gone on."""

    def unfinished(told: Any) -> None:
        told["runs"][0].pop()
        told["instance"]["status"] = "running"

    assert replays(order, edited(completed, unfinished)) == 1


def test_what_is_stuck_replays_once_the_code_is_mended(app, export, waiting):
    with Sandbox(app.database, worker_id="other", clock=VirtualClock(2e9), workflows=[changed(other_order)]) as other:
        app.close()
        other.advance(3600)
        assert other.get("waiting").status == "stuck"
        stuck = export(other, "waiting")
    assert replays(order, stuck) == 1
    with pytest.raises(AssertionError, match="1 recorded run does not replay with other_order"):
        replays(changed(other_order), stuck)


def test_what_is_stuck_on_its_last_step_replays_once_the_code_is_mended(app, export):
    answers = [1, 2, 3]

    @workflow
    def uncertain(ctx: Context) -> Flow[int]:
        yield price("hat")
        return answers.pop() if len(answers) > 1 else answers[0]

    assert app.start(uncertain(), id="stuck").status == "stuck"
    assert len(answers) == 1
    assert replays(uncertain, export(app, "stuck")) == 1


def test_a_change_that_is_patched_replays_on_both_sides(app, completed, export):
    def patched(ctx: Context, item: str) -> Flow[str]:
        amount = yield from price(item)
        if ctx.patched("discount"):
            amount -= 1
            yield price("discount")
        yield sleep(60)
        return (yield from pay(amount))

    newer = changed(patched)
    app.run(newer("hat"), id="patched")
    with_patch = export(app, "patched")
    assert replays(newer, completed, with_patch) == 2
    with pytest.raises(AssertionError, match=r"patched\.json: run 1"):
        replays(order, with_patch)


def test_a_change_before_the_first_step_of_one_that_waits_there_replays_on_its_old_side(app, export):
    def waits(ctx: Context, item: str) -> Flow[str]:
        yield sleep(60)
        return item

    def patched(ctx: Context, item: str) -> Flow[str]:
        if ctx.patched("at once"):
            return item
        yield sleep(60)
        return item

    app.start(changed(waits)("hat"), id="waits")
    assert app.get("waits").status == "waiting"
    assert replays(changed(patched), export(app, "waits")) == 1


def test_histories_are_found_by_patterns_paths_and_in_folders_below(completed, tmp_path, monkeypatch):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "one.json").write_bytes(completed.read_bytes())
    (tmp_path / "a" / "two.json").write_bytes(completed.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert replays(order, "a/*.json") == 1
    assert replays(order, "a/**/*.json") == 2
    assert replays(order, tmp_path / "a" / "**", completed) == 3
    assert replays(order, *(tmp_path / "a").rglob("*.json")) == 2


# -- what does not


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (paid_twice, r"the history says timer fired at step 2, but .*pay.*test_replays\.py:\d+"),
        (longer, 'it returned "paid 3", and replayed it waits'),
        (shorter, "the history says timer fired at step 2, but .*ended already: it returned"),
        (other_order, "the history says activity completed 'price' at step 1, but the code asks for"),
        (other_result, 'it returned "paid 3", and replayed it returned "paid 3!"'),
        (raising, 'it returned "paid 3", and replayed it raised ValueError: too late'),
        (other_input, "item"),
        (with_gather, "the history says activity completed 'price' at step 1, but the code waits for step 1.1.1"),
    ],
)
def test_a_change_that_does_not_fit_is_told_with_its_file_run_and_place(completed, other, told):
    with pytest.raises(
        AssertionError, match=rf"(?s)1 recorded run does not replay with .*completed\.json: run 1: .*{told}"
    ):
        replays(changed(other), completed)


def test_a_renamed_activity_is_told(completed, monkeypatch):
    @activity
    def cost(item: str) -> int:
        return len(item)

    monkeypatch.setitem(globals(), "price", cost)
    with pytest.raises(AssertionError, match=r"activity completed 'price' at step 1, but the code asks for .*'cost'"):
        replays(order, completed)


def test_other_arguments_are_a_difference_where_they_are_to_be(completed):
    other = changed(other_arguments)
    assert replays(other, completed) == 1
    with pytest.raises(AssertionError, match=r"step 3.*other arguments"):
        replays(other, completed, strict=True)


def test_a_waiting_instance_that_would_have_ended_is_told(waiting):
    with pytest.raises(AssertionError, match='it had not ended, and replayed it returned "paid 3"'):
        replays(changed(shorter), waiting)


def test_all_that_does_not_replay_is_listed(completed, waiting):
    with pytest.raises(
        AssertionError, match=r"(?s)2 recorded runs do not replay with other_order.*:\n.*completed.*\n.*waiting"
    ):
        replays(changed(other_order), completed, waiting)


def test_each_run_of_one_that_recurs_is_replayed(tmp_path):
    copy = tmp_path / "thrice.json"
    copy.write_bytes((VERSIONS[-1] / "rounds-thrice.json").read_bytes())
    assert replays(programs.rounds, copy) == 1

    def other(told: Any) -> None:
        told["runs"][2][-1]["input"] = '{"number":0,"sum":77}'

    with pytest.raises(AssertionError, match=r"thrice\.json: run 3: it recurred with .*77.*, and replayed it recurred"):
        replays(programs.rounds, edited(copy, other))


# -- what is no history


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "null", "{}", '{"instance": {}, "runs": [[]]}', '{"instance": [], "runs": 5}', '"\udcff"'],
)
def test_a_file_that_is_no_history_is_refused(tmp_path, text):
    (tmp_path / "bad.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DefinitionError, match=r"bad\.json is no history: write one with `romancy export"):
        replays(order, tmp_path / "bad.json")


@pytest.mark.parametrize(
    "edit",
    [
        lambda told: told["runs"][0].insert(1, {"kind": "unheard_of", "at": 1.0}),
        lambda told: told["runs"][0][1].pop("step"),
        lambda told: told["runs"][0][1].update(surplus=1),
        lambda told: told["runs"][0].insert(1, 5),
    ],
)
def test_an_event_that_this_version_does_not_know_is_refused(completed, edit):
    with pytest.raises(DefinitionError, match=r"completed\.json: event 1 is none of this version"):
        replays(order, edited(completed, edit))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda told: told["runs"][0][1].update(result="{"), "result"),
        (lambda told: told["runs"][0][1].update(at="noon"), "damaged: TypeError"),
        (lambda told: told["instance"].update(input='{"item": 5}'), "item"),
        (lambda told: told["runs"][0].clear(), "it is over, and its history is empty"),
        (lambda told: told["runs"][0].pop(1), "step 1"),
        (lambda told: told["runs"][0].insert(2, told["runs"][0][1]), "step 1"),
    ],
)
def test_a_damaged_history_does_not_replay(completed, edit, told):
    with pytest.raises(AssertionError, match=rf"completed\.json: run 1: .*{told}"):
        replays(order, edited(completed, edit))


def test_a_history_of_another_workflow_is_refused(completed):
    with pytest.raises(DefinitionError, match=r"history of workflow 'order', not 'kept_order'.*kept_order-"):
        replays(programs.order, completed)


def test_files_that_are_not_there_are_no_success(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for pattern in ("none.json", "none/*.json", tmp_path / "**" / "*.json"):
        with pytest.raises(DefinitionError, match=rf"there is no such file below {tmp_path}"):
            replays(order, pattern)
    with pytest.raises(DefinitionError, match="this is a folder"):
        replays(order, tmp_path)
    with pytest.raises(DefinitionError, match="name at least one file"):
        replays(order)
    with pytest.raises(DefinitionError, match=r"replays\(…, \*paths\)"):
        replays(order, [tmp_path])
    with pytest.raises(DefinitionError, match="give the workflow itself"):
        replays(order("hat"), tmp_path)
