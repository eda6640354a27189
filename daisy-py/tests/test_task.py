"""Tasks: what they take, what they refuse, and what they say then."""

import functools
import pickle

import pytest

from daisy import Roi, Task

TOTAL, READ, WRITE = Roi((0,), (40,)), Roi((0,), (14,)), Roi((2,), (10,))


def process(block):
    pass


def make(task_id="t", total=TOTAL, read=READ, write=WRITE, function=process, **rest):
    return Task(task_id, total, read, write, function, **rest)


def test_a_task_keeps_what_it_is_made_of():
    def check(block):
        return False

    up = make("up")
    task = Task("t", TOTAL, READ, WRITE, process, check, print, False, 3, 4, "shrink", 5, [up])
    assert (task.task_id, task.total_roi, task.read_roi, task.write_roi) == ("t", TOTAL, READ, WRITE)
    assert (task.process_function, task.check_function, task.init_callback_fn) == (process, check, print)
    assert (task.read_write_conflict, task.num_workers, task.max_retries) == (False, 3, 4)
    assert (task.fit, task.timeout, task.upstream_tasks) == ("shrink", 5, [up])
    assert task.requires() == [up] and up.requires() == []
    assert task.total_write_roi == Roi((2,), (36,)) and repr(task) == "Task('t')"


def test_what_a_task_has_unless_it_is_told():
    task = make()
    assert task.check_function is task.init_callback_fn is task.timeout is task.mask is None
    assert (task.read_write_conflict, task.num_workers, task.max_retries, task.fit) == (True, 1, 2, "valid")
    assert (task.upstream_tasks, task.resources, task.max_failed_blocks) == ([], {}, None)
    assert (task.writes, task.reads) == ((), ())


def test_the_new_powers_are_named():
    task = make(mask=lambda roi: True, resources={"gpu": 1}, max_failed_blocks=5)
    assert task.mask(TOTAL) and task.resources == {"gpu": 1} and task.max_failed_blocks == 5


class Blur:
    def __call__(self, block):
        pass

    def work(self):
        pass

    def process(self, block):
        pass


@pytest.mark.parametrize(
    "function, takes_a_block",
    [
        (process, True),
        (lambda block, sigma=3: None, True),
        (functools.partial(lambda sigma, block: None, 3), True),
        (Blur(), True),
        (Blur().process, True),
        (lambda *arguments: None, False),  # as in 1.x
        (lambda: None, False),
        (Blur().work, False),
    ],
)
def test_a_function_takes_a_block_or_nothing(function, takes_a_block):
    assert make(function=function).is_worker_function is not takes_a_block


@pytest.mark.parametrize("function", [None, 5, "f", lambda a, b: None, lambda block, *, sigma: None])
def test_other_functions_are_refused(function):
    with pytest.raises(TypeError, match="process_function"):
        make(function=function)


@pytest.mark.parametrize(
    "change, error, text",
    [
        (dict(task_id=5), TypeError, "name of the task"),
        (dict(task_id=""), ValueError, "unique name"),
        (dict(total=(0, 40)), TypeError, "daisy.Roi"),
        (dict(read=Roi((0, 0), (14, 14))), ValueError, "task 't': read_roi has 2 axes, total_roi has 1"),
        (dict(total=Roi((), ()), read=Roi((), ()), write=Roi((), ())), ValueError, "no axes"),
        (dict(write=Roi((2,), (-10,))), ValueError, "write_roi has shape -10 along axis 0"),
        (dict(total=Roi((0,), (0,))), ValueError, "total_roi has shape 0 along axis 0"),
        (dict(total=Roi((None,), (None,))), ValueError, "total_roi has no bounds"),
        (dict(write=Roi((8,), (10,))), ValueError, "leaves read_roi"),
        (dict(fit="tight"), ValueError, "valid, overhang, shrink"),
        (dict(fit=None), TypeError, "valid"),
        (dict(num_workers=-1), ValueError, "0 to 4096"),
        (dict(num_workers=5000), ValueError, "0 to 4096"),
        (dict(num_workers=1.5), TypeError, "integer"),
        (dict(max_retries=-1), ValueError, "max_retries"),
        (dict(timeout=0), ValueError, "seconds"),
        (dict(timeout=float("nan")), ValueError, "seconds"),
        (dict(timeout="1 h"), TypeError, "seconds"),
        (dict(check_function=3), TypeError, "pair"),
        (dict(check_function=(process,)), TypeError, "pair"),
        (dict(init_callback_fn=3), TypeError, "init_callback_fn"),
        (dict(mask=3), TypeError, "mask"),
        (dict(resources={"gpu": 0}), ValueError, "gpu"),
        (dict(resources={"": 1}), TypeError, "names"),
        (dict(resources=["gpu"]), TypeError, "resources"),
        (dict(max_failed_blocks=0), ValueError, "max_failed_blocks"),
        (dict(upstream_tasks=make("up")), TypeError, "list of tasks"),
        (dict(upstream_tasks=["up"]), TypeError, "'up' is no task"),
        (
            dict(upstream_tasks=[make("up", *[Roi((0, 0), (9, 9))] * 3)]),
            ValueError,
            "has 1 axes but its upstream Task\\('up'\\) has 2",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_once_and_says_what_to_do(change, error, text):
    with pytest.raises(error, match=text):
        make(**change)


def test_rois_of_a_task_are_its_own():
    total = Roi((0,), (40,))
    task = make(total=total)
    total.offset = (5,)
    assert task.total_roi == TOTAL


def test_tasks_of_plain_functions_can_be_pickled():
    task = pickle.loads(pickle.dumps(make(upstream_tasks=[make("up")])))
    assert task.task_id == "t" and task.upstream_tasks[0].task_id == "up" and task.total_roi == TOTAL


def test_rois_of_funlib_are_taken():
    funlib = pytest.importorskip("funlib.geometry")
    rois = [funlib.Roi(roi.offset, roi.shape) for roi in (TOTAL, READ, WRITE)]
    assert Task("t", *rois, process).total_write_roi == Roi((2,), (36,))
