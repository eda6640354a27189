"""Runs: worker processes, serial runs, failures, resuming, interrupts."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from processes import is_gone, wait_until

import daisy
from daisy import BlockStatus, Client, Context, Report, Roi, Task, run_blockwise


def line(name, function, blocks=10, **more):
    """A task of so many blocks of 10, without context."""
    return Task(name, Roi((0,), (10 * blocks,)), Roi((0,), (10,)), Roi((0,), (10,)), function, **more)


def nothing(block):
    """A block function."""


def touch(folder):
    """A block function that leaves one more file for a block each time it is called."""

    def function(block):
        name, number = block.block_id
        with open(pathlib.Path(folder) / f"{name}-{number}", "a") as file:
            file.write(f"{os.getpid()}\n")

    return function


def calls(folder, name):
    """How often the function was called for each block."""
    found = sorted(pathlib.Path(folder).glob(f"{name}-*"), key=lambda path: int(path.name.split("-")[1]))
    return [len(path.read_text().splitlines()) for path in found]


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_every_block_is_processed_once_and_in_order(tmp_path, multiprocessing):
    folder = tmp_path / "out"
    folder.mkdir()
    first = line("first", touch(folder), num_workers=2)

    def reads_first(block):
        assert (folder / f"first-{block.block_id[1]}").exists()
        touch(folder)(block)

    second = line("second", reads_first, num_workers=2, upstream_tasks=[first])
    assert run_blockwise([second], multiprocessing) is True
    assert calls(folder, "first") == calls(folder, "second") == [1] * 10


def test_blocks_run_in_worker_processes_and_not_in_one_interpreter_each(tmp_path):
    assert run_blockwise([line("a", touch(tmp_path), blocks=50, num_workers=2)])
    pids = {path.read_text() for path in tmp_path.glob("a-*")}
    assert 1 <= len(pids) <= 2
    assert f"{os.getpid()}\n" not in pids


def test_an_exception_comes_back_with_its_traceback():
    def helper():
        raise ValueError("three is bad")

    def function(block):
        if block.block_id[1] == 3:
            helper()

    report = run_blockwise([line("a", function, max_retries=1)], report=True)
    assert isinstance(report, Report) and not report and report.outcome == "failed"
    (failure,) = report.failures
    assert failure.block_id == ("a", 3)
    assert failure.write_roi == Roi((30,), (10,))
    assert failure.attempts == 2
    assert "in helper" in failure.error and failure.error.endswith("ValueError: three is bad")
    assert f'File "{__file__}", line ' in failure.error and 'raise ValueError("three is bad")\n' in failure.error
    state = report.states["a"]
    assert (state.completed_count, state.failed_count, state.total_block_count) == (9, 1, 10)
    assert state.is_done()


def test_a_long_traceback_keeps_its_end():
    def function(block):
        raise ValueError("x" * 10_000 + "end")

    report = run_blockwise([line("a", function, blocks=1, max_retries=0)], report=True)
    assert report.failures[0].error.endswith("xend")


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_function_may_say_that_it_failed(multiprocessing):
    def function(block):
        assert block.status == BlockStatus.PROCESSING
        if block.block_id[1] < 2:
            block.state = BlockStatus.FAILED

    report = run_blockwise([line("a", function, max_retries=0)], multiprocessing, report=True)
    assert report.states["a"].failed_count == 2


def test_what_waits_for_a_failed_block_is_orphaned_and_nothing_else():
    def function(block):
        if block.block_id[1] == 0:
            raise RuntimeError

    first = line("first", function, max_retries=0)
    second = line("second", nothing, upstream_tasks=[first])
    states = daisy.Server(progress=False).run_blockwise([second])
    assert (states["second"].orphaned_count, states["second"].completed_count) == (1, 9)


def test_a_dead_worker_costs_its_block_an_attempt_and_no_other(tmp_path):
    def function(block):
        touch(tmp_path)(block)
        if block.block_id[1] == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    report = run_blockwise([line("a", function, max_retries=1)], report=True)
    (failure,) = report.failures
    assert failure.block_id == ("a", 4) and failure.attempts == 2
    assert "SIGKILL" in failure.error
    # The first time, other blocks may have been at the worker too: then none is charged.
    assert calls(tmp_path, "a")[4] in (2, 3)


def test_a_worker_that_exits_at_once_ends_its_task_with_what_it_said():
    def function():
        print("no licence", flush=True)
        sys.exit(3)

    report = run_blockwise([line("a", function)], report=True)
    assert not report
    assert "exit code 3" in report.endings["a"] and "no licence" in report.endings["a"]


def test_a_worker_function_acquires_blocks_itself(tmp_path):
    def function():
        client = Client()
        assert client.task_id == client.context["task_id"] == "a"
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break
                assert client.attempt(block) in (1, 2) and client.lease(block) > 0
                assert (block.attempt, block.lease) == (client.attempt(block), client.lease(block))
                assert client.still_ours(block)
                touch(tmp_path)(block)
                if block.block_id[1] == 3 and client.attempt(block) == 1:
                    raise ValueError("is logged, and the loop goes on")
                block.state = BlockStatus.SUCCESS

    report = run_blockwise([line("a", function, num_workers=2)], report=True)
    assert report
    assert calls(tmp_path, "a") == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1]


def test_a_worker_function_may_start_another_program(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(
        textwrap.dedent(
            """
            import daisy
            client = daisy.Client()
            while (block := client.next_block()) is not None:
                client.release_block(block)
            """
        )
    )

    def function():
        subprocess.run([sys.executable, str(script)], check=True)

    assert run_blockwise([line("a", function, num_workers=2)])


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_block_function_sees_its_loan(tmp_path, multiprocessing):
    def fails_once(block):
        with open(tmp_path / str(block.block_id[1]), "a") as file:
            print(block.attempt, block.lease, file=file)
        if block.attempt == 1:
            raise ValueError("try again")

    assert run_blockwise([line("t", fails_once)], multiprocessing, progress=False)
    for block in range(10):
        (first, lease), (second, later) = (map(int, row.split()) for row in open(tmp_path / str(block)))
        assert (first, second) == (1, 2) and later > lease >= 0
    assert daisy.Block(Roi((0,), (9,)), Roi((0,), (1,)), Roi((0,), (1,))).lease is None


def test_a_block_is_released_once():
    def function():
        client = Client()
        block = client.next_block()
        client.release_block(block)
        with pytest.raises(ValueError, match="not lent"):
            client.release_block(block)
        while (block := client.next_block()) is not None:
            client.release_block(block)

    assert run_blockwise([line("a", function)])


def test_a_client_says_that_it_does_not_survive_a_fork():
    def function():
        client = Client()
        child = os.fork()
        if child == 0:
            try:
                client.next_block()
            except RuntimeError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        while (block := client.next_block()) is not None:
            client.release_block(block)

    assert run_blockwise([line("a", function)])


def test_a_client_needs_a_context(monkeypatch):
    monkeypatch.delenv("DAISY_CONTEXT", raising=False)
    with pytest.raises(RuntimeError, match="DAISY_CONTEXT"):
        Client()
    with pytest.raises(ValueError):
        Client("what is this")


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_what_a_check_finds_done_is_skipped(tmp_path, multiprocessing):
    task = line("a", touch(tmp_path), check_function=lambda block: block.block_id[1] < 4)
    report = run_blockwise([task], multiprocessing, report=True)
    assert report
    assert (report.states["a"].skipped_count, report.states["a"].completed_count) == (4, 10)
    assert calls(tmp_path, "a") == [1] * 6


def test_the_second_of_a_pair_of_checks_judges_the_block():
    checks = (lambda block: False, lambda block: block.block_id[1] != 2)
    report = run_blockwise([line("a", nothing, max_retries=0, check_function=checks)], report=True)
    assert [failure.block_id for failure in report.failures] == [("a", 2)]


def test_a_check_that_raises_is_counted_and_the_block_runs(tmp_path):
    def check(block):
        raise KeyError("no such file")

    task = line("a", touch(tmp_path), check_function=check)
    report = run_blockwise([task], report=True)
    assert report and calls(tmp_path, "a") == [1] * 10
    assert "no such file" in report.json["tasks"][0]["first_check_error"]


def test_a_mask_answers_for_boxes_of_blocks(tmp_path):
    asked = []

    def mask(roi):
        asked.append(roi)
        if roi.end[0] <= 50:
            return True
        return False if roi.begin[0] >= 50 else None

    report = run_blockwise([line("a", touch(tmp_path), mask=mask)], report=True)
    assert report.states["a"].skipped_count == 5
    assert len(asked) < 10


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_the_init_callback_comes_first_and_knows_where_the_run_is(multiprocessing):
    contexts = []
    task = line("a", lambda block: None, init_callback_fn=contexts.append)
    assert run_blockwise([task], multiprocessing)
    (context,) = contexts
    assert isinstance(context, Context)
    if multiprocessing:
        assert context["task_id"] == "a"
        assert context["hostname"] == "127.0.0.1" and int(context["port"]) > 0


def test_workers_may_come_from_outside(tmp_path):
    def work(context):
        def loop():
            client = Client(context.to_env())
            while (block := client.next_block()) is not None:
                touch(tmp_path)(block)
                client.release_block(block)

        threading.Thread(target=loop).start()

    task = line("a", nothing, num_workers=0, init_callback_fn=work)
    assert run_blockwise([task])
    assert calls(tmp_path, "a") == [1] * 10


def test_a_failing_init_callback_ends_its_task():
    def init(context):
        raise OSError("no disk")

    report = run_blockwise([line("a", nothing, init_callback_fn=init)], report=True)
    assert not report and "no disk" in report.endings["a"]


def test_a_request_is_expanded_to_what_it_needs(tmp_path):
    first = line("first", touch(tmp_path))
    second = line("second", touch(tmp_path), upstream_tasks=[first])
    assert run_blockwise([second], request={second: Roi((25,), (10,))})
    assert sorted(path.name for path in tmp_path.glob("*-*")) == [
        "first-2",
        "first-3",
        "second-2",
        "second-3",
    ]
    with pytest.raises(KeyError, match="third"):
        run_blockwise([second], request=[("third", Roi((0,), (1,)))])


def test_a_block_past_its_time_limit_fails_and_its_worker_is_replaced(tmp_path):
    def function(block):
        touch(tmp_path)(block)
        if block.block_id[1] == 1 and len((tmp_path / "a-1").read_text().splitlines()) == 1:
            time.sleep(60)

    begin = time.monotonic()
    report = run_blockwise([line("a", function, blocks=3, timeout=0.5)], report=True)
    assert report and report.json["tasks"][0]["timeouts"] == 1
    assert time.monotonic() - begin < 30


def test_resources_bound_what_runs_at_a_time():
    task = line("a", lambda block: None, num_workers=2, resources={"gpu": 1})
    assert run_blockwise([task], resources={"gpu": 1})
    with pytest.raises(RuntimeError, match="gpu"):
        run_blockwise([task])


def test_too_many_failed_blocks_end_a_task():
    def function(block):
        raise ValueError

    task = line("a", function, blocks=100, max_retries=0, max_failed_blocks=3)
    report = run_blockwise([task], report=True)
    assert report.endings == {"a": "too_many_failed_blocks"}


def test_a_function_that_cannot_be_sent_says_what_to_do():
    lock = threading.Lock()
    with pytest.raises(TypeError, match="multiprocessing=False"):
        run_blockwise([line("a", lambda block: lock)])
    assert run_blockwise([line("a", lambda block: lock)], multiprocessing=False)


def test_tasks_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="'a'"):
        run_blockwise([line("a", nothing), line("a", nothing)])
    one = line("one", nothing)
    two = line("two", nothing, upstream_tasks=[one])
    one.upstream_tasks.append(two)
    with pytest.raises(ValueError, match="cycle|upstream"):
        run_blockwise([two])
    with pytest.raises(TypeError, match="no task"):
        run_blockwise(["a"])
    with pytest.raises(ValueError, match="order"):
        run_blockwise([line("a", nothing)], order="random")
    with pytest.raises(ValueError, match="process of its own"):
        run_blockwise([line("a", lambda: None)], multiprocessing=False)


@pytest.fixture
def logs(tmp_path):
    """The folder of logs, for the time of a test."""
    before = daisy.get_log_basedir()
    daisy.set_log_basedir(tmp_path / "logs")
    yield tmp_path / "logs"
    daisy.set_log_basedir(before)


SCRIPT_WITH_A_MODEL = """
import functools, os
import daisy
from daisy import Roi

