"""The command that compares a run with what zatlas wrote, and repairs it."""

import json
from dataclasses import asdict
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from zatlas.commands import Run, command
from zatlas.core.errors import Damaged


@command
def check(run: Run, *, accept: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FILE")] = ()) -> None:
    """Compare every file of a run with what zatlas wrote, byte for byte, and repair what can be made again.

    Prints what was found as JSON; exit status 1 if anything stays damaged.

    Args:
        accept: A file or a folder of the run that is right as it is, as "recipe.toml" after you have
            edited it; "." for the whole run; may be given again.
    """
    from zatlas.core.progress import console
    from zatlas.integrity import check as check_run

    result = check_run(run, accept)
    print(json.dumps(asdict(result), indent=1))
    for name, how in result.repaired.items():
        console().print(f"{name}: {how}", soft_wrap=True, markup=False)
    if result.damaged:
        first = next(iter(result.damaged.values()))
        more = f" {len(result.damaged) - 1} more are in the list." if len(result.damaged) > 1 else ""
        raise Damaged(
            f"{len(result.damaged)} of {result.files} files are damaged and cannot be made again: {first}"
            f"{more} Take them from a copy of the run, or record them as they are with --accept."
        )
    console().print(f"{result.files} files are as zatlas wrote them.", soft_wrap=True)
