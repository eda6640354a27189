"""Progress bars, on terminals and in notebooks."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm


class Bars:
    """One bar for each task: how many of its blocks are done, and what failed."""

    def __init__(self) -> None:
        self._bars: list[Any] = []

    def start(self, tasks: list[tuple[str, int]]) -> None:
        # Nothing is shown where standard error is no terminal; notebooks show theirs in any case.
        self._bars = [
            tqdm(total=total, desc=name, unit="block", disable=None, leave=True) for name, total in tasks
        ]

    def update(self, counts: list[tuple[int, int, int, int]]) -> None:
        for bar, (done, failed, orphaned, processing) in zip(self._bars, counts):
            names = {"failed": failed, "orphaned": orphaned, "processing": processing}
            bar.set_postfix({name: count for name, count in names.items() if count}, refresh=False)
            bar.update(done + failed + orphaned - bar.n)

    def close(self) -> None:
        for bar in self._bars:
            bar.close()
