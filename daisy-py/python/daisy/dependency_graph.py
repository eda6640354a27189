"""Which block waits for which."""

from __future__ import annotations

import itertools
from typing import Iterator

from . import _daisy
from ._coordinate import Coordinate
from ._daisy import Block, DependencyGraph

__all__ = ["BlockwiseDependencyGraph", "DependencyGraph"]


class BlockwiseDependencyGraph(_daisy.BlockwiseDependencyGraph):
    __doc__ = _daisy.BlockwiseDependencyGraph.__doc__

    def enumerate_all_dependencies(self) -> Iterator[tuple[Block, list[Block]]]:
        """Every block with the blocks it waits for, level by level: in an order in which they can run."""
        for level in range(self.num_levels):
            for block in self.level_blocks(level):
                yield block, self.upstream(block)

    def compute_level_stride(self) -> Coordinate:
        """How far apart along each axis the blocks of one level are."""
        return Coordinate(period for _, _, period in self._reaches) * self.block_write_roi.shape

    def compute_level_offsets(self) -> list[Coordinate]:
        """Where each level begins, from the begin of the total write ROI."""
        periods = [range(period) for _, _, period in self._reaches]
        offsets = [Coordinate(index) * self.block_write_roi.shape for index in itertools.product(*periods)]
        return offsets[::-1]

    def compute_level_conflicts(self) -> list[list[Coordinate]]:
        """For each level, how far away the blocks are that must be done first."""
        periods = [period for _, _, period in self._reaches]
        rank = {index: at for at, index in enumerate(itertools.product(*map(range, periods)))}
        around = list(self._conflicting_offsets())
        conflicts = []
        for index in reversed(list(rank)):
            here = Coordinate(index)
            goes_first = [by for by in around if rank[(here + by) % Coordinate(periods)] > rank[index]]
            conflicts.append([by * self.block_write_roi.shape for by in goes_first])
        return conflicts

    def compute_level_block_offsets(self) -> list[list[Coordinate]]:
        """For each level, where the read ROIs of its blocks begin."""
        return [
            [block.read_roi.offset for block in self.level_blocks(level)]
            for level in range(self.num_levels)
        ]

    def _conflicting_offsets(self) -> Iterator[Coordinate]:
        """The offsets in blocks at which blocks conflict: a box and its mirror image."""
        boxes = [
            [range(-below, above + 1) for below, above, _ in self._reaches],
            [range(-above, below + 1) for below, above, _ in self._reaches],
        ]
        offsets = set(itertools.product(*boxes[0])) | set(itertools.product(*boxes[1]))
        return (Coordinate(offset) for offset in sorted(offsets) if any(offset))
