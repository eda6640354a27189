"""Block-wise task scheduling for large nD volumes."""

from ._coordinate import Coordinate
from ._daisy import Block
from ._roi import Roi
from ._status import BlockStatus

__all__ = ["Block", "BlockStatus", "Coordinate", "Roi"]
