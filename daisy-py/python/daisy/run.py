"""Runs: all blocks of some tasks, in the right order."""

from __future__ import annotations

import ipaddress
import os
import pathlib
import socket
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Optional, Union

from . import _daisy
from ._payload import packed
from ._progress import Bars, Failures, Watch, say
from ._roi import Roi
from ._version import version_of
from .logging import get_log_basedir
from .report import FinalState, Report
from .task import Task

if TYPE_CHECKING:
    from .server_observer import ServerObserver


def run_blockwise(
    tasks: Iterable[Task],
    multiprocessing: bool = True,
    *,
    journal: Union[None, str, os.PathLike] = None,
    accept_new_arrays: bool = False,
    request: Any = None,
    order: str = "sweep",
    host: Optional[str] = None,
    key_file: Union[None, str, os.PathLike] = None,
    report: bool = False,
    resources: Optional[Mapping[str, int]] = None,
    count_all_orphans: bool = True,
    progress: bool = True,
) -> Union[bool, Report]:
    """Runs tasks and everything upstream of them.

    Args:
        tasks: the last tasks; those upstream of them are found.
        multiprocessing: whether blocks run in worker processes, ``num_workers`` for each task. Without, they
            run one after the other in this thread, for debugging; retries are made, time limits are not kept.
        journal: a file that remembers what is done: a run that is started again with the same journal goes
            on where the last one ended, however that was. Worker processes of a run that was killed work on and look
            for it for a minute: started again within that time, it finds them at work. Beside it lies
            ``<journal>.run``, with addresses and keys for them; keep it with the journal.
        accept_new_arrays: whether a run that goes on may do so although an array that a task ``writes`` is not the one
            that its finished blocks were written to. By default that is an error. What those blocks wrote is missing
            in the new one: rather have them done again (:func:`daisy.journal.forget`), unless you know better.
        request: which blocks are wanted, with all that they need: a mapping from tasks (or their names) to ROIs,
            or a list of such pairs; ``"everything"`` for all blocks of all tasks. By default all blocks of
            the tasks that nothing is downstream of.
        order: in which order blocks are handed out: ``"sweep"`` moves a thin front through the volume, ``"level"``
            is that of daisy 1.x, ``"morton"`` keeps to neighbourhoods.
        host: by which name or address workers on other machines reach the run: ``"host"`` or ``"host:port"``. With a
            name, the run listens on all addresses of this machine; with an address, on that one. By default what
            the environment variable ``DAISY_HOST`` says; without one, only this machine reaches the run.
        key_file: where to write the contexts for workers that somebody else starts, one for each task, while the run
            goes on. Only its owner can read it. Such a worker is a program with
            ``Client(Context.from_file(key_file, task))``: see :meth:`daisy.Context.from_file`.
        report: whether to return a :class:`Report` rather than True or False.
        resources: how much there is of what tasks need, as ``{"gpu": 2}``.
        count_all_orphans: whether blocks that can never run are all found and counted.
        progress: whether bars are shown on a terminal or in a notebook, a line now and then elsewhere, and in the
            end how it went: on standard error. Attempts that fail are logged in any case (logger ``daisy``).

    Returns True if every block was completed or found done; or the report.

    SIGTERM and SIGHUP stop the run in good order, too: what it returns then is not true.

    Raises KeyboardInterrupt after the first Ctrl-C, once the run has ended in good order, and at once after the second, or
    the second SIGTERM or SIGHUP: workers are killed then, and what is left of the run ends by itself. Raises TypeError and
    ValueError for tasks that do not go together, and RuntimeError if the run cannot be started or cannot go on.
    """
    server = (Server if multiprocessing else SerialServer)(
        journal=journal,
        accept_new_arrays=accept_new_arrays,
        request=request,
        order=order,
        host=host,
        key_file=key_file,
        resources=resources,
        count_all_orphans=count_all_orphans,
        progress=progress,
    )
    server.run_blockwise(tasks)
    assert server.report is not None
    return server.report if report else bool(server.report)


