"""The command line: `romancy-lint check | rule | config | clean`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import click

from romancy_lint.config import OUTPUT_FORMATS, Config, ConfigError, check_codes, load, with_options
from romancy_lint.finding import Finding

_PEOPLE = ("full", "concise")


def _codes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """`ROM1,ROM201`."""
    return None if value is None else tuple(code.strip().upper() for code in value.split(",") if code.strip())


class _Group(click.Group):
    """Errors of users are one line and exit 2; anything unforeseen is exit 2 as well, never 0."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _fail(str(error))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(2)
        except OSError as error:
            _fail(f"{error.filename or ''}: {error.strerror or error}".lstrip(": "))
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("ROMANCY_LINT_TRACEBACK"):
                raise
            _fail(f"internal error: {type(error).__name__}: {error} (set ROMANCY_LINT_TRACEBACK=1 for details)")


def _fail(message: str) -> NoReturn:
    click.echo(f"romancy-lint: {message}", err=True)
    raise click.exceptions.Exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="romancy", prog_name="romancy-lint")
def main() -> None:
    """Find and repair what would make a replay of a workflow differ from its first run."""


@main.command()
@click.argument("paths", nargs=-1)
@click.option("--fix", "do_fix", is_flag=True, help="Apply safe fixes.")
@click.option(
    "--unsafe-fixes", is_flag=True, help="With --fix or --diff: also those that running instances may notice."
)
@click.option("--diff", "show_diff", is_flag=True, help="Show what fixes would change; write nothing.")
@click.option("--fix-only", is_flag=True, help="Apply fixes, do not report what is left.")
@click.option(
    "--select", callback=_codes, metavar="CODES", help="Codes or prefixes to look for, instead of the default ones."
)
@click.option("--ignore", callback=_codes, metavar="CODES", help="Codes or prefixes to leave out.")
@click.option("--extend-select", callback=_codes, metavar="CODES", help="Codes or prefixes to look for as well.")
@click.option("--show-unresolved", is_flag=True, help="Also tell which calls could not be followed (ROM002).")
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), help="How findings are written.")
@click.option("--statistics", is_flag=True, help="Count findings by rule instead of listing them.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there are findings.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Where to keep results.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Processes to use.")
@click.option("--stdin-filename", type=click.Path(path_type=Path), help="The path of what `-` reads.")
@click.option("--add-ignore", metavar="REASON", help="Silence every finding with a comment that gives this reason.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The pyproject.toml to use.")
def check(paths: tuple[str, ...], **options: Any) -> None:
    """Check files and folders (default: the current one); `-` reads standard input."""
    from romancy_lint.command import Command

    config = settings(paths, options)
    raise click.exceptions.Exit(Command(config, options).run(paths))


def settings(paths: tuple[str, ...], options: dict[str, Any]) -> Config:
    """What the configuration file and the options say together."""
    first = Path(paths[0]) if paths and paths[0] != "-" else Path.cwd()
    start = Path(os.path.normpath(Path.cwd() / first))
    config = load(start if start.is_dir() else start.parent, options["config_file"])
    extended = (*config.extend_select, *(options["extend_select"] or ()))
    extended += ("ROM002",) if options["show_unresolved"] else ()
    config = with_options(
        config,
        select=options["select"],
        ignore=(*config.ignore, *(options["ignore"] or ())),
        extend_select=extended,
        output_format=options["output_format"],
    )
    check_codes(config, "command line")
    return config


@main.command()
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="Every rule.")
def rule(code: str | None, everything: bool) -> None:
    """Explain a rule: what it does, why, an example, what to write instead."""
    from romancy_lint.pages import page, render
    from romancy_lint.rules import RULES

    if everything == (code is not None):
        _fail("rule: give a CODE, or --all")
    click.echo("\n".join(render(known) for known in RULES) if code is None else page(code), nl=False)


@main.command("config")
@click.argument("path", required=False, type=click.Path(path_type=Path))
def show_config(path: Path | None) -> None:
    """Show the settings that hold here."""
    start = Path(os.path.normpath(Path.cwd() / (path or ".")))
    found = load(start if start.is_dir() else start.parent)
    click.echo(f"# root: {found.root}")
    for field in fields(found):
        if field.name != "root":
            value = getattr(found, field.name)
            shown = dict(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
            click.echo(f"{field.name.replace('_', '-')} = {_toml(shown)}")


def _toml(value: Any) -> str:
    import json

    if isinstance(value, dict):
        pairs = (f"{json.dumps(k)} = {_toml(list(v) if isinstance(v, tuple) else v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    return json.dumps(value)


@main.command()
@click.option("--cache-dir", type=click.Path(path_type=Path), help="The cache to delete.")
def clean(cache_dir: Path | None) -> None:
    """Delete the cache of the current project."""
    from romancy_lint.cache import clean as delete

    config = load(Path.cwd())
    folder = cache_dir or config.root / config.cache_dir
    click.echo(f"removed {folder}" if delete(folder) else "nothing to remove", err=True)


def statistics(findings: list[Finding]) -> str:
    """How often each rule was broken, the worst first."""
    counts = Counter((f.code, f.name) for f in findings)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "".join(f"{count:>5}  {code}  {name}\n" for (code, name), count in ordered)
