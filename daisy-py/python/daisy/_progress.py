"""What is shown and told of a run while it goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from tqdm.auto import tqdm

from .report import FinalState

if TYPE_CHECKING:
    from ._daisy import Block
    from .server_observer import ServerObserver

#: total, ready, processing, completed, skipped, failed, orphaned, pending
_Counts = tuple[int, int, int, int, int, int, int, int]


class Bars:
    """One bar for each task, on terminals and in notebooks: how many of its blocks are done, and what failed."""

    def __init__(self) -> None:
        self._bars: list[Any] = []

    def start(self, tasks: list[tuple[str, int]]) -> None:
        # Nothing is shown where standard error is no terminal; notebooks show theirs in any case.
        self._bars = [
            tqdm(total=total, desc=name, unit="block", disable=None, leave=True) for name, total in tasks
        ]

    def update(self, counts: list[_Counts]) -> None:
        for bar, (_, _, processing, completed, skipped, failed, orphaned, _) in zip(self._bars, counts):
            names = {"failed": failed, "orphaned": orphaned, "processing": processing}
            bar.set_postfix({name: count for name, count in names.items() if count}, refresh=False)
            bar.update(completed + skipped + failed + orphaned - bar.n)

    def close(self) -> None:
        for bar in self._bars:
            bar.close()


class Watch:
    """What Rust tells of a run, for bars and observers."""

    def __init__(self, bars: Optional[Bars], observers: Sequence[ServerObserver]) -> None:
        self._bars = bars
        self._observers = list(observers)
        self._states: dict[str, FinalState] = {}
        self._ended: list[str] = []
        #: Whether the methods about tasks and blocks are called.
        self.wants_blocks = bool(observers)

    def start(self, tasks: list[tuple[str, int]]) -> None:
        self._states = {name: FinalState.of((total, 0, 0, 0, 0, 0, 0, total)) for name, total in tasks}
        if self._bars:
            self._bars.start(tasks)

    def update(self, counts: list[_Counts]) -> None:
        self._states = {name: FinalState.of(row) for name, row in zip(self._states, counts)}
        if self._bars:
            self._bars.update(counts)
        # Tasks that ended are told once their last counts are known.
        ended, self._ended = self._ended, []
        for name in ended:
            self._tell(lambda observer: observer.on_task_done(name, self._states[name]))

    def close(self) -> None:
        if self._bars:
            self._bars.close()
        self._tell(lambda observer: observer.on_server_exit())

    def task_started(self, name: str) -> None:
        self._tell(lambda observer: observer.on_task_start(name, self._states[name]))

    def granted(self, name: str) -> None:
        self._tell(lambda observer: observer.on_acquire_block(name, self._states[name]))

    def settled(self, name: str) -> None:
        self._tell(lambda observer: observer.on_release_block(name, self._states[name]))

    def failed(self, block: Block, why: str) -> None:
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