class Server:
    """Runs tasks with worker processes. The keywords are those of :func:`run_blockwise`.

    Args:
        stop_event: a ``threading.Event``; once it is set, the run ends in good order, as after Ctrl-C: nothing more is
            handed out, workers are ended, and their blocks cost no attempt. The report says ``"interrupted"``.
    """

    def __init__(
        self,
        stop_event: Optional[threading.Event] = None,
        host: Optional[str] = None,
        *,
        journal: Union[None, str, os.PathLike] = None,
        accept_new_arrays: bool = False,
        request: Any = None,
        order: str = "sweep",
        key_file: Union[None, str, os.PathLike] = None,
        resources: Optional[Mapping[str, int]] = None,
        count_all_orphans: bool = True,
        progress: bool = True,
    ) -> None:
        #: What came of the last run.
        self.report: Optional[Report] = None
        #: Whether runs show how they get on, and in the end how it went.
        self.shows_progress = progress
        self._observers: list[ServerObserver] = []
        self._stop_event = stop_event
        host = host or os.environ.get("DAISY_HOST")
        self._settings = {
            "order": order,
            "request": [] if request in (None, "everything") else _pairs(request),
            "everything": isinstance(request, str) and request == "everything",
            "resources": list((resources or {}).items()),
            "journal": None if journal is None else os.fspath(journal),
            "accept_new_arrays": accept_new_arrays,
            "listen": _place(host) if host else None,
            "key_file": None if key_file is None else os.fspath(key_file),
            "count_all_orphans": count_all_orphans,
        }

    def register_observer(self, observer: ServerObserver) -> None:
        """Tells an observer of what happens in runs, see :class:`daisy.ServerObserver`."""
        if observer not in self._observers:
            self._observers.append(observer)

    def unregister_observer(self, observer: ServerObserver) -> None:
        """Tells it nothing more, from the next run on."""
        self._observers.remove(observer)

    def run_blockwise(self, tasks: Iterable[Task]) -> dict[str, FinalState]:
        """Runs tasks and everything upstream of them; the final counts of each, by its name."""
        tasks = [tasks] if isinstance(tasks, Task) else list(tasks)
        with tempfile.TemporaryDirectory(prefix="daisy-") as folder:
            settings = dict(self._settings)
            settings["commands"] = self._commands(tasks, pathlib.Path(folder))
            settings["logs"] = str(get_log_basedir() or folder)
            settings["versions"] = self._versions(tasks)
            failures = Failures(settings["commands"] is not None)
            settings["watch"] = Watch(Bars() if self.shows_progress else None, failures, self._observers)
            settings["stop"], over = _daisy.Stop(), threading.Event()
            if self._stop_event is not None:
                ask = (self._stop_event, settings["stop"], over)
                threading.Thread(target=_stop_when_asked, args=ask, name="daisy stop", daemon=True).start()
            try:
                report, table, interrupt = _daisy.run(tasks, settings)
            finally:
                over.set()
        self.report = Report(report, table)
        if self.shows_progress:
            say(table)
        if interrupt is not None:
            raise interrupt
        return self.report.states

    def _versions(self, tasks: list[Task]) -> dict[str, Optional[str]]:
        """The version of the code of each task; of use with a journal only."""
        if self._settings["journal"] is None:
            return {}
        tasks = _with_upstream(tasks)
        return {task.task_id: task.version or version_of(task.process_function) for task in tasks}

    def _commands(self, tasks: list[Task], folder: pathlib.Path) -> Optional[dict[str, list[str]]]:
        """What starts the workers of each task."""
        commands = {}
        for place, task in enumerate(_with_upstream(tasks)):
            file = folder / f"{place}.pickle"
            file.write_bytes(packed(task))
            commands[task.task_id] = [sys.executable, "-m", "daisy._worker", str(file)]
        return commands


class SerialServer(Server):
    """Runs everything on the calling thread, one block at a time, for debugging.

    The keywords are those of :func:`run_blockwise`.
    """

    def _commands(self, tasks: list[Task], folder: pathlib.Path) -> None:
        for task in _with_upstream(tasks):
            if task.is_worker_function:
                raise ValueError(
                    f"{task}: process_function takes no block, so it needs a process of its own; run with "
                    "multiprocessing=True, or give it a block"
                )


def _stop_when_asked(asked: threading.Event, stop: _daisy.Stop, over: threading.Event) -> None:
    while not over.is_set():
        if asked.wait(0.05):
            stop.stop()
            return


def _with_upstream(tasks: list[Task]) -> list[Task]:
    """These tasks and everything upstream of them, each once."""
    found: dict[int, Task] = {}
    open_tasks = list(tasks)
    while open_tasks:
        task = open_tasks.pop()
        if not isinstance(task, Task):
            raise TypeError(f"{task!r} is no task; give a list of daisy.Task")
        if id(task) not in found:
            found[id(task)] = task
            open_tasks.extend(task.upstream_tasks)
    return list(found.values())


def _pairs(request: Any) -> list[tuple[Any, Any]]:
    pairs = request.items() if isinstance(request, Mapping) else request
    try:
        return [(getattr(task, "task_id", task), roi) for task, roi in pairs]
    except (TypeError, ValueError):
        raise TypeError(
            f'request is {request!r}; give a mapping from tasks to ROIs, pairs of them, or "everything"'
        ) from None


def _place(host: str) -> tuple[str, Optional[str]]:
    """Where a run listens, and what its workers are told to connect to if that is not it.

    Raises ValueError for a name that means nothing here.
    """
    if host.startswith("unix:"):
        return host, None
    name, colon, port = host.rpartition(":")
    if not (colon and port.isdigit() and (":" not in name or name.endswith("]"))):
        name, port = host, "0"
    name = name.strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            socket.getaddrinfo(name, None)
        except (OSError, UnicodeError) as error:
            raise ValueError(f"host is {host!r}, which is not known on this machine ({error})") from None
        # Here a name may mean loopback, and a machine may have several addresses.
        return (f"{name}:{port}", None) if name == "localhost" else (f"0.0.0.0:{port}", f"{name}:0")
    where = f"[{name}]:{port}" if address.version == 6 else f"{name}:{port}"
    return where, f"{socket.gethostname()}:0" if address.is_unspecified else None
