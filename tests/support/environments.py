"""Environments of their own, for programs whose requirements are not ours."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(name: str) -> Path:
    """The `bin` folder of an environment; made from `requirements/NAME.txt` if it is missing.

    `make test` makes it beforehand; this is for who runs pytest alone.
    """
    folder = ROOT / ".envs" / name
    if not (folder / "done").exists():
        made = subprocess.run(
            ["make", f".envs/{name}/done", f"PYTHON={sys._base_executable}"],  # type: ignore[attr-defined]
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, f"cannot set up {folder.name}:\n{made.stdout}{made.stderr}"
    return folder / "bin"
