"""Pyramids: arrays of lower and lower resolution, each made block by block from the one before."""

from __future__ import annotations

import functools
from typing import Any, Optional, Sequence

from ._daisy import Block
from ._roi import Roi
from .array import Array
from .dataset import Dataset
from .task import Task


def downsample(fine: Array, coarse: Array, reduce: str = "mean", *, task_id: str = "downsample", **settings: Any) -> Task:
    """A task that fills a coarse array from a fine one, one chunk (or shard) of the coarse array a block.

    At the high ends, where the fine array does not fill the last voxels, what there is counts.

    Args:
        fine, coarse: stored arrays (:func:`daisy.open_ds`, :func:`daisy.prepare_ds`) of the same type and channels that
            begin at the same place; voxels of ``coarse`` are whole multiples of those of ``fine``.
        reduce: ``"mean"`` for intensities (of whole numbers rounded, halves up), ``"mode"`` for labels: the value that
            occurs most often, of several the smallest.
        task_id: the name of the task.
        settings: further arguments of :class:`daisy.Task`, such as ``num_workers`` and ``upstream_tasks``.

    Raises ValueError for arrays that do not go together, TypeError for one that is not stored.
    """
    for name, array in (("fine", fine), ("coarse", coarse)):
        if not isinstance(getattr(array, "data", None), Dataset):
            raise TypeError(f"{name} is {array!r}; give an array of open_ds or prepare_ds")
    dims = coarse.data_roi.dims
    coarse.data.stored.fill_from(fine.data.stored, reduce, Roi((0,) * dims, (0,) * dims))
    block = Roi(coarse.data_roi.begin, coarse.data.chunk_shape * coarse.voxel_size)
    function = functools.partial(_fill, fine=fine.data, coarse=coarse.data, reduce=reduce)
    settings = {"fit": "shrink", "read_write_conflict": False, "reads": fine, "writes": coarse, **settings}
    return Task(task_id, coarse.data_roi, block, block, function, **settings)


def pyramid(
    levels: Sequence[Array],
    reduce: str = "mean",
    *,
    task_id: str = "level",
    upstream_tasks: Optional[Sequence[Task]] = None,
    **settings: Any,
) -> list[Task]:
    """Tasks that fill each of several arrays from the one before, the finest one first, which is there or is made
    upstream. Such are the levels of an image (:func:`daisy.prepare_multiscale`)::

        levels = daisy.prepare_multiscale("volume.zarr", "raw", roi, (40, 4, 4), "uint8", [(1, 2, 2), (1, 4, 4)])
        ...
        daisy.run_blockwise(daisy.pyramid(levels, num_workers=8))

    Args:
        levels: at least two arrays.
        reduce, settings: as for :func:`downsample`.
        task_id: tasks are called ``level_1``, ``level_2`` and so on.
        upstream_tasks: what makes the finest one.
    """
    if len(levels) < 2:
        raise ValueError(f"a pyramid has at least two levels, the finest one first; there are {len(levels)}")
    tasks: list[Task] = []
    upstream = list(upstream_tasks or [])
    for place, (fine, coarse) in enumerate(zip(levels, levels[1:]), 1):
        task = downsample(fine, coarse, reduce, task_id=f"{task_id}_{place}", upstream_tasks=upstream, **settings)
        tasks.append(task)
        upstream = [task]
    return tasks


def _fill(block: Block, fine: Dataset, coarse: Dataset, reduce: str) -> None:
    coarse.stored.fill_from(fine.stored, reduce, block.write_roi)
