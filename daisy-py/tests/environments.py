"""Other versions of daisy, each in a virtual environment of its own, to compare with."""

import os
import pathlib
import subprocess
import sys

#: Where environments are kept from one run to the next.
FOLDER = pathlib.Path(os.environ.get("DAISY_VENVS", pathlib.Path(__file__).parent.parent / ".venvs"))


def python_with(*requirements: str) -> str:
    """The Python of an environment with these packages; RuntimeError where they cannot be installed."""
    folder = FOLDER / "-".join(requirements).replace("==", "-")
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", folder],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        ):
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if result.returncode != 0:
                last = result.stdout.strip().rpartition("\n")[2]
                raise RuntimeError(f"{' '.join(requirements)} cannot be installed: {last}")
        done.touch()
    return str(python)
