"""Tasks: what is to be done block by block."""

from __future__ import annotations

import inspect
import numbers
import operator
from typing import Any, Callable, Iterable, Mapping, Optional, Union

from ._daisy import Block, total_write_roi
from ._roi import Roi
from .array import Array, Dataset

#: The largest number of workers of one task.
MAX_WORKERS = 4_096
#: The longest name, which workers say when they join.
_MAX_NAME_BYTES = 1_024

#: The longest time limit of a block in seconds, about thirty years.
MAX_TIMEOUT = 1_000_000_000


class Task:
    """A function and the blocks it is to be called for.

    The write ROI is shifted over the total ROI in steps of its own shape, and the read ROI moves along;
    all three are half-open, in one unit. A function may be called more than once for a block (after a
    failure) and must give the same result again.

    Args:
        task_id: the unique name of the task.
        total_roi: everything that blocks may read.
        read_roi: what a block reads; only its place relative to the write ROI matters.
        write_roi: what a block writes; it lies inside the read ROI.
        process_function: called as ``process_function(block)`` for each block; or, without an argument,
            once in each worker, where it acquires blocks itself (:class:`daisy.Client`). It may return after any
            number of blocks: as long as there are others, it is started again. One that only hands a job to a queue
            (``sbatch`` without ``--wait``) and returns stands for the worker that the job will be; what it leaves
            in the background of its own process ends with that, unless ``setsid`` starts it. What is to be kept
            between the blocks of a worker, such as a model, is a global variable or the result of a function with
            ``functools.lru_cache``.
        check_function: called as ``check_function(block)`` before a block; True means that it is done
            already. Of a pair of functions the first is called before, and the second after the block,
            where False is a failed attempt.
        init_callback_fn: called as ``init_callback_fn(context)`` once when the task starts.
        read_write_conflict: whether blocks that would touch each other's data (one reads what the other
            writes) must not run at the same time.
        num_workers: how many worker processes there are, 0 to 4,096, each at one block at a time unless it opens
            several clients; with 0 the run waits for workers that somebody else starts, for as long as it takes
            (``key_file`` of :func:`daisy.run_blockwise`).
        max_retries: how often a block is tried again after its first failure.
        fit: what happens where the blocks do not fill the total ROI: ``"valid"`` leaves out blocks that
            would lie outside, ``"overhang"`` keeps them as they are, ``"shrink"`` cuts them::

                |---------------------------|     total ROI [0, 28), context 5, write 7

                |rrrr|wwwwww|rrrr|                block 1
                       |rrrr|wwwwww|rrrr|         block 2
                                                  no further block         (valid)
                              |rrrr|wwwwww|rrrr|  block 3 (overhanging)    (overhang)
                              |rrrr|www|rrrr|     block 3 (shrunk)         (shrink)

        timeout: seconds after which a block counts as failed and its worker is replaced; None: never.
        upstream_tasks: the tasks whose output this one reads. A block waits for exactly those of their
            blocks whose write ROI meets its read ROI.
        mask: called as ``mask(roi)`` for the whole area and, where it returns None, for parts of it: True
            means that nothing is to be done there, False that everything is.
        resources: how much of which resource a worker of the task needs, as ``{"gpu": 1}``.
        max_failed_blocks: ends the task once so many blocks have failed for good.
        writes: the array that blocks write, or several, from :func:`daisy.open_ds` or
            :func:`daisy.prepare_ds`: a run in which two blocks may write one chunk at the same time is
            refused, unless the array is open with another ``chunk_sharing``.
            With a journal, a run that goes on is refused if the array is gone or was made anew meanwhile.
        reads: the array that blocks read, or several: a run in which a chunk may be read while a block of
            another task writes it is refused.
        version: which version of its code this is, a text. By default it is found out: a hash of the function, of
            those of its own module that it calls, and of the values that they use (give one where these differ from
            start to start without any difference in what is computed, such as the time). A run that goes on with
            a journal and has another version than before says so, and ends workers that outlived the last start;
            what is done stays done (:func:`daisy.journal.forget`).

    Raises TypeError and ValueError for what cannot work, with what to do instead.
    """

    def __init__(
        self,
        task_id: str,
        total_roi: Any,
        read_roi: Any,
        write_roi: Any,
        process_function: Callable[..., Any],
        check_function: Union[None, Callable[[Block], bool], tuple] = None,
        init_callback_fn: Optional[Callable[[Any], Any]] = None,
        read_write_conflict: bool = True,
        num_workers: int = 1,
        max_retries: int = 2,
        fit: str = "valid",
        timeout: Optional[float] = None,
        upstream_tasks: Optional[Iterable[Task]] = None,
        *,
        mask: Optional[Callable[[Roi], Optional[bool]]] = None,
        resources: Optional[Mapping[str, int]] = None,
        max_failed_blocks: Optional[int] = None,
        writes: Any = None,
        reads: Any = None,
        version: Optional[str] = None,
    ) -> None:
        if not isinstance(task_id, str):
            raise TypeError(f"task_id is {task_id!r}; give the name of the task, a text")
        if not task_id:
            raise ValueError("task_id is empty; give every task a unique name")
        if len(task_id.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
            raise ValueError(f"task_id is longer than {_MAX_NAME_BYTES} bytes; give the task a shorter name")
        self.task_id = task_id
        if not isinstance(fit, str):
            raise TypeError(f"{self}: fit is {fit!r}; give one of: 'valid', 'overhang', 'shrink'")
        #: What the blocks write together.
        self.total_write_roi = total_write_roi(task_id, total_roi, read_roi, write_roi, fit)
        self.total_roi = _own_roi(total_roi)
        self.read_roi = _own_roi(read_roi)
        self.write_roi = _own_roi(write_roi)
        self.fit = fit
        self.process_function = process_function
        #: Whether the function takes no block: it is started once in each worker.
        self.is_worker_function = _takes_no_block(self, process_function)
        self.check_function = _checks(self, check_function)
        self.init_callback_fn = _callable_or_none(self, "init_callback_fn", init_callback_fn)
        self.read_write_conflict = bool(read_write_conflict)
        self.num_workers = _number(self, "num_workers", num_workers, 0, MAX_WORKERS)
        self.max_retries = _number(self, "max_retries", max_retries, 0, 2**32 - 1)
        self.timeout = _seconds(self, timeout)
        self.upstream_tasks = _upstream(self, upstream_tasks)
        self.mask = _callable_or_none(self, "mask", mask)
        self.resources = _amounts(self, resources)
        self.max_failed_blocks = (
            None
            if max_failed_blocks is None
            else _number(self, "max_failed_blocks", max_failed_blocks, 1, 2**64 - 1)
        )
        self.writes = _arrays(self, "writes", writes)
        self.reads = _arrays(self, "reads", reads)
        if version is not None and not isinstance(version, str):
            raise TypeError(f"{self}: version is {version!r}; give a text")
        self.version = version

    def requires(self) -> list[Task]:
        """The tasks whose output this one reads: the same as ``upstream_tasks``."""
        return self.upstream_tasks

    def __repr__(self) -> str:
        return f"Task({self.task_id!r})"


def _own_roi(roi: Any) -> Roi:
    return Roi(roi.offset, roi.shape)


def _takes_no_block(task: Task, function: Any) -> bool:
    if not callable(function):
        raise TypeError(
            f"{task}: process_function is {function!r}; give a function of a block, or one without "
            "arguments that acquires blocks itself"
        )
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # Some functions written in C do not say.
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in places if p.default is p.empty]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(needed) > 1 or named:
        raise TypeError(
            f"{task}: process_function needs {len(needed) + len(named)} arguments; give a function of one "
            "block, or one without arguments that acquires blocks itself"
        )
    return not places


