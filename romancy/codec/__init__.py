"""Values, calls and exceptions to JSON text and back; the only place that knows cattrs.

The text is readable and canonical: the same value gives the same text in every process. A text that begins with a space
holds something that orjson cannot carry (an integer of more than 64 bits, NaN, an infinity, half of a surrogate pair,
deep nesting): the standard `json` module wrote it, with `NaN` and `Infinity` as literals, and reads it again.

What comes back equals what was given, under the annotation that code declares; nothing is coerced, and no name that is
stored in a text is ever imported or called.

- Without an annotation, and under `Any`, `dict` and `list`, only JSON's own types pass; a tuple comes back as a list.
- A bool passes for an int and an int for a float, and comes back as what it was. A value of a subclass passes where it
  equals one of the declared class, and comes back as that; an instance of a subclass with fields never does.
- `Sequence`, `Iterable` and `Collection` take lists and tuples, and come back as lists.
- A datetime is ISO text with its offset, without the name of its zone; a naive one keeps its `fold`.
- An enum is written by value where all its values are texts or all are integers, else by name.
- A key that is no text is written as its JSON text. Members of a set are sorted by theirs.
- Members of a union whose JSON could be mistaken for another's are written as `{"$type": name, "value": …}`.
- A field that was added needs a default; one that was recorded must stay, since a missing one may have been renamed.
"""

from romancy.codec.arguments import CallCodec, activity_codec, workflow_codec
from romancy.codec.errors import decode_error, decode_failure, describe_error, encode_error, encode_failure
from romancy.codec.text import fingerprint

__all__ = [
    "CallCodec",
    "activity_codec",
    "decode_error",
    "decode_failure",
    "describe_error",
    "encode_error",
    "encode_failure",
    "fingerprint",
    "workflow_codec",
]
