"""Arrays of lower resolution."""

import numpy as np
import pytest

import daisy
from daisy import Array, Roi, Task, downsample, prepare_ds, prepare_multiscale, pyramid, run_blockwise

ROI = Roi((0, 40, 80), (320, 320, 484))  # 8 x 80 x 121 voxels


def reduced(voxels, factors, reduce):
    """Straight from the definition."""
    shape = [-(-length // factor) for length, factor in zip(voxels.shape, factors)]
    result = np.empty(shape, voxels.dtype)
    for index in np.ndindex(*shape):
        window = voxels[tuple(slice(at * factor, (at + 1) * factor) for at, factor in zip(index, factors))]
        if reduce == "mean":
            result[index] = np.floor(window.mean() + 0.5)
        else:
            values, counts = np.unique(window, return_counts=True)
            result[index] = values[counts.argmax()]
    return result


@pytest.mark.parametrize("reduce", ["mean", "mode"])
def test_the_levels_of_an_image_are_filled_in_worker_processes(tmp_path, reduce):
    more = {"chunk_shape": (4, 16, 16), "axis_names": ["z", "y", "x"]}
    levels = prepare_multiscale(tmp_path / "a.zarr", "", ROI, (40, 4, 4), np.uint8, [(1, 2, 2), (2, 4, 4)], **more)
    voxels = np.random.default_rng(1).integers(0, 4, levels[0].shape, np.uint8)
    block = Roi(ROI.offset, (160, 64, 64))

    def fill(block):
        levels[0][block.write_roi] = voxels[((block.write_roi - ROI.offset) / (40, 4, 4)).to_slices()]

    first = Task("fill", ROI, block, block, fill, fit="shrink", read_write_conflict=False, writes=levels[0])
    tasks = pyramid(levels, reduce, upstream_tasks=[first], num_workers=2)
    assert [task.task_id for task in tasks] == ["level_1", "level_2"]
    report = run_blockwise(tasks[-1:], report=True, progress=False)
    assert report and set(report.states) == {"fill", "level_1", "level_2"}
    middle = reduced(voxels, (1, 2, 2), reduce)
    assert (levels[1].to_ndarray() == middle).all()
    assert (levels[2].to_ndarray() == reduced(middle, (2, 2, 2), reduce)).all()


def test_arrays_that_do_not_go_together_are_refused(tmp_path):
    def make(name, voxel_size, dtype=np.float32, roi=Roi((0,), (48,))):
        return prepare_ds(tmp_path / "a.zarr", name, roi, voxel_size, dtype)

    fine = make("fine", (4,))
    for coarse, what in (
        (make("odd", (6,)), "whole number"),
        (make("type", (8,), np.uint8), "type"),
        (make("moved", (8,), roi=Roi((8,), (48,))), "is not the coarse one"),
    ):
        with pytest.raises(ValueError, match=what):
            downsample(fine, coarse)
    coarse = make("coarse", (8,))
    with pytest.raises(ValueError, match="mode|most frequent"):
        downsample(fine, coarse, "mode")
    with pytest.raises(ValueError, match="unknown reduce"):
        downsample(fine, coarse, "max")
    with pytest.raises(TypeError, match="open_ds"):
        downsample(Array(np.zeros(12, np.float32), Roi((0,), (48,)), (4,)), coarse)
    with pytest.raises(PermissionError, match="r\\+"):
        downsample(fine, daisy.open_ds(tmp_path / "a.zarr", "coarse"))
    with pytest.raises(ValueError, match="at least two"):
        pyramid([fine])
