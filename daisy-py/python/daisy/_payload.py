"""What a worker process needs to know, as bytes."""

from __future__ import annotations

import collections
import functools
import importlib
import io
import pickle
import sys
import types
from typing import Any, Callable

import cloudpickle

from ._version import CACHED
from .logging import get_log_basedir, set_log_basedir

#: The arguments of :func:`daisy._daisy.work` that say which blocks there are.
Layout = tuple[str, Any, Any, Any, str]


def packed(task: Any) -> bytes:
    """A task as its workers need it, and where Python looks for modules, the arguments of the script, and the folder
    of logs.

    Raises TypeError if its function cannot be sent to another process.
    """
    layout = (task.task_id, task.total_roi, task.read_roi, task.write_roi, task.fit)
    try:
        # By value where the function's module is the script, by name elsewhere.
        file = io.BytesIO()
        _Pickler(file).dump(task.process_function)
        function = file.getvalue()
    except Exception as error:
        raise TypeError(
            f"{task}: process_function cannot be sent to worker processes ({error}); let it open files, locks "
            "and connections itself rather than hold them, or run with multiprocessing=False"
        ) from error
    return pickle.dumps((sys.path, sys.argv, get_log_basedir(), task.is_worker_function, layout, function))


def _code_in_file(constructor: Callable[..., types.CodeType], arguments: tuple[Any, ...], file: str) -> types.CodeType:
    return constructor(*arguments).replace(co_filename=file)


def _code_with_file(code: types.CodeType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    constructor, arguments = cloudpickle.Pickler.dispatch_table[types.CodeType](code)[:2]
    return _code_in_file, (constructor, arguments, code.co_filename)


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


class _Pickler(cloudpickle.Pickler):
    """Functions keep the names of the files they stand in, which tracebacks show; cloudpickle takes them away.

    Those of the script that keep their results (``functools.lru_cache``), a loaded model, say, are sent without them;
    cloudpickle sends their names alone, which no worker knows.
    """

    dispatch_table = collections.ChainMap({types.CodeType: _code_with_file}, cloudpickle.Pickler.dispatch_table)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, CACHED) and (obj.__module__ == "__main__" or "<locals>" in obj.__qualname__):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        return super().reducer_override(obj)


def unpacked(payload: bytes) -> tuple[Callable[..., Any], bool, Layout]:
    """The function of a task, whether it acquires its blocks itself, and its layout; this process is made a worker."""
    sys.path[:], sys.argv[:], logs, is_worker_function, layout, function = pickle.loads(payload)
    importlib.invalidate_caches()
    set_log_basedir(logs)
    return pickle.loads(function), is_worker_function, layout
