"""Exceptions as JSON text; builtin classes, Romancy's own and the declared ones come back as themselves.

A stored name is only ever looked up in a written table: nothing is imported or called because a row names it.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import functools
import traceback
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Union
from uuid import UUID

import attrs

import romancy.errors as own
from romancy.codec.shapes import Shapes
from romancy.codec.text import Unfit, dump, load
from romancy.codec.values import ANY, SCALARS, Shape, Unsupported
from romancy.errors import ActivityError, InstanceCancelledError, InstanceFailedError, SerializationError

_BUILTIN: dict[str, type[Exception]] = {
    name: cls
    for name, cls in vars(builtins).items()
    if isinstance(cls, type)
    and issubclass(cls, Exception)
    and not issubclass(cls, (StopIteration, StopAsyncIteration, BaseExceptionGroup))
    and cls.__name__ == name
}
_OWN: dict[str, type[Exception]] = {
    f"romancy.errors.{name}": cls
    for name, cls in vars(own).items()
    if isinstance(cls, type) and issubclass(cls, Exception)
}
_KNOWN = frozenset([*_BUILTIN.values(), *_OWN.values()])
_NOTE = "traceback of the activity:\n"
_FRAMES, _TRACEBACK, _MESSAGE, _REPR, _ARGUMENT = 20, 8_000, 64_000, 1_000, 1_000_000
_DEEPEST_CAUSE = 4

_Rich = Union[
    tuple["_Rich", ...], list["_Rich"], dict[str, "_Rich"], bytes, datetime, date, time, timedelta, Decimal, UUID,
    bool, int, float, str, None,
]  # fmt: skip


def encode_error(error: BaseException, raises: tuple[type[Exception], ...] = ()) -> str:
    """An exception as JSON text; whatever the exception is like, this raises nothing.

    Args:
        error: the exception.
        raises: the classes that come back as themselves, beside the builtin ones and those of `romancy.errors`. A
            subclass of one of them comes back as that one.
    """
    return _dump(_describe(error, raises))


def encode_failure(
    error: BaseException, raises: tuple[type[Exception], ...], compensation_errors: Sequence[str]
) -> str:
    """How an instance failed: its exception, and what went wrong in compensations.

    Args:
        error: the exception of the workflow.
        raises: as for `encode_error`.
        compensation_errors: texts of `encode_error`.
    """
    return _dump({**_describe(error, raises), "compensation_errors": [_reload(text) for text in compensation_errors]})


def decode_error(text: str, raises: tuple[type[Exception], ...] = ()) -> Exception:
    """The exception that `encode_error` wrote, made without running code of a user's class.

    Args:
        text: what was stored.
        raises: the classes that may come back as themselves, found by their exact qualified names.

    Raises:
        SerializationError: the text is damaged.
    """
    try:
        return _rebuild(_load(text), raises)
    except RecursionError:
        raise _damage() from None


def decode_failure(text: str, raises: tuple[type[Exception], ...]) -> tuple[Exception, list[Exception]]:
    """The exception of a failed instance, and those of its compensations.

    Args:
        text: what `encode_failure` wrote.
        raises: as for `decode_error`.

    Raises:
        SerializationError: the text is damaged.
    """
    members = _load(text)
    try:
        return _rebuild(members, raises), _rebuild_all(members.get("compensation_errors", []), raises)
    except RecursionError:
        raise _damage() from None


def describe_error(text: str) -> tuple[str, str, str]:
    """The type, message and traceback in a text of `encode_error` or `encode_failure`, for tables; raises nothing."""
    try:
        members = _load(text)
    except SerializationError as error:
        return "damaged", error.reason, ""
    return members["type"], members["message"], members["traceback"]


# --- writing ---


def _describe(error: BaseException, raises: tuple[type[Exception], ...], depth: int = 0) -> dict[str, Any]:
    cls = type(error)
    if isinstance(error, ActivityError) and cls in _KNOWN:
        return {
            "type": _text(error.type_name, _REPR),
            "message": _text(error.message, _MESSAGE),
            "traceback": _text(error.traceback, _TRACEBACK),
            "as": qualified_name(cls),
        }
    told = {"type": qualified_name(cls), "message": _message(error), "traceback": _traceback(error)}
    returning = _returning_class(cls, raises)
    if returning is None:
        return told
    try:
        return {**told, "as": qualified_name(returning), **_contents(error, returning, raises, depth)}
    except Exception:
        return {**told, "as": qualified_name(returning), "args": [told["message"]]}


def _dump(members: dict[str, Any]) -> str:
    try:
        return dump(members)
    except Unfit:
        return dump({name: members[name] for name in ("type", "message", "traceback")})


def _returning_class(cls: type[BaseException], raises: tuple[type[Exception], ...]) -> type[BaseException] | None:
    if cls in _KNOWN:
        return cls
    return next((each for each in cls.__mro__ if each in raises), None)


def qualified_name(cls: type[BaseException]) -> str:
    """The name by which a class of exceptions is written and found."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def _text(value: Any, limit: int) -> str:
    return _shorten(str.__str__(value), limit) if isinstance(value, str) else _repr(value)


