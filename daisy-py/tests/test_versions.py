"""What a run that goes on with a journal knows of the code and the arrays of the one before."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from processes import wait_until

import daisy
from daisy import Context, Roi, Task, journal
from daisy._version import version_of

BLOCK = Roi((0,), (10,))

SCRIPT = """
import functools, threading, time
from daisy._version import version_of

LIMIT = 0.5
NAMES = {"a", "b", "c", "d"}
LOCK = threading.Lock()

class Model:
    size = 3

    def apply(self, block):
        return self.size

def helper(block):
    return block in {"x", "y", "z"} or LIMIT

def process(block, model=Model()):
    with LOCK:
        return helper(block), NAMES, model.apply(block), [value + 1 for value in (1, 2)]

print(version_of(functools.partial(process, 3)))
"""


def version_of_script(text, seed=0, name="script.py", folder=None):
    path = pathlib.Path(folder) / name
    path.write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    return subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, check=True).stdout


def test_a_version_is_the_same_in_every_process_and_whatever_does_not_matter(tmp_path):
    version = version_of_script(SCRIPT, folder=tmp_path)
    assert len(version.strip()) == 20
    for seed in (1, 2, 3):
        assert version_of_script(SCRIPT, seed, folder=tmp_path) == version
    moved = SCRIPT.replace("def helper", "# A comment.\n\nUNUSED = 7\n\ndef helper")
    assert version_of_script(moved, name="other.py", folder=tmp_path) == version


@pytest.mark.parametrize(
    "change",
    [
        ("LIMIT = 0.5", "LIMIT = 0.6"),
        ('NAMES = {"a",', 'NAMES = {"e",'),
        ("    size = 3", "    size = 4"),
        ("return self.size", "return -self.size"),
        ('{"x", "y", "z"}', '{"x", "y"}'),
        ("value + 1", "value + 2"),
        ("partial(process, 3)", "partial(process, 4)"),
        ("with LOCK:", "if LOCK:"),
    ],
)
def test_a_version_is_another_one_with_the_function_or_what_it_uses(tmp_path, change):
    changed = SCRIPT.replace(*change)
    assert changed != SCRIPT
    assert version_of_script(changed, folder=tmp_path) != version_of_script(SCRIPT, folder=tmp_path)


CACHED = """
import functools
from daisy._version import version_of

@functools.lru_cache(maxsize=3)
def model():
    return 1

def process(block):
    return model()

