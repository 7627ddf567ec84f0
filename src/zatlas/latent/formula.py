"""Formulas of a parameter t, parsed by a small grammar and never executed as code."""

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
MAX_LENGTH = 300  # characters


def plane_formula(x: str, y: str) -> Callable[[Values], Plane]:
    """Return the function t -> (x(t), y(t)) of two formulas, as "2*t*cos(8*pi*t)"."""
    x_of, y_of = read_formula(x), read_formula(y)

    def positions(t: Values) -> Plane:
        with np.errstate(all="ignore"):  # the caller refuses NaN and infinity
            both = np.broadcast_arrays(t, x_of(t), y_of(t))[1:]
        return np.stack(both, axis=1).astype(np.float32)

    return positions


def read_formula(text: str) -> Number:
    """Parse a formula of t, and return it as a function."""
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError
        return _compile(ast.parse(text.strip().replace("^", "**"), mode="eval").body, text)
    except (SyntaxError, ValueError, RecursionError):
        raise BadRecipe(
            f"{text[:MAX_LENGTH]!r} is not a formula of t. Use t, numbers, pi, e, + - * / ** and "
            f"{', '.join(FUNCTIONS)}: 2*t*cos(8*pi*t)."
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
