"""Regions of interest: where daisy 1.x has them."""

from ._roi import Roi

__all__ = ["Roi"]
