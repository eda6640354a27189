"""Where daisy 1.x has `run_blockwise`."""

from .run import run_blockwise

__all__ = ["run_blockwise"]