@functools.lru_cache(maxsize=None)
def model():
    print("loaded")
    return 7

@functools.cache
def sums(number):
    return 0 if number == 0 else number + sums(number - 1)

def process(block):
    assert model() == 7 and sums(4) == 10

if __name__ == "__main__":
    block = Roi((0,), (10,))
    assert daisy.run_blockwise([daisy.Task("a", Roi((0,), (100,)), block, block, process, num_workers=1)])
"""


def test_a_model_that_a_function_of_the_script_keeps_is_loaded_once_in_each_worker(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT_WITH_A_MODEL)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    assert (tmp_path / "daisy_logs" / "a" / "worker_0.log").read_text() == "loaded\n"


@pytest.mark.parametrize("name", ["a", "predict_/data/b.zarr/ä b_3", "..", "名" * 90])
def test_what_a_worker_prints_and_nothing_else_stands_in_its_file(logs, name):
    assert run_blockwise([line(name, lambda block: print("hello", block.block_id[1]))])
    file = daisy.get_worker_log_basename(0, name).with_name("worker_0.log")
    assert [path for path in logs.rglob("*") if path.is_file()] == [file]
    assert sorted(file.read_text().split()) == sorted(["hello"] * 10 + [str(number) for number in range(10)])


def test_processes_that_a_worker_starts_are_workers_and_know_where_logs_are(logs):
    program = """
