"""RetryPolicy: from an attempt to a delay, or to a stop; pure arithmetic, chance is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import attrs

from romancy.errors import DefinitionError, TerminalError


def _attempts(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DefinitionError(f"RetryPolicy({attribute.name}={value!r}): write a whole number, 1 or more")


def _factor(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not _is_number(value) or not value > 0:  # type: ignore[operator]
        raise DefinitionError(f"RetryPolicy({attribute.name}={value!r}): write a number above 0")


def _seconds(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not _is_number(value) or not value >= 0:  # type: ignore[operator]
        raise DefinitionError(f"RetryPolicy({attribute.name}={value!r}): write a number of seconds, 0 or more")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _classes(classes: Iterable[type[BaseException]]) -> tuple[type[BaseException], ...]:
    """Exception classes, as a tuple: a name in their place would only be met when an activity fails."""
    given = tuple(classes)
    for each in given:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise DefinitionError(f"RetryPolicy(non_retryable=…): {each!r} is no exception class: write the class")
    return given


@attrs.frozen
class RetryPolicy:
    """How often, and after which delays, an activity that failed is attempted again.

    The delay before attempt n + 1 is `initial_delay * backoff ** (n - 1)`, at most `max_delay`; with `jitter` it is
    drawn evenly between zero and that ("full jitter", M. Brooker, "Exponential Backoff And Jitter", 2015). A number
    of seconds or a `timedelta` in the attribute `retry_after` of the exception takes the place of the delay.

    Args:
        max_attempts: attempts in all, the first included; 1 means never again.
        initial_delay: seconds before the second attempt.
        backoff: factor from one delay to the next.
        max_delay: the longest delay, in seconds.
        max_duration: seconds from the start of the first attempt after which no further attempt starts.
        jitter: whether the delay is drawn at random.
        non_retryable: exception classes that stop at once, as `TerminalError` does.
    """

    max_attempts: int = attrs.field(default=5, validator=_attempts)
    initial_delay: float = attrs.field(default=1.0, validator=_seconds)
    backoff: float = attrs.field(default=2.0, validator=_factor)
    max_delay: float = attrs.field(default=60.0, validator=_seconds)
    max_duration: float = attrs.field(default=300.0, validator=_seconds)
    jitter: bool = True
    non_retryable: tuple[type[BaseException], ...] = attrs.field(default=(), converter=_classes)

    def delay(self, attempt: int, elapsed: float, error: BaseException, chance: Callable[[], float]) -> float | None:
        """Seconds until the next attempt, or None when there is to be none.

        Args:
            attempt: the number of the attempt that failed, from 1.
            elapsed: seconds since the first attempt began.
            error: what the attempt raised.
            chance: draws a number in [0, 1).
        """
        if attempt >= self.max_attempts or isinstance(error, (TerminalError, *self.non_retryable)):
            return None
        asked = _retry_after(error)
        seconds = self._backoff(attempt, chance) if asked is None else asked
        return seconds if elapsed + seconds <= self.max_duration else None

    def _backoff(self, attempt: int, chance: Callable[[], float]) -> float:
        try:
            seconds = min(self.max_delay, self.initial_delay * self.backoff ** (attempt - 1))
        except OverflowError:
            seconds = self.max_delay
        return seconds * chance() if self.jitter else seconds


def _retry_after(error: BaseException) -> float | None:
    try:
        asked = getattr(error, "retry_after", None)
    except Exception:  # a property of the user's that fails asks for nothing
        return None
    if isinstance(asked, timedelta):
        asked = asked.total_seconds()
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 <= asked < float("inf"):
        return None
    return float(asked)


def checked(retry: RetryPolicy | None, where: str) -> RetryPolicy | None:
    """The policy itself.

    Raises:
        DefinitionError: it is something else, such as a number of attempts.
    """
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise DefinitionError(f"{where}: retry={retry!r} is no policy: write retry=RetryPolicy(max_attempts=…)")
    return retry


ONCE = RetryPolicy(max_attempts=1)
"""What an at-most-once activity has unless its author asks for more."""
