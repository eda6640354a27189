"""What came of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ._roi import Roi


@dataclass(frozen=True)
class FinalState:
    """How many blocks of a task are in which state, as at the end of a run; the names are those of ``TaskState``."""

    total_block_count: int
    ready_count: int
    processing_count: int
    #: Blocks that are done, those included that were found done.
    completed_count: int
    #: Blocks that were found done, or masked.
    skipped_count: int
    failed_count: int
    orphaned_count: int
    pending_count: int

    @classmethod
    def of(cls, counts: tuple[int, int, int, int, int, int, int, int]) -> FinalState:
        """From total, ready, processing, completed, skipped, failed, orphaned, pending, as Rust counts them."""
        total, ready, processing, completed, skipped, failed, orphaned, pending = counts
        return cls(total, ready, processing, completed + skipped, skipped, failed, orphaned, pending)

    def is_done(self) -> bool:
        """Whether nothing more can happen in the task."""
        return self.ready_count == self.processing_count == self.pending_count == 0


@dataclass(frozen=True)
class FailedBlock:
    """A block that failed for good."""

    #: ``(task_id, number)``.
    block_id: tuple[str, Optional[int]]
    read_roi: Roi
    write_roi: Roi
    #: Failed attempts.
    attempts: int
    #: Why the last one failed; of an exception, its traceback.
    error: str


_COUNTS = ("total", "ready", "processing", "completed", "skipped", "failed", "orphaned", "pending")


class Report:
    """What came of a run. True if every block of every task was completed or found done.

    ``str(report)`` is a table for people; ``report.json`` has everything that the report of the Rust crate has: times,
    the slowest blocks, orphans.
    """

    def __init__(self, text: str, table: str) -> None:
        self._table = table
        #: Everything, as Python values.
        self.json: Mapping[str, Any] = json.loads(text)
        #: How it ended: ``"success"``, ``"failed"`` or ``"interrupted"``.
        self.outcome: str = self.json["outcome"]
        #: From the start to the end, in seconds.
        self.wall_time: float = self.json["wall_s"]
        #: The counts of each task, by its name.
        self.states: dict[str, FinalState] = {
            task["name"]: FinalState.of(tuple(task["counts"][name] for name in _COUNTS)) for task in self.json["tasks"]
        }
        #: Blocks that failed for good, the first 1,000.
        self.failures: list[FailedBlock] = [
            _failed(task["name"], block) for task in self.json["tasks"] for block in task["failures"]
        ]
        #: Tasks that ended before all that could run had run, and why.
        self.endings: dict[str, str] = {
            task["name"]: _ending(task["ending"])
            for task in self.json["tasks"]
            if task["ending"]["kind"] != "finished"
        }

    def __bool__(self) -> bool:
        return self.outcome == "success"

    def __str__(self) -> str:
        return self._table

    def __repr__(self) -> str:
        done = ", ".join(
            f"{name}: {state.completed_count} of {state.total_block_count}"
            for name, state in self.states.items()
        )
        return f"Report({self.outcome}; {done})"


def _failed(task_id: str, block: Mapping[str, Any]) -> FailedBlock:
    number = block["block_id"]
    return FailedBlock(
        block_id=(task_id, None if number is None else int(number)),
        read_roi=Roi(**block["read_roi"]),
        write_roi=Roi(**block["write_roi"]),
        attempts=block["attempts"],
        error=block["why"],
    )


def _ending(ending: Mapping[str, Any]) -> str:
    return ending["kind"] if ending["error"] is None else f"{ending['kind']}: {ending['error']}"
