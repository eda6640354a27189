"""What a worker process of a run does: ``python -m daisy._worker FILE``.

The file holds a task as :mod:`daisy._payload` packs it. A function of a block is called for each block; one without
arguments is called once, and acquires blocks itself.
"""

from __future__ import annotations

import logging
import os
import pathlib
import sys

from ._daisy import end_children_by_sigterm, work
from ._payload import unpacked
from .context import Context
from .logging import get_log_basedir


def main(path: str) -> int:
    """Works until there is nothing more to do; the exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    end_children_by_sigterm()
    function, is_worker_function, layout = unpacked(pathlib.Path(path).read_bytes())
    context = Context.from_env()
    # For processes that this one starts.
    context["logdir"] = get_log_basedir()
    os.environ[Context.ENV_VARIABLE] = context.to_env()
    if is_worker_function:
        function()
        return 0
    return work(context.to_env(), function, layout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