import daisy
client = daisy.Client()
daisy.set_log_basedir(client.context["logdir"])
number = 0
while True:
    with client.acquire_block() as block:
        if block is None:
            break
        number += 1
(daisy.get_log_basedir() / "done").write_text(str(number))
"""

    def worker():
        assert daisy.get_log_basedir() == logs
        subprocess.run([sys.executable, "-c", program], check=True)

    assert run_blockwise([line("a", worker)])
    assert (logs / "done").read_text() == "10"


def test_a_run_says_in_the_end_how_it_went(capfd):
    def fails(block):
        if block.block_id[1] == 3:
            raise ValueError("no data")

    for multiprocessing in (True, False):
        report = run_blockwise([line("a", fails, max_retries=1)], multiprocessing, report=True)
        out, errors = capfd.readouterr()
        assert out == "" and str(report) in errors
        assert "ValueError: no data" in str(report) and "block 3 writing [30:40]" in str(report)
    run_blockwise([line("a", nothing)], progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_attempts_that_fail_are_logged(caplog, multiprocessing):
    def fails(block):
        if block.block_id[1] == 3:
            raise ValueError("no data")

    run_blockwise([line("a", fails, max_retries=1)], multiprocessing, progress=False)
    assert [record.name for record in caplog.records] == ["daisy"] * 2
    assert all("a/3" in record.message and record.message.endswith("ValueError: no data") for record in caplog.records)
    if multiprocessing:
        assert ", attempt 2, the last:" in caplog.records[1].message


def test_of_many_attempts_that_fail_some_are_logged(caplog, monkeypatch):
    def fails(block):
        block.status = BlockStatus.FAILED

    monkeypatch.setattr("daisy._progress._FAILURES_EVERY", 1e9)
    run_blockwise([line("a", fails, blocks=50, max_retries=0)], False, progress=False)
    messages = [record.message for record in caplog.records]
    assert sum("status to FAILED" in message for message in messages) == 5
    assert messages[5:] == ["45 more failed attempts are not logged"]


def test_where_there_is_no_terminal_a_line_says_now_and_then_how_far_a_run_is(capsys, monkeypatch):
    from daisy import _progress

    bars = _progress.Bars()
    bars.start([("a", 200), ("b", 10), ("c", 10)])
    bars.update([(200, 0, 2, 50, 0, 1, 0, 147), (10, 0, 0, 0, 0, 0, 0, 10), (10, 0, 0, 10, 0, 0, 0, 0)])
    assert capsys.readouterr().err == ""  # too early
    start = time.monotonic()
    ages = {}
    for age in (6, 10, 12, 200, 205, 211, 20_000, 20_300, 20_601):
        monkeypatch.setattr(_progress.time, "monotonic", lambda: start + age)
        bars.update([(200, 0, 2, 50, 0, 1, 0, 147), (10, 0, 0, 0, 0, 0, 0, 10), (10, 0, 0, 10, 0, 0, 0, 0)])
        ages[age] = capsys.readouterr().err
    bars.close()
    assert [age for age, text in ages.items() if text] == [6, 12, 200, 211, 20_000, 20_601]
    assert ages[6].startswith("a: 51 of 200 blocks (25.5%), ") and ages[6].endswith("/s, 1 failed, 2 processing\n")


def test_a_run_listens_so_that_others_reach_it(monkeypatch):
    from daisy.run import _place

    own = f"{socket.gethostname()}:0"
    assert _place("unix:/tmp/a") == ("unix:/tmp/a", None)
    assert _place("127.0.0.1") == ("127.0.0.1:0", None)
    assert _place("[::1]:7") == ("[::1]:7", None)
    assert _place("::1") == ("[::1]:0", None)
    assert _place("0.0.0.0:7") == ("0.0.0.0:7", own) and _place("::") == ("[::]:0", own)
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, port: [])
    assert _place("node7.cluster") == ("0.0.0.0:0", "node7.cluster:0")
    assert _place("node7:80") == ("0.0.0.0:80", "node7:0")
    assert _place("localhost:7") == ("localhost:7", None)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="not known on this machine"):
        run_blockwise([line("a", nothing)], host="no such host")


def test_workers_are_told_the_name_of_a_host(monkeypatch):
    monkeypatch.setattr("daisy.run._place", lambda host: ("127.0.0.1:0", f"{host}:0"))
    contexts = []
    assert run_blockwise([line("a", nothing, init_callback_fn=contexts.append)], host="localhost")
    assert contexts[0]["hostname"] == "localhost" and int(contexts[0]["port"]) > 0


def test_the_address_of_a_run_may_stand_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DAISY_HOST", f"unix:{tmp_path}/socket")
    contexts = []
    assert run_blockwise([line("a", nothing, init_callback_fn=contexts.append)])
    assert contexts[0]["addresses"] == [f"unix:{tmp_path}/socket"]
    assert run_blockwise([line("a", nothing, init_callback_fn=contexts.append)], host="127.0.0.1")
    assert contexts[1]["hostname"] == "127.0.0.1"


def test_a_context_survives_any_text():
    context = Context(hostname="::1", port=4711, task_id="ä : = % \n", worker_id=3)
    back = Context.from_text(context.to_env())
    assert (back["task_id"], back["worker_id"]) == ("ä : = % \n", "3")
    assert (back["hostname"], back["port"]) == ("::1", "4711")
    assert "secret" not in repr(Context(key="secret"))


SCRIPT = """
import os, pathlib, sys, time
import daisy
from daisy import Roi, Task

