"""ROIs that consist of whole blocks."""

from __future__ import annotations

from typing import Any

from ._roi import Roi


def expand_write_roi_to_grid(roi: Any, write_roi: Any) -> Roi:
    """The smallest ROI of whole blocks around a ROI, where blocks have the shape of ``write_roi`` and one of
    them begins at zero."""
    return Roi(roi.offset, roi.shape).snap_to_grid(write_roi.shape, mode="grow")


def expand_roi_to_grid(sub_roi: Any, total_roi: Any, read_roi: Any, write_roi: Any) -> Roi:
    """The smallest ROI of whole write ROIs around a ROI, in the grid that a task with these ROIs has: its first
    block reads from the beginning of ``total_roi``. It may reach beyond that."""
    first = Roi(total_roi.offset, total_roi.shape).begin + Roi(write_roi.offset, write_roi.shape).begin
    first = first - Roi(read_roi.offset, read_roi.shape).begin
    return expand_write_roi_to_grid(Roi(sub_roi.offset, sub_roi.shape) - first, write_roi) + first
