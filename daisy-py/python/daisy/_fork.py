"""Processes that a worker forks: those of a pool, or the loaders of a training set.

A worker hears of SIGTERM on a thread, which a forked process does not have: there, ``Process.terminate()`` would do
nothing, and who waits for the process would wait for ever. ::

    fork: hold SIGTERM back --> parent: let it come
                            '-> child: forget how it was heard, let it come
"""

from __future__ import annotations

import os
import signal
import threading

#: What was held back before, in the thread that forks.
_before = threading.local()


def end_children_by_sigterm() -> None:
    """From now on, SIGTERM ends processes that are forked from this one, as it does anywhere; also one that comes
    just when the process has begun."""
    os.register_at_fork(before=_hold_back, after_in_parent=_let_come, after_in_child=_forget)


def _hold_back() -> None:
    _before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _let_come() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)


def _forget() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    # None: of a library that was there before Python.
    if handler is not None:
        signal.signal(signal.SIGTERM, handler)
    _let_come()
