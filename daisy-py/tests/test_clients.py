"""Clients as people use them: worker functions that take one block and end in any way, threads and forks."""

import collections
import os
import pathlib
import sys
import threading

import pytest

import daisy
from daisy import Client, Roi, Task, run_blockwise


def line(name, function, blocks, **more):
    """A task of so many blocks of 10, without context."""
    return Task(name, Roi((0,), (10 * blocks,)), Roi((0,), (10,)), Roi((0,), (10,)), function, **more)


def note(folder, block):
    """Leaves a line; one write, which no other process can come between."""
    with open(pathlib.Path(folder) / "log", "a") as file:
        file.write(f"{block.block_id[1]}\n")


def noted(folder):
    """How often each block was run."""
    return collections.Counter(int(number) for number in (pathlib.Path(folder) / "log").read_text().split())


def check_run(folder, task, blocks):
    """Runs a task: each block is run once, and succeeds."""
    report = run_blockwise([task], report=True)
    assert report, str(report)
    assert report.json["tasks"][0]["failed_attempts"] == 0
    assert noted(folder) == {number: 1 for number in range(blocks)}


def one_block(folder):
    """Takes one block and gives it back."""
    client = Client()
    with client.acquire_block() as block:
        if block is not None:
            note(folder, block)
    return client


def returns(folder):
    one_block(folder)


def exits(folder):
    client = one_block(folder)
    sys.exit(0 if client is None else 3)


def raises(folder):
    client = one_block(folder)
    raise RuntimeError(f"worker {client.worker_id} has had enough")


def deletes(folder):
    client = one_block(folder)
    del client


def keeps(folder):
    # A module outlives every function.
    daisy.kept = one_block(folder)


@pytest.mark.parametrize("end", [returns, exits, raises, deletes, keeps])
def test_a_worker_function_may_take_one_block_and_end(tmp_path, end):
    def worker():
        end(tmp_path)

    check_run(tmp_path, line("one", worker, 6, num_workers=2), 6)


def test_clients_in_threads_and_in_forks_have_blocks_of_their_own(tmp_path):
    def work():
        client = Client()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return
                note(tmp_path, block)

    def worker():
        threads = [threading.Thread(target=work) for _ in range(3)]
        # Before any thread or client is there, as pools of processes are made.
        forks = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                work()
                os._exit(0)
            forks.append(pid)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [os.waitpid(pid, 0)[1] for pid in forks] == [0, 0]

    check_run(tmp_path, line("many", worker, 60, num_workers=2), 60)


def test_a_forked_child_leaves_the_client_of_its_parent_alone(tmp_path):
    def worker():
        client = Client()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return
                note(tmp_path, block)
                pid = os.fork()
                if pid == 0:
                    # Whatever an interpreter does at its end.
                    with pytest.raises(RuntimeError, match="forked"):
                        client.next_block()
                    sys.exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

    check_run(tmp_path, line("fork", worker, 5, num_workers=1), 5)


def test_a_client_that_comes_when_the_run_is_over_has_nothing_to_do(tmp_path, caplog):
    path = tmp_path / "context"

    def remember(context):
        path.write_text(context.to_env())

    task = line("over", lambda block: None, 2, num_workers=1, init_callback_fn=remember)
    assert run_blockwise([task])
    client = Client(path.read_text())
    with client.acquire_block() as block:
        assert block is None
    assert "the run is over" in caplog.text
    assert (client.task_id, client.worker_id) == ("over", -1)
