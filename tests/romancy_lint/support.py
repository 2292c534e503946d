"""Lints programs that exist in memory only."""

from __future__ import annotations

import textwrap
from pathlib import Path

from romancy_lint.config import Config
from romancy_lint.finding import Finding
from romancy_lint.fixes import fix_files
from romancy_lint.runner import run

ROOT = Path("/nowhere")

PRELUDE = """\
from romancy import Context, Flow, activity, gather, race, sleep, workflow

@activity
def charge(value) -> int: ...

@activity
def refund(value) -> int: ...

"""


def lint(code: str = "", *, prelude: bool = True, config: Config | None = None, **others: str) -> list[Finding]:
    """The findings of a module, with other modules (`pkg__mod` for pkg/mod.py) beside it."""
    texts = files(code, prelude, others)
    return run(sorted(texts), config or Config(root=ROOT), texts=texts).findings


def files(code: str, prelude: bool, others: dict[str, str]) -> dict[Path, bytes]:
    main = (PRELUDE if prelude else "") + textwrap.dedent(code)
    texts = {ROOT / "main.py": main.encode()} if code else {}
    for name, text in others.items():
        parts = name.split("__")
        parts = [*parts[:-1], "__init__"] if parts[-1] == "init" else parts
        texts[ROOT.joinpath(*parts).with_suffix(".py")] = textwrap.dedent(text).encode()
    return texts


def codes(code: str = "", *, prelude: bool = True, config: Config | None = None, **others: str) -> list[str]:
    """The codes found, in the order of their places."""
    return [finding.code for finding in lint(code, prelude=prelude, config=config, **others)]


def fixed(code: str, *, unsafe: bool = False, prelude: bool = True, config: Config | None = None) -> str:
    """What fixing makes of a module, without the prelude."""
    texts = files(code, prelude, {})
    done = fix_files(sorted(texts), config or Config(root=ROOT), unsafe=unsafe, texts=texts)
    path = ROOT / "main.py"
    text = done.changed.get(path, texts[path]).decode()
    return text.removeprefix(PRELUDE) if prelude else text
