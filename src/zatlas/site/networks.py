"""The decoder, encoder and classifier of a run as ONNX files that a page can run."""

from pathlib import Path
from typing import Any

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.core.logs import LOG
from zatlas.models.onnx_export import export_classifier, export_decoder, export_encoder
from zatlas.store import digests, safe_paths
from zatlas.workspace import Workspace

MAX_BYTES = 256 << 20  # of a model that a page loads
MAX_CLASSIFIER_BYTES = 16 << 20  # of a classifier, which must be fast
EXPORTS = {"decoder": export_decoder, "encoder": export_encoder}


def exported_networks(
    workspace: Workspace, example: Latents, cache_folder: Path, folder: str
) -> dict[str, Any]:
    """The manifest entries of the decoder and the encoder; None for one that a page cannot run."""
    result: dict[str, Any] = {"decoder": None, "encoder": None}
    if not workspace.source.decodes:
        return result
    for name in EXPORTS if workspace.generator.encoder else ("decoder",):
        try:
            size = network_file(workspace, example, cache_folder, name).stat().st_size
        except NotSupported as error:
            _say(workspace, error)
            continue
        if size <= MAX_BYTES:
            result[name] = {"url": f"{folder}/{name}.onnx", "bytes": size}
    return result


def network_file(workspace: Workspace, example: Latents, cache_folder: Path, name: str) -> Path:
    """The cached file of the decoder or the encoder; exports it if there is none."""
    path = safe_paths.path(cache_folder, f"{name}.onnx")
    if safe_paths.is_file(path):
        digests.verify(path)
    else:
        EXPORTS[name](workspace.generator, path, example)
    return path


def exported_classifier(
    workspace: Workspace, example: Latents, cache_folder: Path, folder: str
) -> dict[str, Any] | None:
    """The manifest entry of the run's classifier; None if there is none that a page can run."""
    classifier = workspace.classifier
    if classifier is None:
        return None
    path = safe_paths.path(cache_folder, "classifier.onnx")
    try:
        size = export_classifier(classifier, path, workspace.decode(example)).bytes
    except NotSupported as error:
        _say(workspace, error)
        return None
    if size > MAX_CLASSIFIER_BYTES:
        return None
    entry = {"url": f"{folder}/classifier.onnx", "bytes": size}
    return {**entry, "names": list(classifier.names), "kinds": list(classifier.kinds)}


def _say(workspace: Workspace, error: NotSupported) -> None:
    LOG.warning(f"{workspace.name}: {error}")
