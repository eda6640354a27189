"""Processes that are forked in a run: those of a pool, or the loaders of a training set.

A run and its workers hear of signals on threads, which a forked process does not have: there, ``Process.terminate()``
would do nothing, and who waits for the process would wait for ever. ::

    fork: hold signals back --> parent: let them come
                            '-> child: forget how they were heard, let them come
"""

from __future__ import annotations

import functools
import os
import signal
import threading

#: What was held back before, in the thread that forks.
_before = threading.local()


@functools.lru_cache(maxsize=None)
def hold_signals_back() -> None:
    """From now on, a signal that comes just when a process is forked is heard when all is as it should be there."""
    os.register_at_fork(before=_hold_back, after_in_parent=_let_come, after_in_child=_let_come)


def end_children_by_sigterm() -> None:
    """In a worker: from now on, SIGTERM ends processes that are forked from this one, as it does anywhere."""
    # What is registered first is done first in a child.
    os.register_at_fork(after_in_child=_forget)
    hold_signals_back()


def _hold_back() -> None:
    _before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])


def _let_come() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)


def _forget() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    # None: of a library that was there before Python.
    if handler is not None:
        signal.signal(signal.SIGTERM, handler)
