"""Runs that are broken on purpose, and healthy ones: the findings of each, before and after the suggestion.

python -m tests.broken_runs [NAME ...]
"""

import shlex
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zatlas import cli
from zatlas.data import sources
from zatlas.metrics.evaluation import EvaluationResult, evaluate
from zatlas.metrics.run_summary import Finding
from zatlas.metrics.titles import format_value, metric_title
from zatlas.workspace import Workspace

GROUPS = ("likelihood", "space", "samples")  # metrics that checks use


@dataclass(frozen=True)
class Case:
    """A training, its expected finding, and the metric that the suggestion must improve."""

    name: str
    train: str  # arguments of `zatlas train`
    finding: str  # "" for a healthy run
    metric: str = ""
    rises: bool = False  # whether higher is better


DEEP = "--set net.name=mlp --set net.widths=[64,64,64,64,64,64]"
STILL = "--set net.name=mlp --set training.preview=0"
CASES = (
    Case(
        "scale",
        "fashion-mini --dim 8 --epochs 8 --set model.reduction=mean",
        "scale of the rate",
        "reconstruction",
    ),
    Case(
        "strong", "fashion-mini --dim 8 --epochs 8 --set model.beta=30", "over-regularized", "reconstruction"
    ),
    Case(
        "blind",
        "fashion-mini --dim 8 --epochs 8 --set model.likelihood=gaussian --set model.sigma=1",
        "likelihood too noisy",
        "reconstruction",
    ),
    Case(
        "collapsed",
        f"digits --dim 8 --epochs 30 {DEEP}",
        "posterior collapse",
        "mutual_information",
        rises=True,
    ),
    Case("holes", "fashion-mini --model ae --dim 8 --epochs 12", "holes", "frechet"),
    Case("apart", "fashion-mini --dim 8 --epochs 12 --set model.beta=0.02", "prior mismatch", "frechet"),
    Case("few", "fashion-mini --dim 1 --epochs 12", "too few dimensions", "reconstruction"),
    Case(
        "memorized",
        "hundred.npz --dim 16 --epochs 300 --set training.best=last --set training.batch=50",
        "memorization",
        "memorized",
    ),
    Case("young", "fashion-mini --dim 16 --epochs 2", "training not converged", "reconstruction"),
    Case(
        "won",
        "digits --model gan --dim 12 --epochs 30 --set model.r1=0 --set training.rate=0.01",
        "discriminator too strong",
        "frechet",
    ),
    Case(
        "narrow",
        "digits --model gan --dim 12 --epochs 30 --set model.r1=0 "
        "--set training.rate=0.0005 --set training.beta1=0.9",
        "mode collapse",
        "variety",
        rises=True,
    ),
    Case("healthy-vae", "fashion-mini --dim 16 --epochs 20", ""),
    Case("healthy-digits", "digits --dim 8 --epochs 60", ""),
    Case("healthy-gan", "digits --model gan --dim 12 --epochs 120", ""),
    Case("healthy-faces", "faces:count=3000 --size 32 --dim 16 --epochs 20", ""),
)


def train_case(case: Case, folder: Path) -> Workspace:
    """The run of this case."""
    run, few = folder / case.name, folder / "hundred.npz"
    if not few.exists():
        hundred_digits(few)
    if not (run / "result.json").exists():
        run_command(f"zatlas train {case.train.replace(few.name, str(few))} {STILL} --out {run}")
    return Workspace.open(run)


def hundred_digits(path: Path) -> None:
    """A dataset of 100 training digits and all held-out digits."""
    images = sources.load("digits")
    train, test = images.rows("train")[:100], images.rows("test")
    np.savez(
        path,
        x_train=images.pixels[train, 0],
        y_train=images.labels[train],
        x_test=images.pixels[test, 0],
        y_test=images.labels[test],
    )


def run_command(command: str) -> None:
    """Run a command line, with its output on stderr."""
    with redirect_stdout(sys.stderr):
        status = cli.main(shlex.split(command)[1:])
    if status:
        raise SystemExit(f"{command} ended with {status}")


def evaluate_run(workspace: Workspace, prior: str = "model") -> EvaluationResult:
    """The evaluation of a run."""
    return evaluate(workspace, groups=GROUPS, prior=prior)


def evaluate_after_suggestion(workspace: Workspace, finding: Finding) -> EvaluationResult:
    """The evaluation after the first suggestion of a finding."""
    command = finding.suggestions[0].command
    run_command(command)
    words = shlex.split(command)
    if "--prior" in words:
        return evaluate_run(workspace, words[words.index("--prior") + 1])
    return evaluate_run(Workspace.open(Path(words[words.index("--out") + 1])))


def main(names: list[str]) -> None:
    """Print the table of the docs."""
    with tempfile.TemporaryDirectory() as folder:
        print("| run | finding | metric | before | after | suggestion |\n|---|---|---|---|---|---|")
        for case in CASES:
            if not names or case.name in names:
                print(_row(case, Path(folder)), flush=True)


def _row(case: Case, folder: Path) -> str:
    workspace = train_case(case, folder)
    before = evaluate_run(workspace)
    result = ", ".join(finding.name for finding in before.findings) or "nothing"
    cells = [f"`zatlas train {case.train}`", result]
    finding = next((one for one in before.findings if one.name == case.finding), None)
    if finding is None:
        return f"| {' | '.join([*cells, '', '', '', ''])} |"
    after = evaluate_after_suggestion(workspace, finding).metric(case.metric)
    one = before.metric(case.metric)
    typed_words = finding.suggestions[0].command.replace(str(folder), "runs")
    cells += [metric_title(one), format_value(one), format_value(after), f"`{typed_words}`"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
