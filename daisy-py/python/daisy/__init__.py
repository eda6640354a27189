"""Block-wise task scheduling for large nD volumes."""

import importlib
from typing import TYPE_CHECKING, Any

from ._coordinate import Coordinate
from ._daisy import Block, Scheduler, TaskState, TaskStates
from ._pyramid import downsample, pyramid
from ._roi import Roi
from ._status import BlockStatus
from .array import Array
from .blocks import expand_roi_to_grid, expand_write_roi_to_grid
from .client import Client
from .context import Context
from .dataset import Dataset
from .datasets import open_ds, open_multiscale, prepare_ds, prepare_multiscale
from .dependency_graph import BlockwiseDependencyGraph, DependencyGraph
from .logging import get_log_basedir, get_worker_log_basename, redirect_stdouterr, set_log_basedir
from .report import FailedBlock, FinalState, Report
from .run import SerialServer, Server, run_blockwise
from .server_observer import ServerObserver
from .task import Task

if TYPE_CHECKING:
    from .graph import DiGraph, Graph
    from .graph_provider import BlockOutcome, MongoDbGraphProvider, PostgresGraphProvider, SQLiteGraphProvider

__all__ = [
    "Array",
    "Block",
    "BlockOutcome",
    "BlockStatus",
    "BlockwiseDependencyGraph",
    "Client",
    "Context",
    "Coordinate",
    "Dataset",
    "DependencyGraph",
    "DiGraph",
    "FailedBlock",
    "FinalState",
    "Graph",
    "MongoDbGraphProvider",
    "PostgresGraphProvider",
    "Report",
    "Roi",
    "SQLiteGraphProvider",
    "Scheduler",
    "SerialServer",
    "Server",
    "ServerObserver",
    "Task",
    "TaskState",
    "TaskStates",
    "downsample",
    "expand_roi_to_grid",
    "expand_write_roi_to_grid",
    "get_log_basedir",
    "get_worker_log_basename",
    "open_ds",
    "open_multiscale",
    "prepare_ds",
    "prepare_multiscale",
    "pyramid",
    "redirect_stdouterr",
    "run_blockwise",
    "set_log_basedir",
]

#: Where names come from that are imported when they are first used: networkx takes its time.
_LAZY = {
    "BlockOutcome": ".graph_provider",
    "DiGraph": ".graph",
    "Graph": ".graph",
    "MongoDbGraphProvider": ".graph_provider",
    "PostgresGraphProvider": ".graph_provider",
    "SQLiteGraphProvider": ".graph_provider",
}

#: Modules of daisy 1.x, and the one where daisy 0.2 had the providers, that scripts use without importing them.
_MODULES = {"block", "cl_monitor", "convenience", "coordinate", "journal", "persistence", "roi", "scheduler", "serial_server", "server"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})
