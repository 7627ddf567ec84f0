"""The command that fits a prior to the codes of a run."""

from typing import Literal

from zatlas.commands import Dark, Out, Run, command
from zatlas.commands.shared import open_workspace, theme_of

FEW = 10  # codes an axis


@command
def prior(
    run: Run,
    *,
    kind: Literal["mixture", "flow"] | None = None,
    seed: int = 0,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Fit a prior to where the codes of a run lie, keep it in the run, and say how well it fits.

    Samples of it are better than those of the run's own prior where the codes do not fill that:
    zatlas sample RUN --prior flow; the explorer and the export draw from it by the same option.

    Args:
        kind: mixture (of ten normal distributions, in a second) or flow (in half a minute); both, if
            none is said.
        seed: Of the fit.
        out: Where the picture of samples goes; gallery/ of the run if not said.
    """
    from zatlas.core.progress import console
    from zatlas.figures.sheets import prior_sheet
    from zatlas.latent.priors import KINDS
    from zatlas.render.pixels import save
    from zatlas.sample import fit_prior, own_prior_text

    workspace = open_workspace(run)
    saved = [fit_prior(workspace, one, seed=seed) for one in ([kind] if kind else KINDS)]
    screen, facts = console(), saved[0].description
    screen.print(
        f"log-density of {facts.held_out:,} codes that were held out, in nats a code; more is better",
        soft_wrap=True,
    )
    screen.print(f"{facts.own_prior:10.2f}  {own_prior_text(workspace)}")
    for one in saved:
        screen.print(
            f"{one.description.nats:10.2f}  {one.description.kind} fitted to {one.description.latents:,} codes"
        )
    if facts.latents < FEW * (workspace.dim + 1):
        screen.print(
            f"{facts.latents} codes in {workspace.dim} axes are too few to fit a density to.", soft_wrap=True
        )
    if workspace.source.decodes:
        place = out or workspace.run.gallery / "samples-priors.png"
        figure = save(prior_sheet(workspace, theme=theme_of(dark)), place)
        screen.print(f"picture: {figure}", soft_wrap=True, markup=False)
    for one in saved:
        print(one.path)
