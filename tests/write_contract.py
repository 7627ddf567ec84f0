"""Writes the page's types and constants from Python's: `python -m tests.write_contract`, or `just docs`."""

import ast
import inspect
import json
import re
from pathlib import Path
from types import ModuleType

from matplotlib import colormaps
from matplotlib.colors import to_hex

from zatlas.directions import preference, types
from zatlas.latent import arithmetic, chart, curves, neighbors, priors
from zatlas.models import flow
from zatlas.render.theme import DARK, LIGHT, Theme
from zatlas.site import export, frames, schema, story, tree

SOURCES = Path(__file__).parents[1] / "web" / "src"
HEAD = "/** Written by `python -m tests.write_contract` from the Python package. Do not edit. */\n"
MANIFEST = """export * from "./constants";
export * from "./messages";

// The manifest. URLs are relative to the page; numbers in files are little-endian."""
MESSAGES = """import type { ChartEntry } from "./contract";

// The messages of the server's socket. Numbers in them are little-endian."""
CONSTANTS: dict[str, tuple[float | str, str]] = {
    "FORMAT": (tree.FORMAT, "of the manifest"),
    "GPU_PIXELS": (export.GPU_PIXELS, "of an image from which on the page tries the GPU"),
    "SHELL": (curves.SHELL_DIM, "dimensions from which on samples of a normal prior lie on a shell"),
    "MAX_ON_SHELL": (arithmetic.MAX_ON_SHELL, "latents whose mean keeps their norm"),
    "DENSE": (curves.DENSE_SAMPLES, "straight pieces per spline segment"),
    "FORWARD": (chart.FORWARD, "neighbors that determine a position on a chart"),
    "INVERSE": (chart.INVERSE, "neighbors that determine the latent at a position"),
    "FEW": (neighbors.FEW, "values of which the largest stands for the 99th percentile"),
    "CHART_MARGIN": (chart.MARGIN, "of the box around the positions of a chart, on each side"),
    "FIELD_STEP": (types.FIELD_STEP, "largest step along a nonlinear direction, in standard deviations"),
    "PRIOR_KEY": (priors.KEY, "of the metadata of a fitted prior's file"),
    "PRIOR_FORMAT": (priors.FORMAT, "of that file"),
    "COUPLING_LIMIT": (flow.MAX_LOG_SCALE, "of a coupling's log-scale"),
    "SPLINE_REACH": (flow.TAIL_BOUND, "the splines of a flow are the identity beyond this"),
    "SPLINE_MIN": (flow.MIN_SIZE, "minimum bin width, bin height and derivative of these splines"),
    "MAX_COMPONENTS": (preference.MAX_DIMENSIONS, "principal components in which a preference is estimated"),
    "MIN_STD": (preference.MIN_STD, "components with a smaller share of the largest std are ignored"),
    "MAX_PAIRWISE": (
        preference.MAX_PAIR_DIMENSIONS,
        "most components for questions of 2 images; above, GROUP images",
    ),
    "GROUP": (preference.QUESTION_SIZE, "images of a question in many dimensions"),
    "RADIUS": (preference.RADIUS, "distance of the shown images from the starting latent, in std"),
    "ERROR_RATE": (preference.ERROR_RATE, "of the user's answers"),
    "NOISE": (preference.NOISE, "preference difference below which answers are close to random"),
    "SWEEPS": (preference.SWEEPS, "of expectation propagation over all answers"),
    "CANDIDATES": (preference.CANDIDATES, "questions, of which the most informative is shown"),
    "STORY_NEEDS": (" ".join(story.NEEDS), "what a run can have that a story needs"),
    "MAX_STORY": (story.MAX_STORY, "characters"),
    "MAX_STEPS": (story.MAX_STEPS, "of a story"),
    "MAX_TITLE": (story.MAX_TITLE, "characters"),
    "MAX_CHOICES": (story.MAX_CHOICES, "of a question"),
    "SAMPLES": (preference.POSTERIOR_SAMPLES, "posterior samples for the information of a question"),
}
SCALE_STEPS = 17  # colours of the scale for numbers
NAMES = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}


