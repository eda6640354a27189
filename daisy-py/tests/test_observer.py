"""Observers of runs, and runs that are stopped from elsewhere."""

import threading
import time

import pytest

import daisy
from daisy import Roi, SerialServer, Server, ServerObserver, Task
from daisy.cl_monitor import CLMonitor

BLOCK = Roi((0,), (10,))


def of_ten(function, **more):
    return Task("ten", Roi((0,), (100,)), BLOCK, BLOCK, function, **more)


class Told(ServerObserver):
    def __init__(self, server):
        super().__init__(server)
        self.calls, self.done, self.failed = [], {}, []

    def on_task_start(self, task_id, task_state):
        self.calls.append(("start", task_id, task_state.total_block_count))

    def on_acquire_block(self, task_id, task_state):
        self.calls.append(("acquire", task_id, task_state.total_block_count))

    def on_release_block(self, task_id, task_state):
        self.calls.append(("release", task_id, task_state.total_block_count))

    def on_block_failure(self, block, exception, context):
        self.failed.append((block, exception, context))

    def on_task_done(self, task_id, task_state):
        self.done[task_id] = task_state

    def on_server_exit(self):
        self.calls.append(("exit",))


def fail_at_3(block):
    if block.block_id[1] == 3:
        raise ValueError("no data")


@pytest.mark.parametrize("kind", [Server, SerialServer])
def test_an_observer_is_told_of_every_block(kind):
    server = kind(progress=False)
    told = Told(server)
    states = server.run_blockwise([of_ten(fail_at_3, max_retries=1)])
    assert told.calls[0] == ("start", "ten", 10)
    assert told.calls[-1] == ("exit",)
    assert told.calls.count(("acquire", "ten", 10)) == told.calls.count(("release", "ten", 10)) == 11
    assert told.done == {"ten": states["ten"]}
    assert (told.done["ten"].completed_count, told.done["ten"].failed_count) == (9, 1)
    assert [block.block_id for block, _, _ in told.failed] == [("ten", 3)] * 2
    block, exception, _ = told.failed[0]
    assert block.write_roi == Roi((30,), (10,))
    assert str(exception).endswith("ValueError: no data")


def test_an_observer_that_raises_keeps_nothing_up(capsys):
    class Broken(ServerObserver):
        def on_acquire_block(self, task_id, task_state):
            raise KeyError("mine")

    server = SerialServer(progress=False)
    Broken(server)
    told = Told(server)
    assert server.run_blockwise([of_ten(lambda block: None)])["ten"].completed_count == 10
    assert len(told.calls) == 22
    assert capsys.readouterr().err.count("KeyError: 'mine'") == 10


def test_one_that_is_not_registered_any_more_is_told_nothing():
    server = SerialServer(progress=False)
    told = Told(server)
    server.register_observer(told)
    server.unregister_observer(told)
    server.run_blockwise([of_ten(lambda block: None)])
    assert told.calls == []


def test_the_monitor_of_1x_makes_a_server_show_progress():
    server = SerialServer(progress=False)
    CLMonitor(server)
    assert server.shows_progress


def test_a_run_in_worker_processes_is_stopped_from_another_thread():
    stop = threading.Event()

    class StopAtTheFirst(ServerObserver):
        def on_acquire_block(self, task_id, task_state):
            stop.set()

    server = Server(stop, progress=False)
    StopAtTheFirst(server)
    state = server.run_blockwise([of_ten(lambda block: time.sleep(600), num_workers=2)])["ten"]
    assert server.report.outcome == "interrupted"
    assert not server.report
    assert (state.completed_count, state.failed_count, state.processing_count) == (0, 0, 0)


def test_a_serial_run_finishes_the_block_at_work_and_begins_no_other():
    stop, seen = threading.Event(), []

    def once(block):
        seen.append(block.block_id)
        stop.set()
        time.sleep(0.5)

    server = SerialServer(stop, progress=False)
    assert server.run_blockwise([of_ten(once)])["ten"].completed_count == len(seen) < 10
    assert server.report.outcome == "interrupted"


def test_a_run_whose_event_is_set_already_begins_nothing():
    stop = threading.Event()
    stop.set()
    server = Server(stop, progress=False)
    daisy_state = server.run_blockwise([of_ten(lambda block: time.sleep(600))])["ten"]
    assert daisy_state.completed_count == 0
    assert server.report.outcome == "interrupted"


def test_a_stopped_run_goes_on_where_it_ended(tmp_path):
    stop, journal = threading.Event(), tmp_path / "run.journal"
    first = SerialServer(stop, journal=journal, progress=False)
    first.run_blockwise([of_ten(lambda block: stop.set() if block.block_id[1] == 4 else time.sleep(0.02))])
    done = first.report.states["ten"].completed_count
    assert first.report.outcome == "interrupted"
    seen = []
    assert daisy.run_blockwise([of_ten(seen.append)], multiprocessing=False, journal=journal, progress=False)
    assert len(seen) == 10 - done
