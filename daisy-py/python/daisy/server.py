"""Where daisy 1.x has `Server`."""

from .run import Server

__all__ = ["Server"]
