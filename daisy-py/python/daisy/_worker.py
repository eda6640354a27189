"""What a worker process of a run does: ``python -m daisy._worker FILE``.

The file holds, pickled, where Python looks for modules, the arguments of the script, and the task's function. A function of a block is called
for each block; one without arguments is called once, and acquires blocks itself.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import sys
from typing import Any

import cloudpickle

from ._daisy import work
from .context import Context


def packed(task: Any) -> bytes:
    """A task as its workers need it.

    Raises TypeError if its function cannot be sent to another process.
    """
    layout = (task.task_id, task.total_roi, task.read_roi, task.write_roi, task.fit)
    try:
        # By value where the function's module is the script, by name elsewhere.
        function = cloudpickle.dumps(task.process_function)
    except Exception as error:
        raise TypeError(
            f"{task}: process_function cannot be sent to worker processes ({error}); let it open files, locks "
            "and connections itself rather than hold them, or run with multiprocessing=False"
        ) from error
    return pickle.dumps((sys.path, sys.argv, task.is_worker_function, layout, function))


def main(path: str) -> int:
    """Works until there is nothing more to do; the exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    with open(path, "rb") as file:
        sys.path[:], sys.argv[:], is_worker_function, layout, function = pickle.load(file)
    importlib.invalidate_caches()
    function = pickle.loads(function)
    if is_worker_function:
        function()
        return 0
    return work(os.environ[Context.ENV_VARIABLE], function, layout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
