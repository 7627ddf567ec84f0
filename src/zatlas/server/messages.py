"""A frame of the socket, either way: the length of a JSON header, the header, then raw numbers."""

import json
import logging
import re
import secrets
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

from zatlas.core.errors import ZatlasError

LENGTH = struct.Struct("<I")
LONGEST_HEADER = 64 << 10  # bytes: enough for a label each of as many points as one may ask for


class BadRequest(ZatlasError):
    """What a page asked cannot be answered; `code` says which kind of mistake it is."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


def pack(header: Mapping[str, Any], payload: bytes | memoryview = b"") -> bytes:
    """The frame of this header and what belongs to it."""
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return b"".join((LENGTH.pack(len(text)), text, payload))


def unpack(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header and what follows it; anything else than a frame is refused."""
    if len(data) < LENGTH.size:
        raise _bad("it is shorter than the length of a header")
    (length,) = LENGTH.unpack_from(data)
    if length > min(LONGEST_HEADER, len(data) - LENGTH.size):
        raise _bad(f"its header cannot be {length:,} bytes long")
    try:
        text = data[LENGTH.size : LENGTH.size + length].decode()
        header = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _bad("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _bad("its header is not a JSON object")
    return header, memoryview(data)[LENGTH.size + length :]


def error_payload(error: Exception) -> dict[str, str]:
    """An error as a page is told of it: never how it came about."""
    if isinstance(error, BadRequest):
        return {"code": error.code, "message": str(error), "hint": error.hint}
    if isinstance(error, ZatlasError):
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
        return {"code": code, "message": str(error), "hint": ""}
    return internal(error)


def status_of(error: Exception) -> int:
    """The HTTP status of an error: 409 if the run's state is at fault, and 500 for an unexpected one."""
    if isinstance(error, BadRequest):
        return 400
    if isinstance(error, ZatlasError):
        return 409 if error.exit_code == 1 else 422
    return 500


def internal(error: Exception) -> dict[str, str]:
    """An unexpected error: the reply holds an id, and one log record holds the id and the traceback."""
    number = secrets.token_hex(4)
    logging.getLogger("zatlas.server").error("Internal error %s.", number, exc_info=error)
    return {
        "code": "internal",
        "message": "An internal error occurred on the server.",
        "hint": f"The log of zatlas explore has the details under {number}.",
        "id": number,
    }


def _bad(why: str) -> BadRequest:
    return BadRequest("bad-frame", f"This is no frame: {why}.", "Reload the page.")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
