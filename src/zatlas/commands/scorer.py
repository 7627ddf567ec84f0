"""Commands for scorers: nets that read attributes from images, and what they read of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import app, told
from zatlas.commands.consent import consenting
from zatlas.commands.make import list_rows

if TYPE_CHECKING:
    from zatlas.predictions import Predictions
    from zatlas.training.classifier_training import AttributeAccuracy

scorer = tyro.extras.SubcommandApp()


@scorer.command
@told
def train(
    data: Annotated[Positional[str], arg(metavar="DATA")],
    *,
    out: Annotated[Path, arg(metavar="FILE")],
    attribute: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = (),
    epochs: int | None = None,
    size: Annotated[int | None, arg(metavar="PX")] = None,
    seed: int = 0,
) -> None:
    """Teach a small net to read the attributes of labelled images, and say how well it reads others.

    Args:
        data: What `zatlas train` takes; it needs labels or a table of attributes.
        out: The file to write, as faces.safetensors.
        attribute: An attribute to read, or "label"; may be given again. All of them if none is named.
        epochs: Times through the images.
        size: Resize and centre-crop the images to PX x PX.
        seed: Of all chance.
    """
    from zatlas.core.progress import console
    from zatlas.data import sources
    from zatlas.models.classifier import save_classifier
    from zatlas.training.classifier_training import TRAINING, evaluate_classifier, train_classifier

    source, options = sources.resolve(data)
    images = sources.load(source, size=size, **options)
    many = TRAINING.epochs if epochs is None else epochs
    trained = train_classifier(images, attribute or None, epochs=many, seed=seed)
    place = save_classifier(out, trained)
    console().print(f"scorer: {place}", soft_wrap=True, markup=False)
    list_rows([_row_of(name, result) for name, result in evaluate_classifier(trained, images).items()])


@scorer.command
@consenting
@told
def read(
    file: Annotated[Positional[str], arg(metavar="SCORER")],
    what: Annotated[Positional[str], arg(metavar="RUN|DATA")],
    *,
    size: Annotated[int | None, arg(metavar="PX")] = None,
) -> None:
    """Let a scorer read the images of a run, or its samples where images have no points, and keep it.

    Every command knows the attributes from then on: zatlas attribute, directions, chart --by. Of other
    images than a run's it says what it reads, and how well, where they have the same attributes.

    Args:
        file: A file of `zatlas scorer train`, an ONNX file (FILE.onnx, or FILE.onnx:pixels=signed), or
            package.module:function, which takes arrays of images and gives numbers.
        what: A run folder, or what `zatlas train` takes.
        size: Of images that are no run's: resize and centre-crop them to PX x PX.
    """
    from zatlas.core.progress import console
    from zatlas.data import sources
    from zatlas.models.external_classifiers import open_classifier
    from zatlas.predictions import predict
    from zatlas.training.classifier_training import evaluate_classifier
    from zatlas.workspace import Workspace

    result = open_classifier(file)
    if result.about:
        console().print(f"The scorer {result.about}.", soft_wrap=True, markup=False)
    if (Path(what) / "made.json").exists():
        workspace = Workspace.open(what).annotate(result, save=True)
        assert workspace.predictions is not None
        subject = "samples" if workspace.source.generated else "images"
        console().print(f"{len(workspace.dataset):,} {subject} of {workspace.name} read; kept in the run.")
        list_rows(_summary(workspace.predictions, {}))
        return
    source, options = sources.resolve(what)
    images = sources.load(source, size=size or _side(result.shape), **options)
    list_rows(_summary(predict(result, images), evaluate_classifier(result, images)))


def _side(shape: tuple[int, int, int] | None) -> int | None:
    return shape[1] if shape is not None and shape[1] == shape[2] else None


def _row_of(name: str, result: "AttributeAccuracy") -> dict[str, Any]:
    """How well one attribute is read, beside what a constant answer reaches."""
    return {
        "attribute": name,
        "measure": result.measure,
        "value": round(result.value, 4),
        "chance": round(result.baseline, 4),
        "AUC": None if result.auc is None else round(result.auc, 4),
        "images": result.images,
    }


def _summary(reading: "Predictions", checks: "dict[str, AttributeAccuracy]") -> list[dict[str, Any]]:
    """What was read, attribute by attribute: how many are true, or where the numbers lie."""
    import numpy as np

    rows: list[dict[str, Any]] = []
    for name, column in reading.columns.items():
        if column.dtype.kind == "U":
            words, counts = np.unique(column, return_counts=True)
            shares = {str(w): round(c / len(column), 4) for w, c in zip(words, counts, strict=True)}
            told: dict[str, Any] = {"kind": "class", "read": shares}
        elif column.dtype.kind == "b":
            told = {"kind": "flag", "read": round(float(column.mean()), 4)}
        else:
            low, middle, high = np.quantile(column, [0.05, 0.5, 0.95]).round(4).tolist()
            told = {"kind": "number", "read": [low, middle, high]}
        row = {"attribute": name, **told}
        rows.append({**row, **_row_of(name, checks[name])} if name in checks else row)
    return rows


app.command(
    scorer, name="scorer", help="Teach a net to read attributes of images, or let any scorer read a run."
)