def function(block):
    number = block.block_id[1]
    with open(f"a-{number}", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[1]))

task = Task("a", Roi((0,), (200,)), Roi((0,), (10,)), Roi((0,), (10,)), function, num_workers=2)
report = daisy.run_blockwise([task], report=True, **eval(sys.argv[2]))
print(report.states["a"].completed_count, report.states["a"].skipped_count)
"""


def start(tmp_path, seconds, options="{}", text=SCRIPT):
    script = tmp_path / "script.py"
    script.write_text(text)
    command = [sys.executable, str(script), str(seconds), options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def worker_pids(tmp_path):
    return {int(pid) for path in tmp_path.glob("a-*") for pid in path.read_text().split()}


def test_ctrl_c_is_a_keyboard_interrupt_and_leaves_no_worker(tmp_path):
    run = start(tmp_path, 60)
    wait_until(lambda: len(worker_pids(tmp_path)) == 2)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")
    assert "INTERRUPTED in " in errors
    assert all(map(is_gone, worker_pids(tmp_path)))


def test_ctrl_c_in_a_serial_run_is_a_keyboard_interrupt(tmp_path):
    run = start(tmp_path, 60, "{'multiprocessing': False}")
    wait_until(lambda: worker_pids(tmp_path))
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode != 0 and "KeyboardInterrupt" in errors
    assert len(list(tmp_path.glob("a-*"))) <= 2


def test_ctrl_c_ends_a_sleep_that_did_not_hear_of_it(tmp_path):
    # As if the signal had come just before the sleep: another thread gets it.
    deaf = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])"
    script = SCRIPT.replace("import os,", "import signal, os,").replace("    number =", f"    {deaf}\n    number =")
    run = start(tmp_path, 60, "{'multiprocessing': False}", script)
    wait_until(lambda: worker_pids(tmp_path))
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path):
    options = "{'journal': 'run.journal'}"
    run = start(tmp_path, 0.2, options)
    wait_until(lambda: len(list(tmp_path.glob("a-*"))) >= 8)
    run.kill()
    run.communicate(timeout=30)
    again = start(tmp_path, 0, options)
    out, errors = again.communicate(timeout=120)
    assert out.split()[0] == "20", errors
    assert int(out.split()[1]) >= 4
    assert all(count <= 2 for count in calls(tmp_path, "a"))
    assert len(calls(tmp_path, "a")) == 20
    wait_until(lambda: all(map(is_gone, worker_pids(tmp_path))))


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_panic_inside_daisy_is_an_error_and_leaves_no_worker(tmp_path, monkeypatch, multiprocessing):
    monkeypatch.setenv("DAISY_PLANTED_FAULT", "15")
    run = start(tmp_path, 0, f"{{'multiprocessing': {multiprocessing}}}")
    try:
        _, errors = run.communicate(timeout=60)
    finally:
        run.kill()
    if run.returncode == 0:
        pytest.skip("no faults can be planted in this build of the module (feature planted-faults)")
    assert "\nRuntimeError: daisy panicked at " in errors and "a planted fault; " in errors, errors
    assert errors.count("\na planted fault\n") == 1, errors
    assert all(map(is_gone, worker_pids(tmp_path)))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_run_whose_standard_error_is_full_ends_as_it_should(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT_WITH_A_MODEL)
    with open("/dev/full", "w") as full:
        subprocess.run([sys.executable, "script.py"], cwd=tmp_path, stderr=full, check=True)


def test_a_name_that_no_worker_can_say_is_refused():
    line("x" * 1024, print)
    with pytest.raises(ValueError, match="1024 bytes"):
        line("x" * 1025, print)
