"""What the user names: modules and workflows, and arguments as JSON. Nothing is imported unless it is named here."""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from romancy.activity import Activity
from romancy.calls import CallWorkflow
from romancy.cli.group import Mistake
from romancy.codec import workflow_codec
from romancy.codec.text import Unfit, dump
from romancy.errors import SerializationError
from romancy.workflow import Workflow, definitions


def find_workflow(target: str) -> Workflow[Any, Any]:
    """The workflow that `MODULE:WORKFLOW` or `FILE.py:WORKFLOW` names.

    Raises:
        Mistake: there is none; the message says what there is.
    """
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise Mistake(f"{target!r} names no workflow: write MODULE:WORKFLOW, such as shop:order or shop.py:order")
    module = load(place)
    known = _workflows(module)
    found = getattr(module, name, None) if name.isidentifier() else None
    if isinstance(found, Workflow):
        return found
    if name in known:
        return known[name]
    if found is not None:
        if inspect.isgeneratorfunction(found):
            raise Mistake(f"{target} is a plain generator function: write @workflow above it")
        raise Mistake(f"{target} is {_described(found)} and no workflow{_others(name, known)}")
    raise Mistake(f"{place} has no workflow {name!r}{_others(name, known)}")


def load_workflows(place: str) -> list[str]:
    """Import a module for a worker; the names of the workflows that it brings.

    Raises:
        Mistake: it cannot be imported, or defines no workflow.
    """
    if place.rpartition(":")[0] and not Path(place).exists():
        raise Mistake(f"a worker takes modules: write {place.rpartition(':')[0]} for {place}")
    module = load(place)
    inside = f"{module.__name__}."
    names = {each.definition.name for each in vars(module).values() if isinstance(each, Workflow)}
    names.update(each.name for each in definitions if f"{each.fn.__module__}.".startswith(inside))
    if not names:
        raise Mistake(f"{place} defines no workflow: name the module in which @workflow stands")
    return sorted(names)


def load(place: str) -> ModuleType:
    """Import a module by its dotted name, seen from the current folder, or by the path of its file.

    Raises:
        Mistake: there is none, or importing it raises.
    """
    folder, name = _located(place)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = _imported(name, place)
    if place.endswith(".py") and Path(getattr(module, "__file__", None) or "").resolve() != Path(place).resolve():
        raise Mistake(f"{place} cannot be imported as {name!r}, which is {module!r} already: rename the file")
    return module


def _located(place: str) -> tuple[str, str]:
    """The folder from which to import, and the dotted name; a file in a package is imported as a part of it."""
    if not place.endswith(".py"):
        return str(Path.cwd()), place
    file = Path(place).resolve()
    if not file.is_file():
        raise Mistake(f"there is no file {place}")
    names, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return str(folder), ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)


def _imported(name: str, place: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise Mistake(f"{place!r} is no name of a module: write it like shop or shop.orders, or the path of a .py file")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Mistake(f"there is no module {name!r} here or on Python's path{_files_like(name)}") from None
        raise Mistake(f"importing {place} failed: {error}{_where(error)}") from None
    except (Exception, SystemExit) as error:
        raise Mistake(f"importing {place} failed: {type(error).__name__}: {error}{_where(error)}") from None


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [each for each in frames if "importlib" not in each.filename and each.filename != __file__]
    return f" ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else ""


def _files_like(name: str) -> str:
    here = [file.stem for file in Path.cwd().glob("*.py")]
    close = difflib.get_close_matches(name, here, 1)
    return f": did you mean {close[0]}?" if close else ": go to its folder, or write the path of its file"


def _workflows(module: ModuleType) -> dict[str, Workflow[Any, Any]]:
    found = {name: each for name, each in vars(module).items() if isinstance(each, Workflow)}
    return {**{each.definition.name: each for each in found.values()}, **found}


def _others(name: str, known: dict[str, Workflow[Any, Any]]) -> str:
    if not known:
        return ", and it defines none: is it another module?"
    close = difflib.get_close_matches(name, known, 1)
    return f": did you mean {close[0]}?" if close else f": it has {', '.join(sorted(known))}"


def _described(found: object) -> str:
    return repr(found) if isinstance(found, Activity) else f"a {type(found).__name__}"


def call_of(workflow: Workflow[Any, Any], text: str | None) -> CallWorkflow[Any]:
    """The call of a workflow with arguments as JSON, decoded under its annotations.

    Args:
        workflow: what to call.
        text: a JSON array of arguments by position, an object of arguments by name, any other JSON as the one argument;
            `@FILE` and `-` say where it is read.

    Raises:
        Mistake: it is no JSON, or does not fit the parameters.
        DefinitionError: an annotation of the workflow cannot be carried.
    """
    codec = workflow_codec(workflow.definition)
    given = {} if text is None else _parsed(*_read(text))
    signature = inspect.signature(workflow.fn)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    by_name = given if isinstance(given, dict) else {}
    by_position = given if isinstance(given, list) else [] if isinstance(given, dict) else [given]
    name = workflow.definition.name
    try:
        bound = signature.bind(*by_position, **by_name).arguments
        args, kwargs = codec.decode_arguments(dump(bound))
    except TypeError as problem:
        raise Mistake(f"ARGS do not fit {name}{_parameters(signature)}: {problem}") from None
    except SerializationError as problem:
        raise Mistake(f"ARGS do not fit {name}{_parameters(signature)}: {problem}") from None
    except Unfit as problem:
        raise Mistake(f"ARGS cannot be carried: {problem.reason}") from None
    return workflow(*args, **kwargs)


def _parameters(signature: inspect.Signature) -> str:
    return f"({', '.join(str(each) for each in signature.parameters.values())})"


def _read(text: str) -> tuple[str, str]:
    """The JSON text, and what to call its source."""
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig"), "standard input"
        if text.startswith("@"):
            return Path(text[1:]).read_text("utf-8-sig"), text[1:]
    except OSError as problem:
        raise Mistake(f"cannot read {text[1:]}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        source = text[1:] or "standard input"
        raise Mistake(f"{source} is not UTF-8 text: {problem.reason} at byte {problem.start}") from None
    return text, "ARGS"


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise Mistake(
            f"{source} is not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}; "
            """write '["a", 1]' for arguments by position, '{"name": "a"}' by name, or '"a"' for a single text"""
        ) from None
    except (ValueError, RecursionError) as problem:
        raise Mistake(f"{source} cannot be read as JSON: {problem}") from None