print(version_of(process))
"""


@pytest.mark.parametrize("change", [("return 1", "return 2"), ("maxsize=3", "maxsize=4")])
def test_what_a_function_that_keeps_its_results_does_counts(tmp_path, change):
    assert version_of_script(CACHED, folder=tmp_path) != version_of_script(CACHED.replace(*change), folder=tmp_path)


def test_versions_of_whatever_can_be_called():
    class Callable:
        def __init__(self, values):
            self.values = values

        def __call__(self, block):
            pass

    one, two = Callable(np.arange(3)), Callable(np.arange(4))
    assert version_of(one) == version_of(Callable(np.arange(3))) != version_of(two)
    around = []
    around.append(around)
    for function in (print, len, lambda block: around, one.__call__, Callable, Exception):
        assert version_of(function) is not None
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert version_of(lambda block: deep) is None
    while deep:  # Else it is taken apart by as many calls.
        deep = deep.pop()


def task(function, blocks=6, **more):
    return Task("fill", Roi((0,), (10 * blocks,)), BLOCK, BLOCK, function, **more)


def run(tmp_path, of, multiprocessing=False, **more):
    return daisy.run_blockwise(
        [of], multiprocessing, journal=tmp_path / "j", report=True, progress=False, **more
    )


def test_a_run_that_goes_on_says_which_blocks_other_code_made(tmp_path):
    first = task(lambda block: None)
    assert run(tmp_path, first, request={"fill": Roi((0,), (30,))})
    assert run(tmp_path, task(lambda block: None)).json["tasks"][0]["earlier"] == []
    journal.forget(tmp_path / "j", "fill", Roi((30,), (30,)))
    report = run(tmp_path, task(lambda block: 1))
    summary = report.json["tasks"][0]
    assert (summary["counts"]["completed"], summary["counts"]["skipped"]) == (3, 3)
    assert summary["earlier"] == [{"version": version_of(first.process_function), "blocks": 3}]
    assert "3 blocks by version" in str(report)
    named = run(tmp_path, task(lambda block: 1, version="two")).json["tasks"][0]
    assert named["version"] == "two" and [made["blocks"] for made in named["earlier"]] == [3, 3]
    with pytest.raises(TypeError, match="version"):
        task(lambda block: None, version=2)
    with pytest.raises(ValueError, match="version"):
        run(tmp_path, task(lambda block: None, version=256 * "v"))


def test_forgotten_blocks_are_counted_and_unknown_tasks_refused(tmp_path):
    assert run(tmp_path, task(lambda block: None))
    assert journal.forget(tmp_path / "j", "fill", Roi((5,), (10,))) == {"fill": 2}
    assert journal.forget(str(tmp_path / "j"), "fill") == {"fill": 4}
    assert journal.forget(tmp_path / "j", "fill") == {}
    with pytest.raises(RuntimeError, match="no task 'typo'"):
        journal.forget(tmp_path / "j", "typo")


def test_a_run_whose_output_was_made_anew_is_refused(tmp_path):
    def output():
        return daisy.prepare_ds(str(tmp_path), "out.zarr", Roi((0,), (60,)), (1,), np.uint8, write_size=(10,))

    def fill(array, **more):
        def write(block):
            array[block.write_roi] = 7

        return run(tmp_path, task(write, writes=array, version="1"), **more)

    assert fill(output()).states["fill"].skipped_count == 0
    assert fill(output()).states["fill"].skipped_count == 6
    (tmp_path / "out.zarr").rename(tmp_path / "old.zarr")
    with pytest.raises(RuntimeError, match="out.zarr.*deleted and made anew.*forget"):
        fill(output())
    assert fill(daisy.open_ds(str(tmp_path), "old.zarr", "r+")).states["fill"].skipped_count == 6
    journal.forget(tmp_path / "j", "fill")
    assert fill(output()).states["fill"].skipped_count == 0
    assert (daisy.open_ds(str(tmp_path), "out.zarr").to_ndarray() == 7).all()
    with pytest.raises(RuntimeError):
        fill(daisy.open_ds(str(tmp_path), "old.zarr", "r+"))
    assert fill(daisy.open_ds(str(tmp_path), "old.zarr", "r+"), accept_new_arrays=True)


SERVER = """
import os, pathlib, sys, time
import daisy
from daisy import Roi, Task, run_blockwise

def fill(block):
    with open(f"{sys.argv[1]}/log", "a") as log:
        log.write(f"VERSION {block.block_id[1]} {os.getpid()}\\n")
    time.sleep(SECONDS)

block = Roi((0,), (10,))
if __name__ == "__main__":
    report = run_blockwise([Task("fill", Roi((0,), (40,)), block, block, fill, num_workers=2)],
        journal=f"{sys.argv[1]}/j", report=True)
    assert report and report.json["tasks"][0]["failed_attempts"] == 0
    print(report.json["tasks"][0]["outdated_workers"])
"""


def test_workers_that_outlived_their_script_do_not_go_on_with_old_code(tmp_path):
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SERVER.replace("VERSION", "old").replace("SECONDS", "1000"))
    first = subprocess.Popen([sys.executable, script, tmp_path])
    try:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= 2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    script.write_text(SERVER.replace("VERSION", "new").replace("SECONDS", "0"))
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2"]
    assert "have other code for task 'fill'" in done.stderr
    lines = [line.split() for line in log.read_text().splitlines()]
    assert sorted(number for version, number, _ in lines if version == "new") == ["0", "1", "2", "3"]
    for pid in (int(pid) for version, _, pid in lines if version == "old"):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_key_file_has_the_context_of_each_task(tmp_path):
    keys, seen = tmp_path / "keys", tmp_path / "seen"

    def look(block):
        one = Context.from_file(keys, "one")["task_id"]
        with pytest.raises(ValueError, match="'one', 'tw o'|'tw o', 'one'"):
            Context.from_file(keys)
        seen.write_text(f"{one} {oct(keys.stat().st_mode & 0o777)}")

    one = Task("one", Roi((0,), (10,)), BLOCK, BLOCK, look)
    two = Task("tw o", Roi((0,), (10,)), BLOCK, BLOCK, lambda block: None, upstream_tasks=[one])
    assert daisy.run_blockwise([two], key_file=keys, progress=False)
    assert seen.read_text() == "one 0o600" and not keys.exists()
