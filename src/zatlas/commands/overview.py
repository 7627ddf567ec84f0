"""The help of `zatlas` itself, and of a set of subcommands such as `zatlas directions`."""

from collections.abc import Iterable

from zatlas.commands.registration import COMMANDS, Command

GROUPS = ("Start", "Make a run", "Look", "Move", "Directions", "Measure", "Data", "Share")  # in order
SETS = {  # commands with subcommands
    "directions": "Find, evaluate and manage directions in the latent space of a run.",
    "classifier": "Train classifiers of images, and predict the attributes of a run's images.",
}
USAGE = """\
usage: zatlas COMMAND [ARGUMENTS]

Train or import image generative models, and explore their latent space.
"""
NOTES = """
zatlas COMMAND --help shows the arguments of a command.
Every command takes --quiet, --verbose and --json. Results go to stdout, and
messages to stderr. Tables are JSON if stdout is not a terminal.
zatlas --version prints the version. zatlas --print-completion SHELL prints a
script that completes commands and options in bash, zsh or fish.
To begin, type: zatlas demo"""


def overview() -> str:
    """The help of `zatlas`: a line for each command, by group."""
    parts = [USAGE]
    for group in GROUPS:
        parts += [group, *_lines(each for each in COMMANDS.values() if each.group == group), ""]
    return "\n".join(parts).rstrip("\n") + "\n" + NOTES


def overview_of(name: str) -> str:
    """The help of a command with subcommands."""
    lines = _lines(each for key, each in COMMANDS.items() if key.startswith(f"{name} "))
    return (
        "\n".join([f"usage: zatlas {name} COMMAND [ARGUMENTS]\n", f"{SETS[name]}\n", *lines])
        + f"\n\nzatlas {name} COMMAND --help shows the arguments of a command."
    )


def _lines(commands: Iterable[Command]) -> list[str]:
    width = max(map(len, COMMANDS))
    return [f"  {each.name:{width}}  {each.summary}" for each in commands]
