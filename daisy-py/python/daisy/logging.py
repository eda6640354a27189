"""What workers print: where daisy 1.x has it."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Optional, Union

from . import run
from .run import get_worker_log_basename, set_log_basedir

__all__ = ["get_log_basedir", "get_worker_log_basename", "redirect_stdouterr", "set_log_basedir"]


def get_log_basedir() -> Optional[pathlib.Path]:
    """The folder that :func:`set_log_basedir` has set; None if files are not kept."""
    return run._logs


def redirect_stdouterr(basename: Union[str, os.PathLike], mode: str = "w") -> None:
    """From now on, what this process and its children print goes to ``basename.out`` and ``basename.err``.

    ``mode`` is that of :func:`open`: ``"w"`` empties the files first, ``"a"`` adds to them.
    """
    for stream, ending in ((sys.stdout, "out"), (sys.stderr, "err")):
        path = pathlib.Path(f"{os.fspath(basename)}.{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        stream.flush()
        with open(path, mode) as file:
            os.dup2(file.fileno(), stream.fileno())
