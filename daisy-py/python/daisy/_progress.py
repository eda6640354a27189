"""What is shown and told of a run while it goes on."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from tqdm.auto import tqdm

from .report import FinalState

if TYPE_CHECKING:
    from ._daisy import Block
    from .server_observer import ServerObserver

logger = logging.getLogger("daisy")

#: total, ready, processing, completed, skipped, failed, orphaned, pending
_Counts = tuple[int, int, int, int, int, int, int, int]

#: How often lines are written at first, in seconds; later it is once more for every twentieth that a run gets older.
_LINES_EVERY, _LINES_AT_LEAST_EVERY = 5.0, 600.0

#: How many failed attempts are logged in so many seconds.
_FAILURES, _FAILURES_EVERY = 5, 5.0


def say(text: str) -> None:
    """Says something on standard error, which may be closed or full: no run fails for that."""
    try:
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


def _shown(name: str) -> str:
    """The name of a task, without what a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


class Bars:
    """One bar for each task, on terminals and in notebooks: how many of its blocks are done, and what failed. Where
    standard error is neither, a line for each task that goes on."""

    def __init__(self) -> None:
        self._bars: list[Any] = []
        self._names: list[str] = []
        self._start = self._last_lines = 0.0
        self._is_plain = False

    def start(self, tasks: list[tuple[str, int]]) -> None:
        self._bars = [
            tqdm(total=total, desc=_shown(name), unit="block", disable=None, leave=True) for name, total in tasks
        ]
        self._names = [_shown(name) for name, _ in tasks]
        # tqdm.auto disables those that standard error, which is no terminal, would get; not those of notebooks.
        self._is_plain = any(bar.disable for bar in self._bars)
        self._start = self._last_lines = time.monotonic()

    def update(self, counts: list[_Counts]) -> None:
        if self._is_plain:
            self._write_lines(counts)
            return
        for bar, (_, _, processing, completed, skipped, failed, orphaned, _) in zip(self._bars, counts):
            bar.set_postfix(_notes(processing, failed, orphaned), refresh=False)
            bar.update(completed + skipped + failed + orphaned - bar.n)

    def _write_lines(self, counts: list[_Counts]) -> None:
        now = time.monotonic()
        age = now - self._start
        if now - self._last_lines < min(max(age / 20, _LINES_EVERY), _LINES_AT_LEAST_EVERY):
            return
        self._last_lines = now
        for name, (total, _, processing, completed, skipped, failed, orphaned, _) in zip(self._names, counts):
            finished = completed + skipped + failed + orphaned
            if finished < total and processing + finished > 0:
                notes = "".join(f", {count} {what}" for what, count in _notes(processing, failed, orphaned).items())
                line = f"{name}: {finished} of {total} blocks ({finished / total:.1%}), {finished / age:.3g}/s{notes}"
                say(line)

    def close(self) -> None:
        for bar in self._bars:
            bar.close()


def _notes(processing: int, failed: int, orphaned: int) -> dict[str, int]:
    names = {"failed": failed, "orphaned": orphaned, "processing": processing}
    return {name: count for name, count in names.items() if count}


class Failures:
    """Logs attempts that fail; not all of those that come one after the other.

    Args:
        is_elsewhere: whether functions are called in other processes. What they raise in this one is logged already.
    """

    def __init__(self, is_elsewhere: bool) -> None:
        self._is_elsewhere = is_elsewhere
        self._since = float("-inf")
        self._num = 0

    def log(self, block: Block, attempts: int, is_last: bool, why: str) -> None:
        raised = why.startswith(("Traceback ", "..."))
        if raised and not self._is_elsewhere:
            return
        self.settle()
        self._num += 1
        if self._num <= _FAILURES:
            why = why.splitlines()[-1] if raised else why
            logger.error("%r failed, attempt %d%s: %s", block, attempts, ", the last" if is_last else "", why)

    def settle(self, is_end: bool = False) -> None:
        """Says how many were not logged, once it is time for that."""
        now = time.monotonic()
        if is_end or now - self._since >= _FAILURES_EVERY:
            if self._num > _FAILURES:
                logger.error("%d more failed attempts are not logged", self._num - _FAILURES)
            self._since, self._num = now, 0


class Watch:
    """What Rust tells of a run, for bars, the log and observers."""

    def __init__(self, bars: Optional[Bars], failures: Failures, observers: Sequence[ServerObserver]) -> None:
        self._bars = bars
        self._failures = failures
        self._observers = list(observers)
        self._states: dict[str, FinalState] = {}
        self._ended: list[str] = []
        #: Whether the methods about tasks and blocks are called; that about failures is in any case.
        self.wants_blocks = bool(observers)

    def start(self, tasks: list[tuple[str, int]]) -> None:
        self._states = {name: FinalState.of((total, 0, 0, 0, 0, 0, 0, total)) for name, total in tasks}
        if self._bars:
            self._bars.start(tasks)

    def update(self, counts: list[_Counts]) -> None:
        self._states = {name: FinalState.of(row) for name, row in zip(self._states, counts)}
        self._failures.settle()
        if self._bars:
            self._bars.update(counts)
        # Tasks that ended are told once their last counts are known.
        ended, self._ended = self._ended, []
        for name in ended:
            self._tell(lambda observer: observer.on_task_done(name, self._states[name]))

    def close(self) -> None:
        if self._bars:
            self._bars.close()
        self._failures.settle(is_end=True)
        self._tell(lambda observer: observer.on_server_exit())

    def task_started(self, name: str) -> None:
        self._tell(lambda observer: observer.on_task_start(name, self._states[name]))

    def granted(self, name: str) -> None:
        self._tell(lambda observer: observer.on_acquire_block(name, self._states[name]))

    def settled(self, name: str) -> None:
        self._tell(lambda observer: observer.on_release_block(name, self._states[name]))

    def failed(self, block: Block, attempts: int, is_last: bool, why: str) -> None:
        self._failures.log(block, attempts, is_last, why)
        self._tell(lambda observer: observer.on_block_failure(block, RuntimeError(why), None))

    def task_ended(self, name: str) -> None:
        self._ended.append(name)

    def _tell(self, tell: Callable[[ServerObserver], None]) -> None:
        """Tells all observers; one that raises does not keep it from the others, nor from the run."""
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:
                sys.excepthook(*sys.exc_info())
