"""From names to definitions: which workflows a worker knows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from romancy.calls import WorkflowDefinition
from romancy.errors import DefinitionError
from romancy.workflow import Workflow, definitions

_LOG = logging.getLogger("romancy")


class Registry:
    """The workflows that a worker may run, by name.

    Args:
        only: workflows to know; None means every one that was or will be defined in this process.

    Raises:
        DefinitionError: something else than a workflow is among them, or two of them have one name.
    """

    def __init__(self, only: Iterable[object] | None = None) -> None:
        self._known: dict[str, WorkflowDefinition] = {}
        self._narrowed = only is not None
        self._read = 0
        self._reading = threading.RLock()
        for each in only or ():
            if not isinstance(each, Workflow):
                raise DefinitionError(f"workflows=[…]: {each!r} is no workflow: write @workflow above the function")
            other = self._known.setdefault(each.definition.name, each.definition)
            if other is not each.definition:
                raise DefinitionError(
                    f"workflows=[…]: {other.place} and {each.definition.place} are both named {other.name!r}: "
                    "give one of them @workflow(name=…)"
                )

    def names(self) -> list[str]:
        """The names of the workflows that are known now."""
        self._catch_up()
        return list(self._known)

    def find(self, name: str) -> WorkflowDefinition | None:
        """The workflow of that name, if it is known here."""
        self._catch_up()
        return self._known.get(name)

    def learn(self, definition: WorkflowDefinition) -> None:
        """Prefer this definition for its name: it is the one that was called here."""
        self._catch_up()
        if not self._narrowed and self._known.get(definition.name) is not definition:
            with self._reading:
                self._known[definition.name] = definition

    def _catch_up(self) -> None:
        if self._narrowed or self._read == len(definitions):
            return
        with self._reading:
            end = len(definitions)
            for each in definitions[self._read : end]:
                self._add(each)
            self._read = end  # last: until then, another thread waits for what it does not find

    def _add(self, definition: WorkflowDefinition) -> None:
        known = self._known.get(definition.name)
        if known is not None and _are_two(known, definition):
            _LOG.warning(
                "two workflows are named %r: %s and %s; the later one is used: give one of them @workflow(name=…)",
                definition.name,
                known.place,
                definition.place,
            )
        self._known[definition.name] = definition


def _are_two(one: WorkflowDefinition, other: WorkflowDefinition) -> bool:
    """Whether two definitions of one name are no reload, no redefinition, no module that is both run and imported."""
    return (
        one.place != other.place
        and (one.fn.__module__, one.fn.__qualname__) != (other.fn.__module__, other.fn.__qualname__)
        and "<locals>" not in one.fn.__qualname__ + other.fn.__qualname__
    )
