"""The command that shows runs in the browser."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands import Fitted, command


@command
def explore(
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN [RUN]")],
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    points: Annotated[int | None, arg(metavar="N")] = None,
    prior: Fitted = None,
    token: bool = False,
    no_open: bool = False,
) -> None:
    """Walk through the latent space of a run in the browser, or of two side by side, until Ctrl-C.

    A run that is being trained is followed: its curves, images and chart grow with it.

    Args:
        runs: Run folders.
        port: Of the server; a free one is found if none is said.
        host: The address to listen at. Beyond this machine, the link that is printed works once.
        points: Show a fair draw of so many images and no more; 100,000 if not said, and beyond
            200,000 all of them, the finer the closer one looks.
        token: Require the printed link once on this machine too, which keeps other users of it out.
        no_open: Only print the address.
    """
    from zatlas.server import session as explorer

    explorer.explore(
        runs,
        host=host,
        port=port,
        points=points,
        prior=prior,
        token=token,
        opened=not no_open,
        print_url=tell,
    )


def tell(address: str) -> None:
    """Print where the page is, at once."""
    print(address, flush=True)
