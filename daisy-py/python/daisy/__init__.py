"""Block-wise task scheduling for large nD volumes."""

from ._coordinate import Coordinate
from ._daisy import Block, Scheduler, TaskState, TaskStates
from ._roi import Roi
from ._status import BlockStatus
from .client import Client
from .context import Context
from .dependency_graph import BlockwiseDependencyGraph, DependencyGraph
from .report import FailedBlock, FinalState, Report
from .run import Server, SerialServer, get_worker_log_basename, run_blockwise, set_log_basedir
from .task import Task

__all__ = [
    "Block",
    "BlockStatus",
    "BlockwiseDependencyGraph",
    "Client",
    "Context",
    "Coordinate",
    "DependencyGraph",
    "FailedBlock",
    "FinalState",
    "Report",
    "Roi",
    "Scheduler",
    "SerialServer",
    "Server",
    "Task",
    "TaskState",
    "TaskStates",
    "get_worker_log_basename",
    "run_blockwise",
    "set_log_basedir",
]
