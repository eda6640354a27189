"""Workers: those who process the blocks of a run."""

from __future__ import annotations

import contextlib
import logging
import os
import weakref
from typing import Iterator, Optional, Union

from ._daisy import Block, Connection
from ._errors import describe
from ._status import BlockStatus
from .context import Context

_logger = logging.getLogger(__name__)


class Client:
    """The connection of a worker to its run.

    ::

        client = Client()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break
                process(block)

    A thread keeps the connection alive for as long as the client exists, whatever else is done meanwhile. While a
    block is held, it **ends the whole process** when the run must assume that this worker is lost, or when it is told
    to: from then on others may work on the same data. A client is used by one thread and does not survive a fork:
    have one for each. All that are made with one context are workers of their own, in one process or in many.

    What became of a block is sent as it is given back, whatever the program does next: a worker may take one block or
    any number, and end. When the run is over before this worker came, there is nothing to do, and the log says so.

    Args:
        context: where the run is; by default what is in the environment (``DAISY_CONTEXT``).

    Raises RuntimeError if there is no context, and ConnectionError if nobody answers for a minute.
    """

    def __init__(self, context: Union[None, Context, str] = None) -> None:
        if context is None:
            try:
                context = Context.from_env()
            except KeyError:
                raise RuntimeError(
                    f"there is no {Context.ENV_VARIABLE} in the environment: a Client is made in a worker that a "
                    "run has started, or with the context that init_callback_fn was called with"
                ) from None
        self.context = context if isinstance(context, Context) else Context.from_text(context)
        connection, why = Connection.connect(self.context.to_env())
        self._connection: Optional[Connection] = connection
        if connection is None:
            _logger.warning("%s", why)
        else:
            # Also when the interpreter ends.
            weakref.finalize(self, connection.leave)

    @property
    def task_id(self) -> str:
        """The name of the task that this worker works for."""
        return self.context["task_id"]

    @property
    def worker_id(self) -> int:
        """The number by which the run knows this worker; -1 if the run was over before it came."""
        return -1 if self._connection is None else self._connection.worker_id

    @contextlib.contextmanager
    def acquire_block(self) -> Iterator[Optional[Block]]:
        """The next block, for a ``with`` statement; None when there is nothing more to do. Waits until there
        is one.

        Leaving the statement gives the block back: done, unless its status was set to FAILED. An exception
        is logged and is a failed attempt, and the program goes on behind the statement; KeyboardInterrupt
        and SystemExit are raised again.
        """
        block = self.next_block()
        if block is None:
            yield None
            return
        pid = os.getpid()
        try:
            yield block
        except BaseException as error:
            if os.getpid() != pid:
                # A child that the block forked ends: the block is its parent's.
                raise
            self._give_back(block, error)
            if not isinstance(error, Exception):
                raise
        else:
            self.release_block(block)

    def _give_back(self, block: Block, error: BaseException) -> None:
        block.status = BlockStatus.FAILED
        shown = block if isinstance(error, Exception) else None
        self._lender().hand_in(block, describe(error, error.__traceback__, shown))

    def next_block(self) -> Optional[Block]:
        """The next block without a ``with`` statement: give it back by :meth:`release_block`."""
        return None if self._connection is None else self._connection.next_block()

    def release_block(self, block: Block) -> None:
        """Gives a block back: it is done, unless its status is FAILED.

        Raises ValueError for a block that is not lent to this client.
        """
        if block.status == BlockStatus.FAILED:
            self._lender().hand_in(block, "the block's status was set to FAILED")
            return
        block.status = BlockStatus.SUCCESS
        self._lender().hand_in(block)

    def lease(self, block: Block) -> int:
        """The number of the loan of a block: later loans of the same block have larger ones, also in a resumed
        run. Stored with the data, it tells a late writer from the present one."""
        return self._lender().lease(block)

    def attempt(self, block: Block) -> int:
        """Which attempt at a block it is, from 1."""
        return self._lender().attempt(block)

    def still_ours(self, block: Block) -> bool:
        """Whether the run still counts on this worker for a block: asks the server."""
        return self._lender().still_ours(block)

    def _lender(self) -> Connection:
        if self._connection is None:
            raise ValueError("no block is lent to this client: the run was over before it came")
        return self._connection
