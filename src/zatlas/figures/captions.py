"""Limits of a model that belong in the captions of its figures."""

from zatlas.models.importers import imported_run
from zatlas.workspace import Workspace


def prior_caption(workspace: Workspace) -> str:
    """What limits samples of the model's own prior; empty if nothing does."""
    if workspace.generator.space.prior != "normal":
        return ""
    imported = imported_run.imported_model_of(workspace.run)
    if imported is not None and imported.kind == "diffusers":
        return "the normal prior is a substitute: only the diffusion model defines which latents are images"
    if is_spatial(workspace):
        return f"each position of the {_shape(workspace)} latents is sampled independently, unlike in images"
    return ""


def path_caption(workspace: Workspace) -> str:
    """What limits paths between latents; empty if nothing does."""
    if not is_spatial(workspace):
        return ""
    return f"each position of the {_shape(workspace)} latents changes on its own, so this is a cross-fade"


def is_spatial(workspace: Workspace) -> bool:
    """Whether the latents are small images: channels at several positions."""
    shape = workspace.generator.space.shape
    return len(shape) == 3 and shape[1] * shape[2] > 1


def join(*parts: str) -> str:
    """The parts of a caption that are not empty, in one line."""
    return "; ".join(part for part in parts if part)


def _shape(workspace: Workspace) -> str:
    return "x".join(map(str, workspace.generator.space.shape))
