"""A second Ctrl-C while the first is still being answered, signals after a run, and runs beside the main thread."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from processes import is_gone, wait_until

SCRIPT = """
import atexit, os, pathlib, signal, sys, threading, time
import daisy
from daisy import Roi, Task

def say(word):
    print(word, flush=True)

def function(block):
    pathlib.Path(f"worker-{os.getpid()}").touch()
    try:
        time.sleep(3600)
    except KeyboardInterrupt:
        say("raised in the block")
        if "catches" in sys.argv:
            threading.Event().wait()
        raise

class Slow(daisy.ServerObserver):
    def on_server_exit(self):
        time.sleep(3600)

def run(server):
    if not sys.argv[1:]:
        Slow(server)
    try:
        server.run_blockwise([Task("a", Roi((0,), (200,)), Roi((0,), (10,)), Roi((0,), (10,)), function, num_workers=2)])
    except KeyboardInterrupt:
        say("raised")
    finally:
        say("finally")

atexit.register(say, "at exit")
"""

PROCESSES = SCRIPT + "\nrun(daisy.Server(progress=False))"
SERIAL = SCRIPT + "\nrun(daisy.SerialServer(progress=False))"
#: What comes after a run is as if there had been none.
AGAIN = PROCESSES + """
done = Task("b", Roi((0,), (20,)), Roi((0,), (10,)), Roi((0,), (10,)), lambda block: None)
say(daisy.run_blockwise([done], progress=False))
say("idle")
time.sleep(3600)
"""
THREAD = SCRIPT + """
signal.signal(signal.SIGINT, lambda *_: say("heard"))
thread = threading.Thread(target=run, args=(daisy.Server(progress=False),))
thread.start()
thread.join()
"""


class Script:
    """A program, whose lines are waited for; it is ended if it says nothing for too long."""

    def __init__(self, text, *arguments):
        self.errors = pathlib.Path("errors")
        command = [sys.executable, "-c", text, *arguments]
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)

    def wait_for_line(self, line):
        with self.patience():
            assert line in (said.rstrip("\n") for said in self.process.stdout), self.errors.read_text()

    def wait_until_interrupted(self):
        """Until the run has heard the first signal, so that the next one is the second."""
        wait_until(lambda: "daisy: interrupted: " in self.errors.read_text())

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """What it says from now on, and its exit code."""
        with self.patience():
            out = self.process.stdout.read()
            code = self.process.wait()
        print(self.errors.read_text())
        return out.split("\n")[:-1], code

    @contextlib.contextmanager
    def patience(self):
        timer = threading.Timer(60, self.process.kill)
        timer.start()
        try:
            yield
        except BaseException:
            self.process.kill()
            raise
        finally:
            timer.cancel()


def workers():
    return {int(path.name.removeprefix("worker-")) for path in pathlib.Path().glob("worker-*")}


def interrupt_once(script):
    """After this a run waits for nobody but its observer."""
    wait_until(lambda: len(workers()) == 2)
    script.signal(signal.SIGINT)
    script.wait_until_interrupted()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_is_a_keyboard_interrupt_at_once(second):
    script = Script(PROCESSES)
    interrupt_once(script)
    script.signal(second)
    assert script.end() == (["raised", "finally", "at exit"], 0)


def test_a_second_ctrl_c_ends_workers_that_hear_nothing():
    script = Script(PROCESSES)
    wait_until(lambda: len(workers()) == 2)
    for worker in workers():
        os.kill(worker, signal.SIGSTOP)
    interrupt_once(script)
    script.signal(signal.SIGINT)
    assert script.end() == (["raised", "finally", "at exit"], 0)
    wait_until(lambda: all(map(is_gone, workers())))


def test_a_second_ctrl_c_is_raised_in_the_block_of_a_serial_run():
    script = Script(SERIAL, "catches")
    wait_until(workers)
    script.signal(signal.SIGINT)
    script.wait_for_line("raised in the block")
    script.signal(signal.SIGINT)
    assert script.end() == (["raised", "finally", "at exit"], 0)


def test_a_second_ctrl_c_ends_what_a_serial_run_waits_for():
    script = Script(SERIAL)
    wait_until(workers)
    script.signal(signal.SIGINT)
    script.wait_for_line("raised in the block")
    script.wait_until_interrupted()
    script.signal(signal.SIGINT)
    assert script.end() == (["raised", "finally", "at exit"], 0)


def test_a_program_goes_on_after_a_run_that_was_left_and_signals_are_its_own():
    for number in [signal.SIGINT, signal.SIGTERM]:
        script = Script(AGAIN)
        interrupt_once(script)
        script.signal(signal.SIGINT)
        for line in ["raised", "finally", "True", "idle"]:
            script.wait_for_line(line)
        script.signal(number)
        said = ["at exit"] if number == signal.SIGINT else []
        assert script.end() == (said, -number)
        for path in pathlib.Path().glob("worker-*"):
            path.unlink()


def test_a_run_in_a_thread_is_left_too():
    script = Script(THREAD)
    interrupt_once(script)
    # The main thread waits for the other one, and hears of it at once nevertheless.
    script.wait_for_line("heard")
    script.signal(signal.SIGINT)
    said, code = script.end()
    assert code == 0 and sorted(said) == ["at exit", "finally", "heard", "raised"], said


def test_ctrl_c_in_a_check_of_a_serial_run_is_raised_too():
    check = SCRIPT.replace("function, num_workers=2", "function, check_function=function")
    script = Script(check + "\nrun(daisy.SerialServer(progress=False))", "plain")
    wait_until(workers)
    script.signal(signal.SIGINT)
    assert script.end() == (["raised in the block", "raised", "finally", "at exit"], 0)
