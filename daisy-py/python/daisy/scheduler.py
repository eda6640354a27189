"""Where daisy 1.x has `Scheduler`."""

from ._daisy import Scheduler

__all__ = ["Scheduler"]
