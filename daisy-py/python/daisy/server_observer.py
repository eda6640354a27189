"""Watching runs."""

from __future__ import annotations

from typing import Any

from ._daisy import Block
from .report import FinalState
from .run import Server


class ServerObserver:
    """Is told what happens in the runs of a server; every method does nothing by default.

    ::

        class Failures(daisy.ServerObserver):
            def on_block_failure(self, block, exception, context):
                print(block.block_id, exception)

        server = daisy.Server()
        Failures(server)
        server.run_blockwise([task])

    The methods are called one after the other, on a thread of their own. An observer that is much slower than the
    run is not told of every block (as many as wait for it are more than 8,000); the counts that it sees are always
    right, and at most a tenth of a second old.
    """

    def __init__(self, server: Server) -> None:
        server.register_observer(self)

    def on_task_start(self, task_id: str, task_state: FinalState) -> None:
        """The first block of a task was handed out."""

    def on_acquire_block(self, task_id: str, task_state: FinalState) -> None:
        """A block was handed out."""

    def on_release_block(self, task_id: str, task_state: FinalState) -> None:
        """A block came back: done, failed, or not begun."""

    def on_block_failure(self, block: Block, exception: Exception, context: Any) -> None:
        """An attempt at a block failed. The text of the exception is that of what was raised, with its traceback;
        ``context`` is None."""

    def on_task_done(self, task_id: str, task_state: FinalState) -> None:
        """Nothing more will happen in a task."""

    def on_server_exit(self) -> None:
        """The run is over."""
