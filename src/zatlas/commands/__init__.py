"""The commands: each a typed function, whose signature and docstring tyro makes a command of.

A command is a few lines of the Python API, and prints where the result is on stdout; what is
meant for people goes to stderr. Nothing heavy is imported before a command needs it.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

Run = Annotated[Positional[Path], arg(metavar="RUN", help="A run folder.")]
Out = Annotated[
    Path | None, arg(metavar="FILE", help="Where to; beside the run's gallery if not said.")
]
Dark = Annotated[bool, arg(help="Draw on dark paper.")]
Label = Annotated[str | None, arg(metavar="CLASS", help="What class a conditional model is told.")]
Fitted = Annotated[
    Literal["mixture", "flow"] | None,
    arg(
        help="Draw samples from such a prior, fitted to the codes; fitted now, if it is not kept yet."
    ),
]
Axes = Annotated[
    tuple[int, int] | None, arg(metavar="I J", help="Two axes; those that matter most if not said.")
]

app = tyro.extras.SubcommandApp()
