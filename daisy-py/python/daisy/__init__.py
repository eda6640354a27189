"""Block-wise task scheduling for large nD volumes."""

from ._coordinate import Coordinate
from ._daisy import Block, Scheduler, TaskState, TaskStates
from ._roi import Roi
from ._status import BlockStatus
from .dependency_graph import BlockwiseDependencyGraph, DependencyGraph
from .task import Task

__all__ = [
    "Block",
    "BlockStatus",
    "BlockwiseDependencyGraph",
    "Coordinate",
    "DependencyGraph",
    "Roi",
    "Scheduler",
    "Task",
    "TaskState",
    "TaskStates",
]
