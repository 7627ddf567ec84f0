"""Make dataclasses from tables of settings, with strict types and helpful errors.

The type of a field limits its numbers: `dim: Annotated[int, Within(1, 100_000)]`.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from zatlas.core.errors import BadRecipe, UnknownName

TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Within:
    """The numbers from `low` to `high`; `above` excludes `low`, and `below` excludes `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        more = value > self.low if self.above else value >= self.low
        return more and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        low, high = _formatted(self.low), _formatted(self.high)
        if math.isinf(self.low) and math.isinf(self.high):
            return "that is finite"
        if not (self.above or self.below or math.isinf(self.low) or math.isinf(self.high)):
            return f"from {low} to {high}"
        least = f"above {low}" if self.above else f"of at least {low}"
        upper = f"below {high}" if self.below else f"at most {high}"
        limits = [least] if math.isfinite(self.low) else []
        return " and ".join([*limits, upper] if math.isfinite(self.high) else limits)


def _formatted(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) and value == int(value) else f"{value:g}"


FINITE_NUMBER = Within()
TOML_INTEGER = Within(-(2**63), 2**63 - 1)  # the integers that TOML can store
Count = Annotated[int, Within(1, 1_000_000)]
Dim = Annotated[int, Within(1, 100_000)]  # dimensions of a latent space
Weight = Annotated[float, Within(0.0)]  # 0 for none


def fill(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """Return the dataclass with these values; an unknown name or a wrong value raises an error."""
    if not isinstance(values, Mapping):
        raise BadRecipe(f"[{where}] must be a table of settings, not {shortened(values)}.")
    hints = setting_types(kind)
    for name in values:
        if name not in hints:
            raise UnknownName(f"setting of [{where}]", name, hints)
    return kind(
        **{name: checked_value(value, hints[name], f"{where}.{name}") for name, value in values.items()}
    )


def setting_types(kind: type) -> dict[str, Any]:
    """Return the names and types of the fields of a dataclass, without class variables."""
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in fields(kind) if get_origin(hints[f.name]) is not ClassVar}


def checked_value(value: Any, hint: Any, name: str, within: Within = FINITE_NUMBER) -> Any:
    """Convert a value to the type of the hint without loss; raise an error that has `name` if that fails."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *notes = get_args(hint)
        limits = [note for note in notes if isinstance(note, Within)]
        return checked_value(value, inner, name, *limits[:1])
    if origin is Literal:
        if value not in get_args(hint):
            raise UnknownName(f"value of {name}", str(value)[:60], map(str, get_args(hint)))
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        return checked_value(value, hint, name, within)
    if origin is tuple:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        return tuple(checked_value(item, get_args(hint)[0], name, within) for item in items)
    if hint is float and type(value) is int and value in TOML_INTEGER:
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise BadRecipe(f"{name} must be {TYPE_NAMES.get(hint, hint.__name__)}, not {shortened(value)}.")
    if hint in (int, float):
        allowed = TOML_INTEGER if hint is int and within is FINITE_NUMBER else within
        if value not in allowed or not math.isfinite(value):
            raise BadRecipe(f"{name} must be {TYPE_NAMES[hint]} {allowed}, not {shortened(value)}.")
    return value


def shortened(value: Any) -> str:
    """Return a value as short text for a message."""
    if type(value) is int and value not in TOML_INTEGER:
        return "a number of very many digits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}..."
