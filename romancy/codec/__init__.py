"""Values, calls and exceptions to JSON text and back; the only place that knows cattrs.

The text is readable and canonical: the same value gives the same text in every process. A text that begins with a space
holds something that orjson cannot carry (an integer of more than 64 bits, NaN, an infinity, half of a surrogate pair,
deep nesting): the standard `json` module wrote it, with `NaN` and `Infinity` as literals, and reads it again.
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