def _checks(task: Task, check: Any) -> Any:
    if check is None or callable(check):
        return check
    if isinstance(check, (tuple, list)) and len(check) == 2 and all(map(callable, check)):
        return tuple(check)
    raise TypeError(
        f"{task}: check_function is {check!r}; give a function of a block, or a pair of them: one to ask "
        "before the block and one to ask after it"
    )


def _callable_or_none(task: Task, name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise TypeError(f"{task}: {name} is {value!r}; give a function")
    return value


def _number(task: Task, name: str, value: Any, lowest: int, highest: int) -> int:
    try:
        number = int(operator.index(value))
    except TypeError:
        raise TypeError(f"{task}: {name} is {value!r}; give an integer") from None
    if not lowest <= number <= highest:
        raise ValueError(f"{task}: {name} is {number}; give {lowest} to {highest}")
    return number


def _seconds(task: Task, timeout: Any) -> Optional[float]:
    if timeout is None:
        return None
    if not isinstance(timeout, numbers.Real):
        raise TypeError(f"{task}: timeout is {timeout!r}; give seconds, or None for no limit")
    timeout = timeout if isinstance(timeout, int) else float(timeout)
    if not 0 < timeout <= MAX_TIMEOUT:
        raise ValueError(
            f"{task}: timeout is {timeout}; give more than 0 and at most {MAX_TIMEOUT} seconds, or None"
        )
    return timeout


def _upstream(task: Task, tasks: Any) -> list[Task]:
    if tasks is None:
        return []
    if isinstance(tasks, Task):
        raise TypeError(f"{task}: upstream_tasks is one task; give a list of tasks")
    tasks = list(tasks)
    for other in tasks:
        if not isinstance(other, Task):
            raise TypeError(f"{task}: {other!r} is no task; give a list of tasks as upstream_tasks")
        if other.total_roi.dims != task.total_roi.dims:
            raise ValueError(
                f"{task} has {task.total_roi.dims} axes but its upstream {other} has "
                f"{other.total_roi.dims}; give both the same number"
            )
    return tasks


def _amounts(task: Task, resources: Any) -> dict[str, int]:
    if resources is None:
        return {}
    if not isinstance(resources, Mapping):
        raise TypeError(f"{task}: resources is {resources!r}; give amounts by name, as {{'gpu': 1}}")
    if not all(isinstance(name, str) and name for name in resources):
        raise TypeError(f"{task}: resources need names, as {{'gpu': 1}}")
    return {
        name: _number(task, f"resources[{name!r}]", amount, 1, 2**64 - 1)
        for name, amount in resources.items()
    }


def _arrays(task: Task, name: str, arrays: Any) -> tuple[Array, ...]:
    """One array or several as a tuple."""
    if arrays is None:
        return ()
    several = tuple(arrays) if isinstance(arrays, (tuple, list)) else (arrays,)
    for array in several:
        if not isinstance(array, Array) or not isinstance(array.data, Dataset):
            raise TypeError(f"{task}: {name} is {array!r}; give what daisy.open_ds or prepare_ds returned for Zarr")
    return several
