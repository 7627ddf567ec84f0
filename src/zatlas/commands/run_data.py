"""Commands for the data of a run: encode, invert, prior and check."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from zatlas.commands.options import Dark, Label, Names, OutputFile, Run, Seed, WholeRun
from zatlas.commands.output import print_result
from zatlas.commands.printing import class_of, message, open_workspace, print_rows, theme_of
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe, Damaged

if TYPE_CHECKING:
    from zatlas.latent.inversion import InversionResult

MIN_LATENTS = 10  # per dimension, to fit a density


@command("Data")
def encode(
    run: Run,
    data: Annotated[Positional[str | None], arg(metavar="[DATA]")] = None,
    *,
    split: Annotated[Literal["train", "valid", "test"] | None, arg(metavar="SPLIT")] = None,
    on: Annotated[Literal["here", "ray"], arg(metavar="here|ray")] = "here",
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Encode images to a folder of Parquet files.

    The folder has a row for each image. Repeat the command to resume it.

    Args:
        data: A folder of images, a folder of Parquet files that contain images, or data as for
            `zatlas train`. (default: the images of the run)
        split: Split of the data: train, valid or test. (default: all)
        on: Encode on this machine, or with Ray (on the cluster of RAY_ADDRESS, or on all cores).
        out: Output folder. (default: a folder in the run)
    """
    from zatlas.encode import encode

    print_result(encode(open_workspace(run), data, split=split, on=on, out=out))


@command("Data")
def invert(
    run: Run,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="[IMAGE ...]")] = (),
    *,
    train_encoder: bool = False,
    steps: int | None = None,
    starts: int | None = None,
    perceptual: Annotated[str | None, arg(metavar="discriminator|FILE.onnx")] = None,
    tune: Annotated[Path | None, arg(metavar="RUN")] = None,
    label: Label = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Find the latents of image files by optimization.

    zatlas decodes the latents, draws the result and prints the error.

    Args:
        images: Image files, cropped to a square and resized. (default: the model's own samples)
        train_encoder: First train an encoder on samples, and save it in the run; this takes minutes,
            and every command then knows the latents of real images.
        steps: Number of optimization steps; 0 uses the encoder alone.
        starts: Number of starting latents for each image, without an encoder.
        perceptual: Also compare the features of a network: of the run's discriminator, or of an ONNX file
            (FILE.onnx, or FILE.onnx:mean=...,std=... as for a classifier).
        tune: Also change the weights of an imported StyleGAN, BigGAN or ProGAN until the latent decodes to
            one image, and write that model into this new run.
        out: File of the figure, or of the latents if the name ends in .npz; the other file has the same
            name. (default: inverted.npz and inverted.png in the run's gallery)
    """
    from zatlas import encoder, variants
    from zatlas.figures.inversions import read_files, sample_inputs, save_inversion
    from zatlas.latent.inversion import STARTS, STEPS
    from zatlas.render.pixels import check_ending

    if out is not None and out.suffix.lower() != ".npz":
        check_ending(out)
    if tune is not None and len(images) != 1:
        raise BadRecipe(f"--tune takes one image, not {len(images)}.")
    workspace = open_workspace(run)
    number = class_of(workspace, label)
    if train_encoder:
        workspace = encoder.train_encoder(workspace, seed=seed)
    inputs = read_files(workspace, images, number) if images else sample_inputs(workspace, number, seed)
    result = encoder.invert(
        workspace,
        inputs.images,
        inputs.labels,
        seed=seed,
        steps=STEPS if steps is None else steps,
        starts=STARTS if starts is None else starts,
        perceptual=perceptual,
    )
    file = out or workspace.gallery / "inverted.npz"
    latents, figure = save_inversion(workspace, inputs, result, file, theme=theme_of(dark))
    message(f"latents: {latents}\nfigure: {figure}")
    if tune is not None:
        tuned = variants.tune(workspace, inputs.images, result.latents, tune, seed=seed)
        message(f"tuned: {tuned.run.folder}, {tuned.before:.1f} dB before and {tuned.after:.1f} dB after")
    print_rows(_inversion_rows(inputs.names, result))


def _inversion_rows(names: Sequence[str], result: "InversionResult") -> list[dict[str, object]]:
    """The error of each file."""
    from zatlas.core.numbers import rounded

    seconds = rounded(result.seconds / len(names))
    return [
        {"file": name, "psnr": rounded(psnr), "rms": rounded(rms), "seconds": seconds}
        for name, psnr, rms in zip(names, result.psnr, result.rms, strict=True)
    ]


@command("Data")
def prior(
    run: Run,
    *,
    kind: Literal["mixture", "flow"] | None = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Fit a prior to the latents of a run.

    Its samples look better if the latents do not fill the model's prior: zatlas sample RUN --prior flow.

    Args:
        kind: mixture (of ten Gaussians; a second) or flow (half a minute). (default: both)
    """
    from zatlas.core.numbers import significant
    from zatlas.figures.sheets import prior_sheet
    from zatlas.latent.priors import KINDS
    from zatlas.render.pixels import save
    from zatlas.sample import fit_prior, own_prior_text

    workspace = open_workspace(run)
    saved = [fit_prior(workspace, each, seed=seed) for each in ([kind] if kind else KINDS)]
    facts = saved[0].description
    message(f"mean log-density of {facts.held_out:,} held-out latents, in nats; more is better")
    message(f"{significant(facts.own_prior):>10}  {own_prior_text(workspace)}")
    for each in saved:
        fitted = each.description
        message(f"{significant(fitted.nats):>10}  {fitted.kind} fitted to {fitted.latents:,} latents")
    if facts.latents < MIN_LATENTS * (workspace.dim + 1):
        message(f"{facts.latents} latents are too few to fit a density in {workspace.dim} dimensions.")
    if workspace.source.decodes:
        file = out or workspace.gallery / "samples-priors.png"
        message(f"figure: {save(prior_sheet(workspace, theme=theme_of(dark)), file)}")
    for each in saved:
        print_result(each.path)


@command("Data")
def check(run: WholeRun, *, accept: Annotated[Names, arg(metavar="FILE")] = ()) -> None:
    """Check the files of a run for damage, and repair them.

    Prints the result as JSON. The exit status is 1 if a file stays damaged.

    Args:
        accept: Accept a file or folder as it is, such as recipe.toml after you edited it, or "." for the
            whole run. Repeatable.
    """
    from zatlas.integrity import check

    result = check(run, accept)
    print(json.dumps(asdict(result), indent=1))
    for name, action in result.repaired.items():
        message(f"{name}: {action}")
    if result.damaged:
        first = next(iter(result.damaged.values()))
        more = f" {len(result.damaged) - 1} more are in the list." if len(result.damaged) > 1 else ""
        raise Damaged(
            f"{len(result.damaged)} of {result.files} files are damaged and cannot be repaired: {first}"
            f"{more} Restore them from a copy of the run, or accept them as they are with --accept."
        )
    message(f"{result.files} files are as zatlas wrote them.")
