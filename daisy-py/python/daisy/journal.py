"""Journals of runs: see the keyword ``journal`` of :func:`daisy.run_blockwise`."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

from . import _daisy


def forget(
    journal: Union[str, os.PathLike], task: str, roi: Optional[Any] = None, *, drop_open_leases: bool = False
) -> dict[str, int]:
    """Makes finished blocks undone, and everything downstream of them: the next run with this journal does them again.

    Args:
        journal: the file; no run may be using it.
        task: the name of the task.
        roi: which of its blocks, those that write into this; by default all.
        drop_open_leases: whether blocks that workers of a run that was killed may still have are made undone, too: make
            sure that these workers have ended.

    Returns how many blocks were done, or had failed for good, and are not any more, for each task of which there were
    any. Raises RuntimeError for what is no journal, is in use, or does not know the task.
    """
    return dict(_daisy.forget(os.fspath(journal), task, roi, drop_open_leases))
