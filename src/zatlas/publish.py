"""Push a run to the Hugging Face hub, with a model card that shows its figures."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zatlas.core.errors import BadData, NotSupported
from zatlas.core.registry import DATASETS
from zatlas.core.shell import shell_command
from zatlas.data.hub_run import (
    FILES,
    FOLDERS,
    PREFIX,
    belongs_to_run,
    check_repository,
    explained,
    hub_client,
)
from zatlas.figures.catalogue import entries
from zatlas.figures.entry import Entry
from zatlas.metrics.titles import describe_run
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.render.theme import LIGHT
from zatlas.training.recipe import RUN_DATA
from zatlas.workspace import Workspace

SECTIONS = ("Generated images", "The latent space")  # of the gallery, on the card
PRIVATE = ("system", "processor", "device")  # entries of made.json about the machine


def push_run(workspace: Workspace, repository: str, *, private: bool = False) -> str:
    """Push the model, its recipe and its directions with a model card, and return the address.

    The images of the dataset stay here, apart from those in the figures of the card, and so do paths.
    """
    client = hub_client()
    check_repository(repository)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(workspace, folder, repository)
        with explained(repository):
            url = client.create_repo(repository, private=private, exist_ok=True)
            client.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=f"Push {workspace.name} from zatlas"
            )
    return str(url)


def write_files(workspace: Workspace, folder: Path, repository: str) -> None:
    """Write the files that `push_run` uploads into a folder."""
    run = workspace.run
    imported = imported_model_of(run)
    names = sorted({*FILES, *(imported.files.values() if imported else ())})
    names += [f"{each}/{path.name}" for each in FOLDERS for path in sorted(run.path(each).glob("*"))]
    for name in names:
        if belongs_to_run(name) and (path := run.path(name)).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(run.read(path))
    provenance = {key: value for key, value in run.provenance().items() if key not in PRIVATE}
    (folder / "made.json").write_text(json.dumps(provenance, indent=1), encoding="utf-8")
    if run.recipe_file.exists():
        recipe = replace(workspace.recipe, source=_public_source(workspace.recipe.source))
        (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    card = model_card(workspace, repository, _figures(workspace, folder))
    (folder / "README.md").write_text(card, encoding="utf-8")


def model_card(workspace: Workspace, repository: str, figures: Mapping[str, Entry]) -> str:
    """Return the model card: what the model is, its figures, settings and metrics, and how to open it."""
    provenance = workspace.run.provenance()
    tags = json.dumps(["zatlas", "latent-space", workspace.description.family])
    lines = [
        "---",
        "library_name: zatlas",
        f"tags: {tags}",
        "---",
        "",
        f"# {workspace.name}",
        "",
        describe_run(workspace),
        "",
    ]
    for path, entry in figures.items():
        lines += [
            f"## {entry.title}",
            "",
            f"![{entry.title}]({path})",
            "",
            f"{entry.about} {entry.theory}",
            "",
        ]
    run = f"{PREFIX}{repository}"
    lines += ["## Open it", "", "    pip install 'zatlas[hub]'", f"    {shell_command('explore', run)}", ""]
    lines += ["In Python:", "", "```python", "import zatlas", "", f'atlas = zatlas.load("{run}")']
    lines += ["images = atlas.generate(16)", "```", "", "## How it was made", ""]
    lines += [f"- {key}: {provenance[key]}" for key in ("zatlas", "torch", "seed") if key in provenance]
    lines += ["", *_metrics(workspace.run.result_file, workspace)]
    if workspace.run.recipe_file.exists():
        lines += [
            "`recipe.toml` holds every setting. The images that it was trained on are not part of this model."
        ]
    return "\n".join(lines) + "\n"


def _metrics(file: Path, workspace: Workspace) -> list[str]:
    """Return a table of the metrics of the test images; nothing for a run without."""
    if not file.exists():
        return []
    test: dict[str, Any] = json.loads(workspace.run.read(file))["test"]
    if not test:
        return []
    rows = [f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in test.items()]
    return ["| metric of the test images | value |", "|---|---|", *rows, ""]


def _figures(workspace: Workspace, folder: Path) -> dict[str, Entry]:
    """Draw the figures of the card, and return them by their path in the folder."""
    figures = {}
    for entry in entries(workspace, LIGHT):
        if entry.section in SECTIONS and entry.file.endswith(".png"):
            try:
                entry.draw(folder / "figures" / entry.file)
            except (NotSupported, BadData):  # the gallery leaves it out, too
                continue
            figures[f"figures/{entry.file}"] = entry
    return figures


def _public_source(source: str) -> str:
    """Return the name of a dataset; of a path, only its last part."""
    if source in DATASETS.names() or source.startswith(PREFIX) or source == RUN_DATA:
        return source
    return Path(source).name
