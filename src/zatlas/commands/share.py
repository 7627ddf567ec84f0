"""Commands that show runs in the browser: explore and export."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from zatlas.commands.latent_space import space_of_command
from zatlas.commands.options import Anchors, FittedPrior, OtherSpaces, Run, Runs, WholeRun
from zatlas.commands.output import print_result
from zatlas.commands.printing import open_workspace
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe


@command("Share")
def explore(
    runs: Runs,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    points: Annotated[int | None, arg(metavar="N")] = None,
    prior: FittedPrior = None,
    story: Annotated[Path | None, arg(metavar="FILE")] = None,
    token: bool = False,
    no_open: bool = False,
) -> None:
    """Explore one run or two in the browser, until Ctrl-C.

    The page follows a run that is being trained.

    Args:
        runs: One run, or two to compare.
        port: Port of the server. (default: a free port)
        host: Address to listen on. Beyond this machine, the printed link works once.
        points: Number of images to show. (default: 100,000 at random, or all in tiles beyond 200,000)
        story: Markdown file of a story that the page opens with.
        token: Require the printed link, which works once, on this machine too. This keeps other users out.
        no_open: Do not open the browser.
    """
    from zatlas.server import session

    session.explore(
        runs,
        host=host,
        port=port,
        points=points,
        prior=prior,
        space=space_of_command(),
        story=story,
        token=token,
        opened=not no_open,
        print_url=print_address,
    )


def print_address(address: str) -> None:
    """Print the address of the page at once."""
    print_result(address, "address")


@command("Share")
def export(
    run: Run,
    rest: Annotated[Positional[tuple[Path, ...]], arg(metavar="[RUN] OUT", help_behavior_hint="")],
    *,
    points: Annotated[int | None, arg(metavar="N")] = None,
    limit: Annotated[float, arg(metavar="MB")] = 50.0,
    prior: FittedPrior = None,
    story: Annotated[Path | None, arg(metavar="FILE")] = None,
    other_spaces: OtherSpaces = (),
    figure: Literal["map", "walk", "sliders", "compare", "grid"] | None = None,
    anchors: Anchors = (),
) -> None:
    """Export the explorer, or a live figure, as a page.

    It needs no server.

    Args:
        rest: A second run to compare, if any; then the output: a folder for a static host, or a name that
            ends in .html for a single file. A name that ends in .js gets the data of a figure only.
        points: Number of images of each run. (default: 20,000 in a folder, 3,000 in a single file, 1,000
            in a figure)
        limit: Maximum size of a single file, in megabytes.
        story: Markdown file of a story that the page opens with.
        other_spaces: Another latent space that the page can switch to, such as w+. Repeatable.
        figure: Write a live figure with this view, instead of the explorer.
        anchors: Latent that the figure starts from. Repeatable. (default: two typical images)
    """
    from zatlas.site.export import export

    if not rest:
        raise BadRecipe("Name a run and an output, such as: zatlas export runs/digits-vae digits.html")
    *others, out = rest
    workspaces = [open_workspace(each) for each in (run, *others)]
    print_result(
        export(
            workspaces,
            out,
            points=points,
            limit=limit,
            prior=prior,
            story=story,
            other_spaces=other_spaces,
            figure=figure,
            anchors=anchors,
        )
    )


@command("Share")
def push(
    run: WholeRun, repository: Annotated[Positional[str], arg(metavar="OWNER/NAME")], *, private: bool = False
) -> None:
    """Push a run to the Hugging Face hub, with a model card.

    Prints its address. Open it with hf:OWNER/NAME as the run of any command.

    Args:
        repository: Repository, which is created if needed.
        private: Create a private repository.
    """
    from zatlas.publish import push_run

    print_result(push_run(open_workspace(run), repository, private=private))
