"""The command line keeps its promises: exit codes, formats, suppressions, configuration, cache."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from romancy_lint.cli import main

BAD = """\
import time
from romancy import Context, activity, workflow

@activity
def charge(n): ...

@workflow
def order(ctx: Context):
    yield charge(time.time())
"""
GOOD = BAD.replace("time.time()", "1").replace("import time\n", "")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "orders.py").write_text(BAD)
    return tmp_path


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], input=stdin)


def found(*arguments: str) -> list[str]:
    return [f["code"] for f in json.loads(run("--output-format", "json", *arguments).stdout)]


def test_findings_exit_1_and_clean_code_exits_0(project: Path):
    assert run().exit_code == 1
    (project / "orders.py").write_text(GOOD)
    result = run()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no findings in 1 file" in result.stderr


def test_exit_zero_reports_and_exits_0(project: Path):
    result = run("--exit-zero")
    assert result.exit_code == 0
    assert "ROM101" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.py"], "missing.py: no such file or folder"),
        (["--select", "ROM1O1"], "unknown rule `ROM1O1`; did you mean `ROM"),
        (["--output-format", "xml"], "xml"),
        (["--nonsense"], "No such option"),
        (["--config", "none.toml"], "none.toml: no such file"),
        (["-", "orders.py"], "`-` cannot be combined"),
    ],
)
def test_mistakes_of_the_caller_are_one_line_and_exit_2(project: Path, arguments: list[str], said: str):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("selct = ['ROM1']", "unknown setting `selct`; did you mean `select`?"),
        ("select = 'ROM1'", "`select` must be a list of strings"),
        ("ignore = ['E501']", "pyproject.toml: `ignore`: unknown rule `E501`"),
        ("per-file-ignores = {'a.py' = ['ROM99']}", "`per-file-ignores`: unknown rule `ROM99`"),
        ("nondeterministic = {'a.b' = 'ROM99'}", "`nondeterministic`: unknown rule `ROM99`"),
        ("output-format = 'jsn'", "`output-format`: unknown output format `jsn`; did you mean `json`?"),
        ("select = [", "pyproject.toml"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_2(project: Path, table: str, said: str):
    (project / "pyproject.toml").write_text(f"[tool.romancy-lint]\n{table}\n")
    result = run()
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_internal_error_exits_2(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("romancy_lint.runner._prefiltered", lambda *a: 1 / 0)
    result = run("--no-cache")
    assert result.exit_code == 2
    assert "internal error: ZeroDivisionError" in result.stderr


def test_syntax_errors_and_wrong_encodings_are_findings(project: Path):
    (project / "broken.py").write_text("import romancy\ndef f(:\n")
    (project / "latin.py").write_bytes(b"import romancy\nx = '\xe9'\n")
    assert found("--ignore", "ROM1") == ["ROM000", "ROM000"]


def test_a_file_that_cannot_be_parsed_is_reported_whatever_is_selected(project: Path):
    (project / "broken.py").write_text("import romancy\ndef f(:\n")
    assert found("--select", "ROM2") == ["ROM000"]


def test_typing_rules_are_offered_by_their_prefix(project: Path):
    (project / "orders.py").write_text(GOOD.replace("    yield charge(1)", "    n = yield charge(1)\n    return n"))
    assert found() == []
    assert run("--fix", "--select", "ROM7").exit_code == 0
    assert "n = yield from charge(1)" in (project / "orders.py").read_text()


def test_a_declared_encoding_is_read(project: Path):
    (project / "orders.py").write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\n" + BAD.encode())
    assert found() == ["ROM101"]


def test_standard_input_is_checked_under_a_name(project: Path):
    result = run("-", "--stdin-filename", "orders.py", "--output-format", "concise", stdin=BAD)
    assert result.exit_code == 1
    assert result.stdout.startswith("orders.py:9:18: ROM101 [*] ")


def test_standard_input_is_fixed_to_standard_output(project: Path):
    result = run("-", "--fix", stdin=BAD)
    assert result.exit_code == 0
    assert result.stdout == GOOD.replace("charge(1)", "charge(ctx.now().timestamp())")


def test_json_has_the_shape_of_ruff_with_the_chain(project: Path):
    [finding] = json.loads(run("--output-format", "json").stdout)
    assert finding["location"] == {"row": 9, "column": 18}
    assert finding["end_location"] == {"row": 9, "column": 29}
    assert finding["fix"]["applicability"] == "safe"
    assert finding["fix"]["edits"][0]["content"] == "ctx.now().timestamp()"
    assert finding["workflow"] == "order"
    assert finding["chain"][0] == {"function": "order", "filename": "orders.py", "row": 8}


def test_machine_formats_of_clean_code_are_valid_and_alone_on_standard_output(project: Path):
    (project / "orders.py").write_text(GOOD)
    assert run("--output-format", "json").stdout == "[]\n"
    assert run("--output-format", "json-lines").stdout == ""
    assert json.loads(run("--output-format", "gitlab").stdout) == []
    assert json.loads(run("--output-format", "sarif").stdout)["runs"][0]["results"] == []
    assert ElementTree.fromstring(run("--output-format", "junit").stdout).get("failures") == "0"


def test_sarif_names_rules_regions_flows_and_fixes(project: Path):
    report = json.loads(run("--output-format", "sarif").stdout)
    assert report["version"] == "2.1.0"
    [one] = report["runs"]
    rules = one["tool"]["driver"]["rules"]
    [result] = one["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "ROM101"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 9, "startColumn": 18, "endLine": 9, "endColumn": 29}
    assert len(result["codeFlows"][0]["threadFlows"][0]["locations"]) == 2
    assert result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"]


def test_junit_counts_failures_and_escapes(project: Path):
    (project / "orders.py").write_text(BAD + '    yield charge(f"<{time.time()}>")\n')
    tree = ElementTree.fromstring(run("--output-format", "junit").stdout)
    assert (tree.get("tests"), tree.get("failures")) == ("2", "2")
    assert [len(case.findall("failure")) for case in tree.iter("testcase")] == [1, 1]


def test_github_commands_escape_their_data(project: Path):
    line = run("--output-format", "github").stdout
    assert line.startswith("::error title=romancy-lint (ROM101),file=orders.py,line=9,col=18,")


def test_gitlab_fingerprints_differ_for_equal_messages(project: Path):
    (project / "orders.py").write_text(BAD + "    yield charge(time.time())\n")
    report = json.loads(run("--output-format", "gitlab").stdout)
    assert len({entry["fingerprint"] for entry in report}) == 2


def test_the_full_format_shows_code_carets_and_help(project: Path):
    text = run().stdout
    assert "9 |     yield charge(time.time())\n" in text
    assert "  |                  ^^^^^^^^^^^\n" in text
    assert "= help: Read the time of the workflow (`--fix`)" in text


def test_statistics_count_by_rule(project: Path):
    assert run("--statistics").stdout == "    1  ROM101  wall-clock\n"


@pytest.mark.parametrize(
    "comment",
    ["# romancy: ignore[ROM101] measured", "# noqa: ROM101", "# romancy: ignore[ROM1] x", "# noqa: E501, ROM101 x"],
)
def test_a_comment_on_the_line_silences(project: Path, comment: str):
    (project / "orders.py").write_text(BAD.replace("time.time())", f"time.time())  {comment}"))
    assert found() == []


def test_a_comment_above_or_for_the_file_silences(project: Path):
    (project / "orders.py").write_text(BAD.replace("    yield", "    # romancy: ignore[ROM101] x\n    yield"))
    assert found() == []
    (project / "orders.py").write_text("# romancy: ignore-file[ROM101] x\n" + BAD)
    assert found() == []


def test_a_comment_that_silences_nothing_is_found_and_deleted(project: Path):
    text = GOOD.replace("charge(1)", "charge(1)  # romancy: ignore[ROM101] old")
    (project / "orders.py").write_text(text)
    assert found() == ["ROM003"]
    assert run("--fix").exit_code == 0
    assert (project / "orders.py").read_text() == GOOD


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# romancy: ignore[ROM101,ROM103] why", "# romancy: ignore[ROM101] why"),
        ("# romancy: ignore[ rom103, rom101 ] why", "# romancy: ignore[rom101] why"),
        ("# noqa: E501, ROM103, ROM101", "# noqa: E501, ROM101"),
    ],
)
def test_a_code_that_silences_nothing_is_taken_out_and_the_others_stay(project: Path, comment: str, left: str):
    (project / "orders.py").write_text(BAD.replace("time.time())", f"time.time())  {comment}"))
    assert found() == ["ROM003"]
    assert run("--fix").exit_code == 0
    assert (project / "orders.py").read_text() == BAD.replace("time.time())", f"time.time())  {left}")


def test_the_codes_of_other_linters_survive_the_fix(project: Path):
    (project / "orders.py").write_text(GOOD.replace("charge(1)", "charge(1)  # noqa: ROM101, E501"))
    assert run("--fix").exit_code == 0
    assert (project / "orders.py").read_text() == GOOD.replace("charge(1)", "charge(1)  # noqa: E501")


def test_a_comment_that_names_no_rule_is_found(project: Path):
    (project / "orders.py").write_text(GOOD.replace("charge(1)", "charge(1)  # romancy: ignore[ROM999] x"))
    assert found() == ["ROM001"]


def test_a_comment_without_reason_is_found_when_asked_for(project: Path):
    (project / "orders.py").write_text(BAD.replace("time.time())", "time.time())  # romancy: ignore[ROM101]"))
    assert found() == []
    assert found("--extend-select", "ROM004") == ["ROM004"]


def test_a_silenced_sink_is_silent_for_every_caller_and_trust_stops_the_descent(project: Path):
    main = BAD.replace("import time", "from helpers import a, b").replace("time.time()", "a() + b()")
    (project / "orders.py").write_text(main)
    helpers = "import time\ndef a():\n    return time.time()  # romancy: ignore[ROM101] x\n"
    (project / "helpers.py").write_text(helpers + "def b():  # romancy: deterministic\n    return time.time()\n")
    assert found() == []


def test_add_ignore_silences_everything_with_a_reason(project: Path):
    assert run("--add-ignore", "adopted").exit_code == 0
    assert "# romancy: ignore[ROM101] adopted\n" in (project / "orders.py").read_text()
    assert found() == []


@pytest.mark.parametrize(("reason", "left"), [("one\nimport os", " one import os"), ("", "")])
def test_the_reason_of_add_ignore_is_one_line_of_comment(project: Path, reason: str, left: str):
    assert run("--add-ignore", reason).exit_code == 0
    assert (project / "orders.py").read_text() == BAD.replace(
        "time.time())", f"time.time())  # romancy: ignore[ROM101]{left}"
    )


def test_add_ignore_never_changes_the_code(project: Path):
    text = BAD + '    yield charge(f"""\n{time.time()}\n""")\n    yield charge(time.time() + \\\n        1)\n'
    (project / "orders.py").write_text(text)
    assert run("--add-ignore", "adopted").exit_code == 0
    compile((project / "orders.py").read_text(), "orders.py", "exec")
    assert found() == []


def test_settings_select_ignore_and_extend(project: Path):
    write = (project / "pyproject.toml").write_text
    write("[tool.romancy-lint]\nignore = ['ROM1']\n")
    assert found() == []
    write("[tool.romancy-lint]\nselect = ['ROM2']\n")
    assert found() == []
    write("[tool.romancy-lint]\nper-file-ignores = {'orders.py' = ['ROM101']}\n")
    assert found() == []
    write("[tool.romancy-lint]\nexclude = ['orders.py']\n")
    assert found() == []


@pytest.mark.parametrize("setting", ["exclude = ['orders.py']", "extend-exclude = ['old']", "exclude = ['old/*.py']"])
def test_what_the_project_excludes_is_left_out_though_it_is_named(project: Path, setting: str):
    (project / "old").mkdir()
    (project / "old" / "orders.py").write_text(BAD)
    (project / "pyproject.toml").write_text(f"[tool.romancy-lint]\n{setting}\n")
    result = run("old/orders.py")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "old/orders.py is excluded by the settings" in result.stderr


def test_a_named_file_in_a_folder_that_is_only_never_walked_is_looked_at(project: Path):
    (project / "build").mkdir()
    (project / "build" / "orders.py").write_text(BAD)
    assert found("build/orders.py") == ["ROM101"]


def test_the_hooks_check_the_project_and_not_the_files_of_the_commit():
    hooks = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text().split("- id: ")[1:]
    assert [hook.split("\n")[0] for hook in hooks] == ["romancy-lint", "romancy-lint-fix"]
    for hook in hooks:
        assert "  types: [python]\n  pass_filenames: false\n" in hook


NO_TEXT = [b'x = "\xe9"\n', b"# coding: nonsense\n", b"x = 1\x00\n"]
NO_PYTHON = [b"def f(:\n", b"import romancy\n\n\ndef f(:\n"]
WALKED = [[], ["--fix"], ["--diff"], ["--jobs", "2"]]
NAMED = [["broken.py"], ["-"], ["--fix", "-"], ["--fix", "broken.py"]]


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        *itertools.product([*NO_TEXT, *NO_PYTHON], NAMED),
        *itertools.product([*NO_TEXT, NO_PYTHON[1]], WALKED),
    ],
)
def test_a_file_that_cannot_be_read_is_found(project: Path, data: bytes, arguments: list[str]):
    (project / "orders.py").write_text(GOOD)
    (project / "broken.py").write_bytes(data)
    result = run(*arguments, stdin=data)
    assert result.exit_code == 1
    assert (result.stdout + result.stderr).count("ROM000") == 1
    if "--fix" in arguments and "-" in arguments:
        assert result.stdout_bytes == data


def test_of_files_that_do_not_mention_romancy_only_those_that_are_named_are_parsed(project: Path):
    (project / "orders.py").write_text(GOOD)
    (project / "broken.py").write_text("def f(:\n")
    assert found() == []
    assert found("orders.py", "broken.py") == ["ROM000"]


def test_add_ignore_tells_of_what_it_could_not_read(project: Path):
    (project / "broken.py").write_text("import romancy\ndef f(:\n")
    result = run("--add-ignore", "adopted")
    assert result.exit_code == 1
    assert "broken.py:2:7: ROM000" in result.stdout
    assert "1 finding silenced" in result.stderr
    assert found() == ["ROM000"]


def test_settings_know_names_and_decorators_of_the_project(project: Path):
    (project / "orders.py").write_text(
        "import mylib, acme\nfrom acme import flow\n\n@flow\ndef order(ctx):\n    mylib.fetch()\n    yield acme.step()\n"  # noqa: E501
    )
    assert found() == []
    (project / "pyproject.toml").write_text(
        "[tool.romancy-lint]\nworkflow-decorators = ['acme.flow']\nnondeterministic = ['mylib.fetch']\n"
    )
    assert found() == ["ROM202"]


def test_gitignored_files_are_left_alone(project: Path):
    (project / ".gitignore").write_text("orders.py\n")
    assert found() == []


def test_unresolved_calls_are_shown_when_asked_for(project: Path):
    (project / "orders.py").write_text(GOOD.replace("charge(1)", "charge(mystery(ctx)())"))
    assert found() == []
    assert "ROM002" in found("--show-unresolved")


def test_fix_rewrites_the_file_and_keeps_its_form(project: Path):
    path = project / "orders.py"
    path.write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    assert run("--fix").exit_code == 0
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbffrom romancy")
    assert b"\r\n" in data
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert path.stat().st_mode & 0o777 == 0o640


def test_diff_shows_and_does_not_write(project: Path):
    result = run("--diff")
    assert result.exit_code == 1
    assert "-    yield charge(time.time())\n+    yield charge(ctx.now().timestamp())\n" in result.stdout
    assert (project / "orders.py").read_text() == BAD
    (project / "orders.py").write_text(GOOD)
    assert run("--diff").exit_code == 0


def test_fix_only_repairs_and_reports_nothing(project: Path):
    result = run("--fix-only")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "ctx.now()" in (project / "orders.py").read_text()


def test_an_unsafe_fix_names_the_workflows_that_it_touches(project: Path):
    (project / "orders.py").write_text(BAD.replace("yield charge(time.time())", "charge(1)\n    yield charge(2)"))
    result = run("--fix", "--unsafe-fixes")
    assert result.exit_code == 0
    assert "running instances of order" in result.stderr


def test_the_cache_changes_nothing_but_the_time(project: Path):
    first = run("--output-format", "json").stdout
    assert (project / ".romancy_lint_cache").is_dir()
    assert run("--output-format", "json").stdout == first
    (project / "orders.py").write_text(GOOD)
    assert found() == []
    (project / "orders.py").write_text(BAD)
    assert found() == ["ROM101"]
    assert found("--select", "ROM2") == []
    assert CliRunner().invoke(main, ["clean"]).exit_code == 0
    assert not (project / ".romancy_lint_cache").exists()


def test_a_change_in_a_helper_is_noticed(project: Path):
    (project / "orders.py").write_text(
        GOOD.replace("charge(1)", "charge(h())").replace("from", "from helpers import h\nfrom", 1)
    )
    (project / "helpers.py").write_text("def h():\n    return 1\n")
    assert found() == []
    (project / "helpers.py").write_text("import time\ndef h():\n    return time.time()\n")
    assert found() == ["ROM101"]


def test_a_broken_cache_is_no_cache(project: Path):
    run()
    for path in (project / ".romancy_lint_cache").rglob("*.json"):
        path.write_text("{")
    assert found() == ["ROM101"]


def test_output_is_the_same_for_every_number_of_jobs_and_order_of_files(project: Path):
    for number in range(4):
        (project / f"m{number}.py").write_text(BAD.replace("order", f"order_{number}"))
    names = [f"m{n}.py" for n in range(4)]
    one = run("--no-cache", "--output-format", "json", *names).stdout
    assert run("--no-cache", "--jobs", "3", "--output-format", "json", *reversed(names)).stdout == one
    assert len(json.loads(one)) == 4


def test_rule_explains_by_code_name_and_all():
    runner = CliRunner()
    assert "# wall-clock (ROM101)" in runner.invoke(main, ["rule", "ROM101"]).stdout
    assert runner.invoke(main, ["rule", "--all"]).stdout.count("\n## What it does") > 50
    assert runner.invoke(main, ["rule", "ROM1"]).exit_code == 2
    assert runner.invoke(main, ["rule"]).exit_code == 2


def test_config_shows_what_holds(project: Path):
    (project / "pyproject.toml").write_text("[tool.romancy-lint]\nignore = ['ROM206']\n")
    assert 'ignore = ["ROM206"]' in CliRunner().invoke(main, ["config"]).stdout


def test_one_file_takes_less_than_the_budget_and_no_syntax_tree_library(project: Path):
    code = (
        "import sys; from romancy_lint.cli import main\n"
        "try:\n    main(['check', '--no-cache', 'orders.py'])\n"
        "except SystemExit as e:\n    assert e.code == 1, e.code\n"
        "assert not any(m.startswith('libcst') for m in sys.modules)"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=_environment())
    assert time.perf_counter() - start < 4


def test_the_module_runs(project: Path):
    done = subprocess.run([sys.executable, "-m", "romancy_lint", "check"], capture_output=True, env=_environment())
    assert done.returncode == 1


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
