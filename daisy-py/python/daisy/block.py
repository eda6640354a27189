"""Blocks: where daisy 1.x has them."""

from ._daisy import Block
from ._status import BlockStatus

__all__ = ["Block", "BlockStatus"]
