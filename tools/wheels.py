"""Check that each dependency has a wheel for each system and Python: `python tools/wheels.py`.

pip resolves every requirement of the default installation and of the extra `video`, `sql` and `hub` for
each target, without building and without installing. A requirement that has no wheel is printed, and the
exit status is then 1. torch is resolved as the index of pip has it.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLATFORMS = {
    "linux": [*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)), "manylinux2014_x86_64"],
    "windows": ["win_amd64"],
    "macos": ["macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64", "macosx_11_0_universal2"],
}
PYTHONS = ("3.11", "3.13", "3.14")
EXTRAS = ("video", "sql", "hub")


def requirements() -> list[str]:
    """The direct requirements of the default installation and of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]


def wheels(names: list[str], platform: str, python: str) -> int | None:
    """The number of wheels that pip would install for a target; None if one is missing."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--no-deps",
        "--ignore-installed",
    ]
    command += ["--only-binary=:all:", "--target", "unused", "--report", "-", "--python-version", python]
    command += [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    done = subprocess.run([*command, *names], capture_output=True, text=True)
    return None if done.returncode else len(json.loads(done.stdout)["install"])


def main() -> None:
    names, found, missing = requirements(), 0, []
    for platform in PLATFORMS:
        for python in PYTHONS:
            count = wheels(names, platform, python)
            if count is None:  # one by one, to name what is missing
                single = [name for name in names if wheels([name], platform, python) is None]
                missing += [f"no wheel: {name} for {platform}, Python {python}" for name in single]
                count = len(names) - len(single)
            found += count
            print(f"{platform:8} Python {python}: {count} of {len(names)}", flush=True)
    print("\n".join([*missing, f"{found} of {len(names) * len(PLATFORMS) * len(PYTHONS)} wheels resolve"]))
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