def written() -> dict[Path, str]:
    """The TypeScript files."""
    return {
        SOURCES / "constants.ts": constants(),
        SOURCES / "contract.ts": contract(schema, MANIFEST),
        SOURCES / "messages.ts": contract(frames, MESSAGES),
    }


def constants() -> str:
    lines = [constant(name, *value) for name, value in CONSTANTS.items()]
    return "\n".join([HEAD, *lines, themes()]) + "\n"


def contract(module: ModuleType, about: str) -> str:
    source = inspect.getsource(module)
    lines = source.splitlines()
    parts = [HEAD, about]
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            parts.append(interface(node, lines))
        elif isinstance(node, ast.Assign):
            parts.append(assigned(node, lines))
    return "\n".join(parts) + "\n"


def constant(name: str, value: float | str, about: str) -> str:
    text = f'"{value}"' if isinstance(value, str) else f"{value:g}"
    return f"export const {name} = {text}; // {about}"


def interface(node: ast.ClassDef, lines: list[str]) -> str:
    bases = [ast.unparse(base) for base in node.bases if ast.unparse(base) != "TypedDict"]
    extends = f" extends {', '.join(bases)}" if bases else ""
    about = ast.get_docstring(node)
    fields = []
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            fields.append(member(field.target.id, field.annotation, lines[field.lineno - 1]))
    return "\n".join(["", *([f"/** {about} */"] if about else []), *block(node.name + extends, fields)])


def assigned(node: ast.Assign, lines: list[str]) -> str:
    """A union or an alias."""
    name = ast.unparse(node.targets[0])
    return f"\nexport type {name} = {typed(node.value)};{remark(lines[node.lineno - 1])}"


def themes() -> str:
    """The colours of the light and the dark theme."""
    return "\n".join(
        ["", "/** Colours of the themes. */", "export const THEMES = {", theme(LIGHT), theme(DARK), "};"]
    )


def theme(colours: Theme) -> str:
    low, high = colours.scale
    steps = (low + (high - low) * i / (SCALE_STEPS - 1) for i in range(SCALE_STEPS))
    values = {
        "paper": colours.paper,
        "generated": colours.generated,
        "classes": colours.palette,
        "scale": [to_hex(colormaps["viridis"](step)) for step in steps],
    }
    fields = (f"    {name}: {json.dumps(value)}," for name, value in values.items())
    return "\n".join([f"  {colours.name}: {{", *fields, "  },"])


def block(name: str, fields: list[str]) -> list[str]:
    return [f"export interface {name} {{", *fields, "}"]


def member(name: str, hint: ast.expr, line: str) -> str:
    optional = isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "NotRequired"
    mark, inner = ("?", hint.slice) if optional and isinstance(hint, ast.Subscript) else ("", hint)
    return f"  {name}{mark}: {typed(inner)};{remark(line)}"


def remark(line: str) -> str:
    result = re.search(r"  # (.*)$", line)
    return f" // {result[1]}" if result else ""


def typed(hint: ast.expr) -> str:
    """A type of Python as TypeScript writes it."""
    if isinstance(hint, ast.Constant):
        return "null" if hint.value is None else typed(ast.parse(str(hint.value), mode="eval").body)
    if isinstance(hint, ast.Name):
        return NAMES.get(hint.id, hint.id)
    if isinstance(hint, ast.BinOp):
        return f"{typed(hint.left)} | {typed(hint.right)}"
    assert isinstance(hint, ast.Subscript), ast.unparse(hint)
    kind, inner = ast.unparse(hint.value), hint.slice
    several = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if kind == "Literal":
        return " | ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in map(ast.literal_eval, several))
    if kind == "list":
        return f"({item})[]" if " | " in (item := typed(inner)) else f"{item}[]"
    if kind == "dict":
        return f"Record<string, {typed(several[1])}>"
    assert kind == "tuple", kind
    return f"[{', '.join(map(typed, several))}]"


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
