"""Formulas of a parameter t and a dimension i, parsed by a small grammar and never executed as code."""

import ast
from collections.abc import Callable, Sequence

import numpy as np

from zatlas.core.arrays import Latents, Plane, Values
from zatlas.core.errors import BadRecipe

Number = Callable[..., Values]  # of the variables, in their order
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


def latent_formula(formulas: Sequence[str], dim: int) -> Callable[[Values], Latents]:
    """Return the function t -> z(t), (n, dim), of one formula of t and i, or of one for each dimension.

    i is the number of the dimension, from 0: "2*cos(2*pi*t + i)".
    """
    if len(formulas) not in (1, dim):
        raise BadRecipe(
            f"This space has {dim} dimensions. Give one formula of t and the dimension i for all of them, or "
            f"{dim} formulas, not {len(formulas)}."
        )
    parts = [read_formula(text, ("t", "i")) for text in formulas]
    parts = parts * dim if len(parts) == 1 else parts

    def latents(t: Values) -> Latents:
        with np.errstate(all="ignore"):  # the caller refuses NaN and infinity
            columns = [np.broadcast_to(part(t, np.float64(i)), np.shape(t)) for i, part in enumerate(parts)]
        return np.stack(columns, axis=1).astype(np.float32)

    return latents


def read_formula(text: str, variables: tuple[str, ...] = ("t",)) -> Number:
    """Parse a formula of these variables, and return it as a function of them."""
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError
        return _compile(ast.parse(text.strip().replace("^", "**"), mode="eval").body, variables)
    except (SyntaxError, ValueError, RecursionError):
        raise BadRecipe(
            f"{text[:MAX_LENGTH]!r} is not a formula of {' and '.join(variables)}. Use "
            f"{', '.join(variables)}, numbers, pi, e, + - * / ** and {', '.join(FUNCTIONS)}: 2*t*cos(8*pi*t)."
        ) from None


def _compile(node: ast.expr, variables: tuple[str, ...]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return lambda *values: np.asarray(value, np.float64)
        case ast.Name(id=name) if name in variables:
            position = variables.index(name)
            return lambda *values: np.asarray(values[position], np.float64)
        case ast.Name(id=name) if name in CONSTANTS:
            return lambda *values: np.asarray(CONSTANTS[name], np.float64)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            part = _compile(inner, variables)
            return lambda *values: -part(*values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            a, b, operator = _compile(left, variables), _compile(right, variables), OPERATORS[type(op)]
            return lambda *values: operator(a(*values), b(*values))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in FUNCTIONS:
            part, function = _compile(inner, variables), FUNCTIONS[name]
            return lambda *values: function(part(*values))
    raise ValueError
