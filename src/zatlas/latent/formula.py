"""Formulas of one parameter t, as a person types them: read by a small grammar, never run as code."""

import ast
from collections.abc import Callable

import numpy as np

from zatlas.core.arrays import Plane, Values
from zatlas.core.errors import BadRecipe

Number = Callable[[Values], Values]
FUNCTIONS: dict[str, Callable] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
}
OPERATORS: dict[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
CONSTANTS = {"pi": np.pi, "e": np.e}
MAX_LENGTH = 300  # letters


def plane_formula(x: str, y: str) -> Callable[[Values], Plane]:
    """The places (x(t), y(t)) of two formulas, as "2*t*cos(8*pi*t)"."""
    right, up = read_formula(x), read_formula(y)

    def places(t: Values) -> Plane:
        with np.errstate(all="ignore"):  # what is no number is refused by whoever draws it
            both = np.broadcast_arrays(t, right(t), up(t))[1:]
        return np.stack(both, axis=1).astype(np.float32)

    return places


def read_formula(text: str) -> Number:
    """The function of t that this text is."""
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError
        return _compile(ast.parse(text.strip().replace("^", "**"), mode="eval").body, text)
    except (SyntaxError, ValueError, RecursionError):
        raise BadRecipe(
            f"{text[:MAX_LENGTH]!r} is no formula of t. Write it with + - * / **, numbers, pi and "
            f"{', '.join(FUNCTIONS)}, as 2*t*cos(8*pi*t)."
        ) from None


def _compile(node: ast.expr, text: str) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return lambda t: np.asarray(value, np.float64)
        case ast.Name(id="t"):
            return lambda t: np.asarray(t, np.float64)
        case ast.Name(id=name) if name in CONSTANTS:
            return lambda t: np.asarray(CONSTANTS[name], np.float64)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            part = _compile(inner, text)
            return lambda t: -part(t)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            a, b, operator = _compile(left, text), _compile(right, text), OPERATORS[type(op)]
            return lambda t: operator(a(t), b(t))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in FUNCTIONS:
            part, function = _compile(inner, text), FUNCTIONS[name]
            return lambda t: function(part(t))
    raise ValueError
