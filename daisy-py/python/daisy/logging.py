"""What workers print: where daisy 1.x has it."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Optional, Union

from . import _daisy

__all__ = ["get_log_basedir", "get_worker_log_basename", "redirect_stdouterr", "set_log_basedir"]

_basedir: Optional[pathlib.Path] = pathlib.Path("daisy_logs")


def set_log_basedir(path: Union[None, str, os.PathLike]) -> None:
    """In which folder workers leave what they print, one file each, by task; ``daisy_logs`` by default.

    With None, the files go to a temporary folder that the run removes. Workers find the folder in their
    context: ``context["logdir"]``.
    """
    global _basedir
    _basedir = None if path is None else pathlib.Path(path)


def get_log_basedir() -> Optional[pathlib.Path]:
    """The folder that :func:`set_log_basedir` has set; None if files are not kept."""
    return _basedir


def get_worker_log_basename(worker: int, task_id: Optional[str] = None) -> Optional[pathlib.Path]:
    """The path of a worker's file without its ending, which is ``.log``; None if files are not kept."""
    if _basedir is None:
        return None
    path = _daisy.log_path(task_id or "", worker).with_suffix("")
    return _basedir / (path.name if task_id is None else path)


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
