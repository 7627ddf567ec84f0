"""The script that completes commands and options at the Tab key, for bash, zsh and fish."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout

from tyro.extras import SubcommandApp

from zatlas.commands.overview import SETS
from zatlas.commands.registration import COMMANDS
from zatlas.core.errors import BadRecipe

SHELLS = ("bash", "zsh", "fish")


def completion_script(arguments: Sequence[str]) -> str:
    """Return the script for the shell that the arguments of --print-completion name."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        shells = " or ".join(SHELLS)
        raise BadRecipe(f"--print-completion takes {shells}, not {' '.join(arguments) or 'nothing'}.")
    app = SubcommandApp()
    sets = {name: SubcommandApp() for name in SETS}
    for name, each in COMMANDS.items():
        first, _, second = name.partition(" ")
        (sets[first] if second else app).command(name=second or first)(each.function)
    for name, subcommands in sets.items():
        app.command(subcommands, name=name)
    script = io.StringIO()
    try:
        with redirect_stdout(script):
            app.cli(prog="zatlas", args=["--tyro-write-completion", arguments[0], "-"])
    except SystemExit:
        return script.getvalue()  # tyro prints the script and exits
    raise AssertionError("tyro printed no script")
