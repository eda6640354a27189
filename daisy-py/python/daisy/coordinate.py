"""Coordinates: where daisy 1.x has them."""

from ._coordinate import Coordinate

__all__ = ["Coordinate"]
