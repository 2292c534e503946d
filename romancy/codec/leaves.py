"""Values that are written as one text, or by a table: dates, numbers, paths, enums, literals; and pydantic's models."""

from __future__ import annotations

import base64
import enum
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from romancy.codec.text import Unfit, dump, shown
from romancy.codec.values import FORMS, TEXT, Shape, suggesters, unfit


def _encode_datetime(value: datetime) -> str:
    """ISO text with the offset; the name of a zone is left out, since finding it again would open a file."""
    _refuse_zone_without_offset(value)
    return datetime.isoformat(value) + (" fold=1" if value.fold and value.tzinfo is None else "")


def _refuse_zone_without_offset(value: datetime | time) -> None:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Unfit(f"has the zone {shown(str(value.tzinfo))}, which gives it no offset: leave the zone out", value)


def _decode_datetime(text: str) -> datetime:
    bare = text.removesuffix(" fold=1")
    return datetime.fromisoformat(bare).replace(fold=int(bare != text))


def _encode_time(value: time) -> str:
    _refuse_zone_without_offset(value)
    return time.isoformat(value) + (" fold=1" if value.fold else "")


def _decode_time(text: str) -> time:
    bare = text.removesuffix(" fold=1")
    return time.fromisoformat(bare).replace(fold=int(bare != text))


def _encode_timedelta(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    whole, part = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}PT{whole}{f'.{part:06d}'.rstrip('0') if part else ''}S"


_LENGTH = re.compile(r"(-?)PT([0-9]{1,15})(?:\.([0-9]{1,6}))?S")


def _decode_timedelta(text: str) -> timedelta:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError("it is no length of time such as PT90.5S")
    sign, whole, part = found.groups()
    length = timedelta(seconds=int(whole), microseconds=int((part or "").ljust(6, "0")))
    return -length if sign else length


def _encode_base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _decode_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _classes(module: Any, prefix: str) -> list[Any]:
    return [each for name, each in vars(module).items() if isinstance(each, type) and name.startswith(prefix)]


BY_TEXT: dict[Any, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    datetime: (_encode_datetime, _decode_datetime),
    date: (date.isoformat, date.fromisoformat),
    time: (_encode_time, _decode_time),
    timedelta: (_encode_timedelta, _decode_timedelta),
    Decimal: (str, Decimal),
    Fraction: (str, Fraction),
    uuid.UUID: (str, uuid.UUID),
    bytes: (_encode_base64, _decode_base64),
    bytearray: (_encode_base64, lambda text: bytearray(_decode_base64(text))),
    **{cls: (str, cls) for cls in _classes(pathlib, "P") + _classes(ipaddress, "IPv")},
}


def by_text(cls: type) -> Shape:
    """The shape of a class of `BY_TEXT`; of its subclasses' values, those that come back equal."""
    write, read = BY_TEXT[cls]

    def encode(value: Any) -> str:
        if type(value) is cls:
            return write(value)
        if isinstance(value, cls):
            text = write(value)
            if read(text) == value:
                return text
        raise unfit(value, cls.__name__)

    def decode(data: Any) -> Any:
        if type(data) is not str:
            raise unfit(data, cls.__name__)
        try:
            return read(data)
        except (ValueError, ArithmeticError, TypeError) as error:
            raise Unfit(f"is {shown(data)} where {cls.__name__} is declared: {error}", data) from None

    return Shape(encode, decode, TEXT, cls=cls)


def by_enum(cls: type[enum.Enum]) -> Shape:
    """The shape of an enum: by value where all values are texts or all are integers, else by name."""
    if issubclass(cls, enum.Flag):
        return _by_flag(cls)
    by_value = {type(member.value) for member in cls} in ({str}, {int})
    written = {name: member.value if by_value else name for name, member in cls.__members__.items()}
    members = {written[name]: member for name, member in cls.__members__.items()}

    def encode(value: Any) -> Any:
        if type(value) is cls:
            return written[value.name]
        raise unfit(value, cls.__name__)

    def decode(data: Any) -> Any:
        if type(data) in (str, int) and data in members:
            return members[data]
        raise Unfit(f"is {shown(data)}, which is no {cls.__name__}", data)

    return Shape(encode, decode, frozenset(type(each) for each in members), cls=cls)


def _by_flag(cls: type[enum.Flag]) -> Shape:
    def encode(value: Any) -> Any:
        if type(value) is cls:
            return value.value
        raise unfit(value, cls.__name__)

    def decode(data: Any) -> Any:
        try:
            if type(data) is int:
                return cls(data)
        except ValueError:
            pass
        raise Unfit(f"is {shown(data)}, which is no {cls.__name__}", data)

    return Shape(encode, decode, frozenset({int}), cls=cls)


def literal(values: tuple[Any, ...]) -> Shape:
    """The shape of `Literal[values]`."""
    pairs = [(value, _literal_data(value)) for value in values]
    declared = f"Literal[{', '.join(shown(value) for value in values)}]"

    def encode(value: Any) -> Any:
        for allowed, data in pairs:
            if type(allowed) is type(value) and allowed == value:
                return data
        raise unfit(value, declared)

    def decode(data: Any) -> Any:
        for allowed, written in pairs:
            if type(written) is type(data) and written == data:
                return allowed
        raise unfit(data, declared)

    is_json = all(value is data for value, data in pairs)
    return Shape(encode, decode, frozenset(type(data) for _, data in pairs), is_json=is_json)


def _literal_data(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return by_enum(type(value)).encode(value)
    return by_text(bytes).encode(value) if type(value) is bytes else value


def is_pydantic(cls: Any) -> bool:
    """Whether a class is a model of pydantic, found out without importing that."""
    return hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_validate_json")


def by_pydantic(cls: Any) -> Shape:
    """The shape of a pydantic model, which pydantic itself writes and checks."""

    def encode(value: Any) -> Any:
        if type(value) is not cls:
            raise unfit(value, cls.__name__)
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings="error")

    def decode(data: Any) -> Any:
        try:
            # By way of text, since strict models take a text for a datetime from JSON only.
            return cls.model_validate_json(dump(data).lstrip(" "))
        except ValueError as error:
            raise Unfit(f"is no {cls.__name__}: {error}", data) from None

    return Shape(
        encode, decode, FORMS if getattr(cls, "__pydantic_root_model__", False) else frozenset({dict}), cls=cls
    )


def _suggest(cls: type) -> str | None:
    if issubclass(cls, pathlib.Path):
        return "Path"
    return cls.__name__ if issubclass(cls, (enum.Enum, *BY_TEXT)) or is_pydantic(cls) else None


suggesters.append(_suggest)
