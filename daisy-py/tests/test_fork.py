"""Blocks that start processes of their own: pools, processes that are ended, loaders as those of PyTorch."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

HEAD = """
import multiprocessing, os, signal, sys, threading, time
import numpy as np
import daisy
from daisy import Client, Roi, Task, open_ds, prepare_ds

fork = multiprocessing.get_context("fork")

def run(function, **more):
    block = Roi((0,), (10,))
    task = Task("a", Roi((0,), (600,)), block, block, function, num_workers=2, max_retries=0)
    report = daisy.run_blockwise([task], report=True, **more)
    state = report.states["a"]
    print(state.completed_count, state.failed_count, flush=True)
    for failure in report.failures[:1]:
        print(failure.error)
"""

#: What a block function does with processes.
POOL = """
def function(block):
    with fork.Pool(2) as pool:
        assert pool.map(abs, range(-4, 0)) == [4, 3, 2, 1]
"""

TERMINATE = """
def function(block):
    process = fork.Process(target=time.sleep, args=(3600,))
    process.start()
    # It has the group of the worker, which is ended as a whole if need be.
    assert os.getpgid(process.pid) == os.getpgid(0)
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM
"""

LOADER = """
def load(array, wanted, loaded):
    for roi in iter(wanted.get, None):
        loaded.put(int(array.to_ndarray(roi).sum()))

class Loader:
    '''Processes that read ahead, from the first block on until the worker ends.'''

    def __init__(self):
        self.array = open_ds("a.zarr", "raw")
        self.wanted, self.loaded = fork.Queue(), fork.Queue()
        of_loader = (self.array, self.wanted, self.loaded)
        self.processes = [fork.Process(target=load, args=of_loader, daemon=True) for _ in range(2)]
        for process in self.processes:
            process.start()

    def sum(self, roi):
        self.wanted.put(roi)
        return self.loaded.get(timeout=60)

    def end(self):
        for process in self.processes:
            process.terminate()
            process.join()

def function():
    client, loader = Client(), Loader()
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            assert loader.sum(block.write_roi) == 10
    loader.end()

prepare_ds("a.zarr", "raw", Roi((0,), (600,)), (1,), np.uint8)[Roi((0,), (600,))] = 1
"""


def lines_of(tmp_path, text):
    """What a script prints, which is ended with everything that it started if it hangs."""
    script = tmp_path / "script.py"
    script.write_text(HEAD + textwrap.dedent(text))
    with open(tmp_path / "out", "w+") as out, open(tmp_path / "errors", "w+") as errors:
        process = subprocess.Popen([sys.executable, str(script)], stdout=out, stderr=errors, start_new_session=True)
        try:
            process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            pass
        finally:
            end(process)
        out.seek(0)
        errors.seek(0)
        lines = out.read().splitlines()
        assert process.returncode == 0, f"exit code {process.returncode}, said {lines}: {errors.read()[-3000:]}"
    return lines


def end(process):
    """Ends a script, its workers (each with a group of its own) and their children."""
    if process.poll() is None:
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                session = int((entry / "stat").read_text().rsplit(")")[1].split()[3])
                if session == process.pid and int(entry.name) != process.pid:
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ValueError, IndexError):
                continue
        process.kill()
        process.wait()


@pytest.mark.parametrize("function", [POOL, TERMINATE, LOADER], ids=["pool", "terminate", "loader"])
def test_a_block_may_start_processes_and_end_them(tmp_path, function):
    assert lines_of(tmp_path, function + "\nrun(function)") == ["60 0"]


@pytest.mark.parametrize("more", ["", ", multiprocessing=False"], ids=["workers", "serial"])
@pytest.mark.parametrize("end, code", [("return", 0), ("raise ValueError()", 1), ("raise SystemExit(3)", 3)])
def test_a_fork_that_comes_back_out_of_the_function_ends(tmp_path, end, code, more):
    function = f"""
    def function(block):
        child = os.fork()
        if child == 0:
            {end}
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == {code}

    run(function{more})
    """
    assert lines_of(tmp_path, function) == ["60 0"]


def test_a_serial_run_may_do_so_too(tmp_path):
    assert lines_of(tmp_path, TERMINATE + "\nrun(function, multiprocessing=False)") == ["60 0"]


def test_a_process_that_a_thread_of_a_block_forks_is_ended_by_sigterm_too(tmp_path):
    function = """
    def function(block):
        codes = []

        def fork_and_end():
            process = fork.Process(target=time.sleep, args=(3600,))
            process.start()
            process.terminate()
            process.join()
            codes.append(process.exitcode)

        thread = threading.Thread(target=fork_and_end)
        thread.start()
        thread.join()
        assert codes == [-signal.SIGTERM]
    """
    assert lines_of(tmp_path, textwrap.dedent(function) + "\nrun(function)") == ["60 0"]


def test_a_handler_of_the_user_stays_with_forked_processes(tmp_path):
    function = """
    def function(block):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, b"x")
            # Not one long sleep: a signal that comes just before it would not be heard in it.
            while True:
                time.sleep(0.01)
        os.read(reader, 1)
        os.close(reader), os.close(writer)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    """
    assert lines_of(tmp_path, textwrap.dedent(function) + "\nrun(function)") == ["60 0"]
