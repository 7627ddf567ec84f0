"""Commands for classifiers: train one on labelled images, and predict the attributes of a run's images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from zatlas.commands.options import OPENS_RUN, Names, Seed, Size
from zatlas.commands.printing import classifier_of, message, print_rows
from zatlas.commands.registration import command

if TYPE_CHECKING:
    from zatlas.predictions import Predictions
    from zatlas.training.classifier_training import AttributeAccuracy


@command("Directions", "classifier train")
def train(
    data: Annotated[Positional[str], arg(metavar="DATA")],
    *,
    out: Annotated[Path, arg(metavar="FILE")],
    attribute: Annotated[Names, arg(metavar="NAME")] = (),
    epochs: int | None = None,
    size: Size = None,
    seed: Seed = 0,
) -> None:
    """Train a classifier of attributes on labelled images.

    zatlas reports the accuracy on held-out images.

    Args:
        data: Data as for `zatlas train`, with labels or a table of attributes.
        out: File to write, such as faces.safetensors.
        attribute: Attribute to predict, or "label". Repeatable. (default: all)
        epochs: Number of epochs. (default: 12)
    """
    from zatlas.data import sources
    from zatlas.models.classifier import save_classifier
    from zatlas.training.classifier_training import TRAINING, evaluate_classifier, train_classifier

    source, options = sources.resolve(data)
    images = sources.load(source, size=size, **options)
    classifier = train_classifier(
        images, attribute or None, epochs=TRAINING.epochs if epochs is None else epochs, seed=seed
    )
    message(f"classifier: {save_classifier(out, classifier)}")
    print_rows([_row(name, result) for name, result in evaluate_classifier(classifier, images).items()])


@command("Directions", "classifier predict")
def predict(
    file: Annotated[Positional[str], arg(metavar="CLASSIFIER")],
    data: Annotated[Positional[str], arg(metavar="RUN|DATA"), OPENS_RUN],
    *,
    size: Size = None,
) -> None:
    """Predict the attributes of a run's images.

    The run stores the predictions, so that edit, directions and chart know these attributes. If images have
    no latents, zatlas predicts the attributes of samples. For other data, it reports the predictions, and the
    accuracy where the data has the same attributes.

    Args:
        file: A file of `zatlas classifier train`, an ONNX file (FILE.onnx or FILE.onnx:SETTING=VALUE,...), or
            package.module:function, which maps arrays of images to numbers. Settings of ONNX files: names,
            pixels, mean, std, channels and layout.
        data: Run folder, or data as for `zatlas train`.
    """
    from zatlas.data import sources
    from zatlas.predictions import predict
    from zatlas.training.classifier_training import evaluate_classifier
    from zatlas.workspace import Workspace

    opened = Workspace.open(data) if (Path(data) / "made.json").exists() else None
    classifier = classifier_of(file, opened)
    assert classifier is not None
    if classifier.about:
        message(f"The classifier {classifier.about}.")
    if opened is not None:
        workspace = opened.annotate(classifier, save=True)
        assert workspace.predictions is not None
        subject = "samples" if workspace.source.generated else "images"
        message(f"Saved predictions for {len(workspace.dataset):,} {subject} of {workspace.name}.")
        print_rows(_summary(workspace.predictions, {}))
        return
    source, options = sources.resolve(data)
    images = sources.load(source, size=size or _side(classifier.shape), **options)
    print_rows(_summary(predict(classifier, images), evaluate_classifier(classifier, images)))


def _side(shape: tuple[int, int, int] | None) -> int | None:
    return shape[1] if shape is not None and shape[1] == shape[2] else None


def _row(name: str, result: "AttributeAccuracy") -> dict[str, Any]:
    """The accuracy for one attribute, and that of a constant prediction."""
    return {
        "attribute": name,
        "metric": result.measure,
        "value": round(result.value, 4),
        "baseline": round(result.baseline, 4),
        "auc": None if result.auc is None else round(result.auc, 4),
        "images": result.images,
    }


def _summary(predictions: "Predictions", accuracy: "dict[str, AttributeAccuracy]") -> list[dict[str, Any]]:
    """A row for each attribute: shares of the classes, or quantiles of the numbers."""
    import numpy as np

    rows: list[dict[str, Any]] = []
    for name, column in predictions.columns.items():
        if column.dtype.kind == "U":
            values, counts = np.unique(column, return_counts=True)
            shares = {str(v): round(c / len(column), 4) for v, c in zip(values, counts, strict=True)}
            summary: dict[str, Any] = {"kind": "class", "predicted": shares}
        elif column.dtype.kind == "b":
            summary = {"kind": "flag", "predicted": round(float(column.mean()), 4)}
        else:
            quantiles = np.quantile(column, [0.05, 0.5, 0.95]).round(4).tolist()
            summary = {"kind": "number", "predicted": quantiles}
        row = {"attribute": name, **summary}
        rows.append({**row, **_row(name, accuracy[name])} if name in accuracy else row)
    return rows
