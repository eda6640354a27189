"""Where daisy 1.x has `SerialServer`."""

from .run import SerialServer

__all__ = ["SerialServer"]
