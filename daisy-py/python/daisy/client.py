"""Workers: those who process the blocks of a run."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional, Union

from ._daisy import Block, Connection
from ._errors import describe
from ._status import BlockStatus
from .context import Context


class Client:
    """The connection of a worker to its run.

    ::

        client = Client()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break
                process(block)

    While a block is held, a thread keeps the connection alive. It **ends the whole process** when the run must
    assume that this worker is lost, or when it is told to: from then on others may work on the same data. A
    client is used by one thread and does not survive a fork: have one for each.

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
        self._connection = Connection(self.context.to_env())

    @property
    def task_id(self) -> str:
        """The name of the task that this worker works for."""
        return self._connection.task_id

    @property
    def worker_id(self) -> int:
        """The number by which the run knows this worker."""
        return self._connection.worker_id

    @contextlib.contextmanager
    def acquire_block(self) -> Iterator[Optional[Block]]:
        """The next block, for a ``with`` statement; None when there is nothing more to do. Waits until there
        is one.

        Leaving the statement gives the block back: done, unless its status was set to FAILED. An exception
        is logged and is a failed attempt, and the program goes on behind the statement; KeyboardInterrupt
        and SystemExit are raised again.
        """
        block = self._connection.next_block()
        if block is None:
            yield None
            return
        try:
            yield block
        except Exception as error:
            block.status = BlockStatus.FAILED
            self._connection.hand_in(block, describe(error, error.__traceback__, block))
        except BaseException as error:
            block.status = BlockStatus.FAILED
            self._connection.hand_in(block, describe(error, error.__traceback__, None))
            raise
        else:
            self.release_block(block)

    def next_block(self) -> Optional[Block]:
        """The next block without a ``with`` statement: give it back by :meth:`release_block`."""
        return self._connection.next_block()

    def release_block(self, block: Block) -> None:
        """Gives a block back: it is done, unless its status is FAILED.

        Raises ValueError for a block that is not lent to this client.
        """
        if block.status == BlockStatus.FAILED:
            self._connection.hand_in(block, "the block's status was set to FAILED")
            return
        block.status = BlockStatus.SUCCESS
        self._connection.hand_in(block)

    def lease(self, block: Block) -> int:
        """The number of the loan of a block: later loans of the same block have larger ones, also in a resumed
        run. Stored with the data, it tells a late writer from the present one."""
        return self._connection.lease(block)

    def attempt(self, block: Block) -> int:
        """Which attempt at a block it is, from 1."""
        return self._connection.attempt(block)

    def still_ours(self, block: Block) -> bool:
        """Whether the run still counts on this worker for a block: asks the server."""
        return self._connection.still_ours(block)