# What an exception says of itself is a user's code, which must not keep its failure from being recorded: hence the
# `except BaseException` here and below.
def _message(error: BaseException) -> str:
    try:
        return _text(str(error), _MESSAGE)
    except BaseException:
        return _repr(error)


def _repr(value: Any) -> str:
    try:
        return _text(repr(value), _REPR)
    except BaseException:
        return f"<{type(value).__name__} without repr>"


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-(limit // 2) :]}"


def _traceback(error: BaseException) -> str:
    try:
        told = traceback.TracebackException(type(error), error, error.__traceback__, limit=-_FRAMES, compact=True)
        return _shorten("".join(told.format()), _TRACEBACK)
    except BaseException:
        return ""


def _contents(error: BaseException, cls: Any, raises: tuple[type[Exception], ...], depth: int) -> dict[str, Any]:
    args = _args(error)
    contents: dict[str, Any] = {"args": [_carried(each, ANY) for each in args]}
    # An argument that plain JSON would change, such as a tuple, stands here a second time with its type.
    typed = {str(i): _typed(each) for i, each in enumerate(args) if type(each) not in SCALARS}
    if any(value is not None for value in typed.values()):
        contents["typed"] = {index: value for index, value in typed.items() if value is not None}
    if cls not in _KNOWN:
        shapes = _attribute_shapes(cls)
        contents["attributes"] = {n: _carried(v, shapes.get(n, ANY)) for n, v in _attributes(error).items()}
    if isinstance(error, (InstanceFailedError, InstanceCancelledError)) and depth < _DEEPEST_CAUSE:
        contents["errors"] = [_describe(each, raises, depth + 1) for each in error.compensation_errors]
        if error.__cause__ is not None:
            contents["cause"] = _describe(error.__cause__, raises, depth + 1)
    return contents


def _args(error: BaseException) -> tuple[Any, ...]:
    # The args of an OSError lack its file names.
    if isinstance(error, OSError):
        return tuple(OSError.__reduce__(error)[1])
    return tuple(error.args)


def _carried(value: Any, shape: Shape) -> Any:
    try:
        encoded = shape.encode(value)
        if len(dump(encoded)) <= _ARGUMENT:
            return encoded
    except Exception:
        pass
    return _text(value, _MESSAGE)


def _typed(value: Any) -> Any:
    try:
        encoded = _rich().encode(value)
        return encoded if len(dump(encoded)) <= _ARGUMENT else None
    except Exception:
        return None


@functools.cache
def _rich() -> Shape:
    return Shapes(globals(), {}).of("_Rich")


def _attributes(error: BaseException) -> dict[str, Any]:
    found = {name: getattr(error, name) for name in _field_names(type(error)) if hasattr(error, name)}
    for name, value in error.__dict__.items():
        if name != "__notes__":
            found.setdefault(name, value)
    notes = [each for each in getattr(error, "__notes__", ()) if isinstance(each, str) and not each.startswith(_NOTE)]
    return {**found, "__notes__": notes} if notes else found


def _field_names(cls: type) -> list[str]:
    if attrs.has(cls):
        return [each.name for each in attrs.fields(cls)]
    return [each.name for each in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []


@functools.lru_cache(maxsize=256)
def _attribute_shapes(cls: Any) -> dict[str, Shape]:
    """The shapes of the attributes that a class of exceptions annotates; those without one are left out."""
    shapes, found = Shapes({}, {}), {}
    try:
        hints = shapes.hints(cls)
    except Unsupported:
        return {}
    for name, hint in hints.items():
        try:
            found[name] = shapes.of(hint)
        except Exception:
            continue
    return found


# --- reading ---


def _load(text: str) -> dict[str, Any]:
    try:
        return _checked(load(text))
    except Unfit as unfit:
        raise SerializationError("error", unfit.reason) from None


def _checked(members: Any) -> dict[str, Any]:
    if type(members) is dict and all(type(members.get(each)) is str for each in ("type", "message", "traceback")):
        return members
    raise _damage()


def _damage() -> SerializationError:
    return SerializationError("error", "the stored text of an exception is damaged: parts are missing or misshapen")


def _reload(text: str) -> dict[str, Any]:
    try:
        return _load(text)
    except SerializationError as error:
        return _describe(error, ())


def _rebuild_all(many: Any, raises: tuple[type[Exception], ...]) -> list[Exception]:
    if type(many) is not list:
        raise _damage()
    return [_rebuild(_checked(each), raises) for each in many]


def _rebuild(members: dict[str, Any], raises: tuple[type[Exception], ...]) -> Exception:
    told, message, trace = members["type"], members["message"], members["traceback"]
    cls = _find(members.get("as"), raises)
    if cls is None:
        return ActivityError(told, message, trace)
    if issubclass(cls, ActivityError) and cls in _KNOWN:
        return cls(told, message, trace)
    args, attributes = _stored_args(members), members.get("attributes", {})
    if type(attributes) is not dict:
        raise _damage()
    try:
        error = _make(cls, args)
        if cls not in _KNOWN:
            _set_attributes(error, cls, attributes)
            if told != qualified_name(cls) and str(error) != message:
                object.__setattr__(error, "args", (message,))
    except Exception:
        return ActivityError(told, message, trace)
    _restore_instance_errors(error, members, raises)
    if trace:
        _add_note(error, _NOTE + trace)
    return error


def _add_note(error: Exception, note: str) -> None:
    """By way of the class, since a stored attribute may be called `add_note`, and a user's class may be frozen."""
    with contextlib.suppress(Exception):
        BaseException.add_note(error, note)


def _find(name: Any, raises: tuple[type[Exception], ...]) -> type[Exception] | None:
    if type(name) is not str:
        return None
    found = _BUILTIN.get(name) or _OWN.get(name)
    return found or next((each for each in raises if qualified_name(each) == name), None)


def _stored_args(members: dict[str, Any]) -> list[Any]:
    args, typed = members.get("args", [members["message"]]), members.get("typed", {})
    if type(args) is not list or type(typed) is not dict:
        raise _damage()
    try:
        return [_rich().decode(typed[str(i)]) if str(i) in typed else each for i, each in enumerate(args)]
    except (Unfit, TypeError):
        raise _damage() from None


def _make(cls: type[Exception], args: list[Any]) -> Exception:
    """An exception with these arguments, made without running a user's `__init__`."""
    if cls in _KNOWN:
        try:
            return cls(*args)
        except Exception:
            pass
    native: Any = next(each for each in cls.__mro__ if each in _KNOWN)
    error: Exception = native.__new__(cls, *args)
    try:
        native.__init__(error, *args)
    except Exception:
        object.__setattr__(error, "args", tuple(args))
    return error


def _set_attributes(error: Exception, cls: Any, attributes: Mapping[str, Any]) -> None:
    shapes, fields = _attribute_shapes(cls), _field_names(cls)
    for name, data in attributes.items():
        value = _decoded(data, shapes.get(name))
        if name in fields:
            object.__setattr__(error, name, value)
        elif name == "__notes__":
            for note in value if type(value) is list else ():
                _add_note(error, str(note))
        elif not name.startswith("__"):
            error.__dict__[name] = value
    # What attrs made of the fields before, with the values that have come back.
    if attrs.has(cls) and len(error.args) == len(fields):
        object.__setattr__(error, "args", tuple(getattr(error, name) for name in fields))


def _decoded(data: Any, shape: Shape | None) -> Any:
    try:
        return data if shape is None else shape.decode(data)
    except Unfit:
        # It did not fit when it was written either, and is there as text.
        return data


def _restore_instance_errors(error: Exception, members: dict[str, Any], raises: tuple[type[Exception], ...]) -> None:
    if isinstance(error, (InstanceFailedError, InstanceCancelledError)):
        error.compensation_errors = tuple(_rebuild_all(members.get("errors", []), raises))
        if "cause" in members:
            error.__cause__ = _rebuild(_checked(members["cause"]), raises)
