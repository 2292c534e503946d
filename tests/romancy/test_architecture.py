"""The shape of the package: imports point down, names say something, and importing it stays light."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import romancy

PACKAGE = Path(romancy.__file__).parent

LAYERS = (
    "errors",
    "retry",
    "calls",
    "activity",
    "workflow",
    "history",
    "codec",
    "saga",
    "kernel",
    "registry",
    "store",
    "worker",
    "starts",
    "handle",
    "app",
    "testing",
    "cli",
)
"""Each may import from itself and from those before it."""

BANNED = {"manager", "helper", "util", "utils", "base", "impl", "data", "info"}
"""Words that say nothing of what bears them."""

BANNED_FILES = ("utils.py", "util.py", "common.py", "helpers.py", "misc.py", "base.py")

ONLY_READER_OF = {
    "cattrs": ("codec",),
    "sqlite3": ("store", "testing", "cli"),
    "orjson": ("codec", "store"),
    "psycopg": ("store",),
    "click": ("cli",),
}
"""Libraries that only these layers know."""


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[tuple[str, int]]:
    """Every module that a file imports, also inside of functions, with the line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found.append((node.module or "", node.lineno))
            if node.module == "romancy":
                found += [(f"romancy.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = layer_of(path)
    if own in ("__init__", "__main__"):
        return
    assert own in LAYERS, f"{path} stands in no layer"
    for name, line in imported(path):
        parts = name.split(".")
        if parts[0] != "romancy" or len(parts) == 1:
            continue
        if own == "cli" and len(parts) == 2 and parts[1] not in LAYERS:
            continue  # the command line stands above the public names of the package
        assert parts[1] in LAYERS, f"{path}:{line} imports {name} from no layer"
        assert LAYERS.index(parts[1]) <= LAYERS.index(own), (
            f"{path}:{line}: {own} imports {name}, which stands above it"
        )


def test_the_walk_over_imports_sees_those_of_every_form(tmp_path):
    source = tmp_path / "m.py"
    source.write_text(
        "import romancy.app\nfrom romancy import app as a\ndef f():\n    from romancy.app import Romancy\n"
    )
    assert {name for name, _ in imported(source)} >= {"romancy.app", "romancy"}
    assert [line for name, line in imported(source) if name == "romancy.app"] == [1, 2, 4]


def test_the_engine_and_the_linter_do_not_know_each_other():
    for path in modules():
        assert not [name for name, _ in imported(path) if name.split(".")[0] == "romancy_lint"], path


@pytest.mark.parametrize("library", ONLY_READER_OF)
def test_a_library_is_known_to_its_own_layers_only(library):
    for path in modules():
        if layer_of(path) not in ONLY_READER_OF[library]:
            assert library not in {name.split(".")[0] for name, _ in imported(path)}, path


def test_the_kernel_knows_no_clock_store_thread_or_log():
    files = [path for path in modules() if layer_of(path) == "kernel"]
    assert files
    names = {name.split(".")[0] for path in files for name, _ in imported(path)}
    assert not names & {"time", "threading", "logging", "sqlite3", "asyncio", "os", "random", "queue", "concurrent"}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_importing_romancy_loads_neither_the_linter_s_parser_nor_an_extra():
    loaded = {name.split(".")[0] for name in loaded_by("import romancy")}
    unwanted = {
        "libcst", "romancy_lint", "click", "sqlite_utils", "tabulate", "pytest", "hypothesis", "pydantic",
        "starlette", "uvicorn", "httpx", "psycopg", "llm", "opentelemetry",
    }  # fmt: skip
    assert "romancy" in loaded
    assert loaded & unwanted == set()


def test_opening_a_file_loads_no_driver_of_a_server():
    opening = "from romancy.store.opening import open_store; open_store(':memory:').close()"
    assert not [name for name in loaded_by(opening) if name.startswith(("psycopg", "romancy.store.postgres"))]


def test_only_the_postgres_store_knows_its_driver():
    for path in modules():
        if "postgres" not in path.parts:
            assert "psycopg" not in {name.split(".")[0] for name, _ in imported(path)}, path


def test_every_public_name_is_there_and_the_list_is_sorted():
    assert list(romancy.__all__) == sorted(romancy.__all__)
    assert all(hasattr(romancy, name) for name in romancy.__all__)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_name_is_one_that_says_nothing(path):
    assert path.name not in BANNED_FILES
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z]*", node.name)}
            assert not words & BANNED, f"{path}:{node.lineno}: class {node.name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_begins_with_its_one_rule(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), f"{path} has no docstring"


def test_nothing_is_pickled_evaluated_or_imported_by_a_stored_name():
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for path in modules():
        assert not forbidden & {name.split(".")[0] for name, _ in imported(path)}, path
        if layer_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                assert called not in ("eval", "exec", "import_module", "__import__"), f"{path}:{node.lineno}"
