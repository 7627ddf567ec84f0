"""The table of commands: names, groups and help."""

import ast
import re
import shutil
import subprocess
from inspect import signature

import pytest

from tests.write_docs import ROOT, help_of
from zatlas.cli import main
from zatlas.commands.overview import GROUPS, SETS, overview
from zatlas.commands.registration import COMMANDS

TABLE = {
    "Start": "demo datasets models presets",
    "Make a run": "train sweep import blend",
    "Look": "gallery sample reconstruct grid scatter chart decode",
    "Move": "interpolate traverse path edit mix arithmetic",
    "Directions": "directions compass classifier",
    "Measure": "evaluate compare geometry",
    "Data": "encode invert prior check",
    "Share": "explore export push",
}
SUBCOMMANDS = {"directions": "find evaluate list rename remove take", "classifier": "train predict"}


def test_every_command_is_in_one_group():
    for group, names in TABLE.items():
        words = [name.partition(" ")[0] for name, each in COMMANDS.items() if each.group == group]
        assert set(words) == set(names.split()), group
    assert tuple(TABLE) == GROUPS and {each.group for each in COMMANDS.values()} == set(GROUPS)
    for name, words in SUBCOMMANDS.items():
        assert {f"{name} {word}" for word in words.split()} == {
            key for key in COMMANDS if key.startswith(f"{name} ")
        }
    assert SUBCOMMANDS.keys() == SETS.keys()


def test_the_help_has_one_short_line_for_each_command():
    lines = overview().splitlines()
    assert max(map(len, lines)) <= 80
    for name, each in COMMANDS.items():
        assert 0 < len(each.summary) <= 60
        assert sum(line.startswith(f"  {name} ") and each.summary in line for line in lines) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_each_argument_of_a_command_has_help(name):
    page = help_of(*name.split())
    assert page.startswith(f"usage: zatlas {name} ")
    cells = re.sub(r" *│\n│ {4,}", "  ", page)  # each argument with its help on one line
    rows = re.findall(r"^│ (--\S+|\[?[A-Z]\S*)(.*?) *│?$", cells, re.MULTILINE)
    assert [row for row, text in rows if not re.search(r"  .*[a-z]", text)] == []


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["directions"], ["classifier", "--help"]], ids=str)
def test_help_is_printed_to_stdout(words, capsys):
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: zatlas") and not printed.err


def test_the_version_is_printed(capsys):
    from zatlas import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"zatlas {__version__}\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["trian", "digits"], "Did you mean: zatlas train"),
        (["directions", "finde", "run"], "Did you mean: zatlas directions find"),
        (["directions", "runs/digits"], "List the commands: zatlas directions --help"),
        (["xyzzy"], "List the commands: zatlas --help"),
    ],
    ids=str,
)
def test_an_unknown_command_gets_the_nearest_name_and_what_to_type(words, answer, capsys):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and answer in printed.err


COMPLETE = """
source {script}
COMP_WORDS=(zatlas {words} ""); COMP_CWORD=$(({count} + 1))
COMP_LINE="zatlas {words} "; COMP_POINT=${{#COMP_LINE}}
$(complete -p zatlas | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completions(folder, words, capsys):
    """What bash offers after these words."""
    assert main(["--print-completion", "bash"]) == 0
    script = folder / "zatlas.bash"
    script.write_text(capsys.readouterr().out)
    text = COMPLETE.format(script=script, words=words, count=len(words.split()))
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_commands_and_options(tmp_path, capsys):
    assert {name.partition(" ")[0] for name in COMMANDS} <= set(completions(tmp_path, "", capsys))
    assert {"find", "evaluate", "take"} <= set(completions(tmp_path, "directions", capsys))
    assert {"--temperature", "--seed", "--json"} <= set(completions(tmp_path, "sample", capsys))


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]], ids=str)
def test_completion_is_for_three_shells(words, capsys):
    assert main(["--print-completion", *words]) == 2
    assert "takes bash or zsh or fish" in capsys.readouterr().err


SOURCES = [
    *(ROOT / "src/zatlas").rglob("*.py"),
    *(ROOT / "web/src").rglob("*.ts"),
    *(ROOT / "web/src").rglob("*.svelte"),
]
SHOWN = re.compile(r"(?:[:`] ?|Run: )zatlas ((?:[a-z]+ )?[a-z]+)([^`\n]*)")


def strings(path):
    """Every text in a Python file, with ... for values; the whole text of another file."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "shell_command" and node.args:
            words = [arg.value if isinstance(arg, ast.Constant) else "..." for arg in node.args]
            yield ": zatlas " + " ".join(map(str, words))


@pytest.mark.slow
def test_every_command_in_a_message_exists_with_its_options():
    wrong, count = [], 0
    for path in SOURCES:
        for words, rest in [match for text in strings(path) for match in SHOWN.findall(text)]:
            first = words.partition(" ")[0]
            name = words if words in COMMANDS else first
            if words in SETS or (first.endswith("s") and first not in {*SETS, *COMMANDS}):
                continue  # the help of a set, or a sentence such as "zatlas stores ..."
            if name not in COMMANDS:
                wrong.append((path.name, words))
                continue
            count += 1
            options = re.findall(r" --([a-z-]+)", rest)
            names = signature(COMMANDS[name].function).parameters
            wrong += [(path.name, name, each) for each in options if each.replace("-", "_") not in names]
    assert not wrong and count > 50


WRONG = {
    "edit": "zatlas edit needs RUN.",
    "directions rename RUN": "zatlas directions rename needs NAME and NEW.",
    "import net.pt": "zatlas import needs --out RUN.",
    "prior RUN mixture": "zatlas prior does not take 'mixture'.",
    "sample RUN --cuont 3": "zatlas sample does not take '--cuont', '3'. Did you mean --count?",
    "sample RUN --count many": "--count takes a whole number, not 'many'.",
    "sample RUN --temperature warm": "--temperature takes a number, not 'warm'.",
    "grid RUN --by": "--by needs a value.",
    "grid RUN --dimensions 1": "--dimensions takes INT INT, not '1'.",
    "encode RUN DATA --on mars": "--on takes here or ray, not 'mars'.",
    "prior RUN --kind maybe": "--kind takes flow or mixture, not 'maybe'.",
}


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_gets_one_sentence_that_names_the_help_page(call, capsys):
    assert main(call.split()) == 2
    program = "zatlas " + ("directions rename" if call.startswith("directions") else call.split()[0])
    printed = capsys.readouterr()
    assert printed.err == f"zatlas: {WRONG[call]} List the options: {program} --help\n" and not printed.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_unknown_option_in_one_line(name, capsys):
    assert main([*name.split(), "--nosuch"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("zatlas: ") and printed.err.count("\n") == 1 and not printed.out
    assert re.search(r"does not take '--nosuch'|needs [A-Z]", printed.err)
