"""Frames of the WebSocket: the length of a JSON header, the header, then raw numbers."""

import json
import logging
import re
import secrets
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

from zatlas.core.errors import ZatlasError

LENGTH = struct.Struct("<I")
MAX_HEADER_BYTES = 64 << 10  # enough for a label for each latent of the largest request


class BadRequest(ZatlasError):
    """A request that cannot be answered; `code` identifies the kind of mistake."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


def pack(header: Mapping[str, Any], payload: bytes | memoryview = b"") -> bytes:
    """The frame of a header and its payload."""
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return b"".join((LENGTH.pack(len(text)), text, payload))


def unpack(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header and the payload of a frame; raises `BadRequest` for anything else."""
    if len(data) < LENGTH.size:
        raise _bad("it is shorter than the length of a header")
    (length,) = LENGTH.unpack_from(data)
    if length > min(MAX_HEADER_BYTES, len(data) - LENGTH.size):
        raise _bad(f"its header cannot be {length:,} bytes long")
    try:
        text = data[LENGTH.size : LENGTH.size + length].decode()
        header = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise _bad("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _bad("its header is not a JSON object")
    return header, memoryview(data)[LENGTH.size + length :]


def error_payload(error: Exception) -> dict[str, str]:
    """An error as the page gets it, without a traceback."""
    if isinstance(error, BadRequest):
        return {"code": error.code, "message": str(error), "hint": error.hint}
    if isinstance(error, ZatlasError):
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
        return {"code": code, "message": str(error), "hint": ""}
    return internal(error)


def status_of(error: Exception) -> int:
    """The HTTP status: 400 or 422 for a bad request, 409 for the run's state, 500 for an unexpected error."""
    if isinstance(error, BadRequest):
        return 400
    if isinstance(error, ZatlasError):
        return 409 if error.exit_code == 1 else 422
    return 500


def internal(error: Exception) -> dict[str, str]:
    """An unexpected error; the log has the traceback under the id in the answer."""
    number = secrets.token_hex(4)
    logging.getLogger("zatlas.server").error("Internal error %s.", number, exc_info=error)
    return {
        "code": "internal",
        "message": "An internal error occurred on the server.",
        "hint": f"The log of zatlas explore has the details under {number}.",
        "id": number,
    }


def _bad(why: str) -> BadRequest:
    return BadRequest("bad-frame", f"The frame is invalid: {why}.", "Reload the page.")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
