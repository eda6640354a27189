"""Block-wise task scheduling for large nD volumes."""

from ._coordinate import Coordinate
from ._daisy import Block, Scheduler, TaskState, TaskStates
from ._roi import Roi
from ._status import BlockStatus
from .array import Array, Dataset
from .blocks import expand_roi_to_grid, expand_write_roi_to_grid
from .client import Client
from .context import Context
from .datasets import open_ds, prepare_ds
from .dependency_graph import BlockwiseDependencyGraph, DependencyGraph
from .logging import get_log_basedir, redirect_stdouterr
from .report import FailedBlock, FinalState, Report
from .run import Server, SerialServer, get_worker_log_basename, run_blockwise, set_log_basedir
from .task import Task

__all__ = [
    "Array",
    "Block",
    "BlockStatus",
    "BlockwiseDependencyGraph",
    "Client",
    "Context",
    "Coordinate",
    "Dataset",
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
    "expand_roi_to_grid",
    "expand_write_roi_to_grid",
    "get_log_basedir",
    "get_worker_log_basename",
    "open_ds",
    "prepare_ds",
    "redirect_stdouterr",
    "run_blockwise",
    "set_log_basedir",
]
