"""The scheduler: which block may run next, and how every block is counted."""

import gc
import logging
import pickle
import threading
import weakref

import pytest

from daisy import Block, BlockStatus, Roi, Scheduler, Task


def process(block):
    pass


def make(task_id="t", blocks=3, context=2, upstream=None, **rest):
    """A row of blocks that write 10 voxels each."""
    total = Roi((-context,), (10 * blocks + 2 * context,))
    return Task(
        task_id, total, Roi((-context,), (10 + 2 * context,)), Roi((0,), (10,)), process, upstream_tasks=upstream, **rest
    )


def release(scheduler, block, status=BlockStatus.SUCCESS):
    block.status = status
    return scheduler.release_block(block)


def run(scheduler, *task_ids, fails=()):
    """Runs tasks to the end; the numbers of their blocks in the order in which they were handed out."""
    order = []
    for task_id in task_ids:
        while (block := scheduler.acquire_block(task_id)) is not None:
            order.append(block.block_id[1])
            is_bad = block.block_id in fails
            release(scheduler, block, BlockStatus.FAILED if is_bad else BlockStatus.SUCCESS)
    return order


COUNTS = "ready processing completed skipped failed orphaned pending".split()


def counts(scheduler, task_id="t"):
    """The counts that are not zero; and what always holds."""
    state = scheduler.task_states[task_id]
    found = {name: getattr(state, f"{name}_count") for name in COUNTS}
    assert state.total_block_count == sum(found.values()) - found["skipped"]
    assert all(count >= 0 for count in found.values())
    return {name: count for name, count in found.items() if count}


def test_neighbours_take_turns_and_come_by_level():
    scheduler = Scheduler([make(blocks=5)])
    assert counts(scheduler) == {"ready": 2, "pending": 3}
    first, second = scheduler.acquire_block("t"), scheduler.acquire_block("t")
    assert (first.block_id, second.block_id) == (("t", 1), ("t", 3))
    assert first.status is BlockStatus.CREATED and first.read_roi == Roi((8,), (14,))
    assert scheduler.acquire_block("t") is None
    assert counts(scheduler) == {"processing": 2, "pending": 3}
    release(scheduler, first)
    assert scheduler.acquire_block("t").block_id == ("t", 0)
    assert scheduler.acquire_block("t") is None  # block 2 waits for block 3 too
    release(scheduler, second)
    assert run(scheduler, "t") == [2, 4]
    assert counts(scheduler) == {"processing": 1, "completed": 4}
    assert not scheduler.task_states["t"].is_done()


def test_without_conflict_all_blocks_are_ready():
    scheduler = Scheduler([make(blocks=4, read_write_conflict=False)])
    assert counts(scheduler) == {"ready": 4}
    assert run(scheduler, "t") == [0, 1, 2, 3]
    assert counts(scheduler) == {"completed": 4} and scheduler.is_done()


def test_a_downstream_block_waits_for_exactly_what_it_reads():
    up = make("up", read_write_conflict=False, context=0, blocks=3)
    down = Task("down", Roi((0,), (30,)), Roi((0,), (14,)), Roi((0,), (10,)), process, upstream_tasks=[up], read_write_conflict=False)
    scheduler = Scheduler([down])  # the upstream task comes along
    blocks = [scheduler.acquire_block("up") for _ in range(3)]
    assert scheduler.acquire_block("down") is None
    release(scheduler, blocks[1])
    assert scheduler.acquire_block("down") is None
    gained = release(scheduler, blocks[0])
    assert list(gained) == ["down"] and gained["down"].ready_count == 1
    assert scheduler.acquire_block("down").block_id == ("down", 0)  # [0, 14) reads two blocks


@pytest.mark.parametrize("low, high", [(0, 7), (7, 0), (3, 25), (25, 3)])
def test_asymmetric_contexts_between_tasks_lose_no_block(low, high):
    total = Roi((0,), (100,))
    up = Task("up", total, Roi((0,), (10,)), Roi((0,), (10,)), process)
    down = Task("down", total, Roi((-low,), (10 + low + high,)), Roi((0,), (10,)), process, fit="shrink", upstream_tasks=[up])
    scheduler = Scheduler([down])
    while not scheduler.is_done():
        run(scheduler, "up", "down")
    state = scheduler.task_states["down"]
    assert state.completed_count == state.total_block_count > 0


def test_a_diamond_is_four_tasks():
    top = make("top")
    left, right = make("left", upstream=[top]), make("right", upstream=[top, top])
    scheduler = Scheduler([make("bottom", upstream=[left, right]), left])
    assert sorted(scheduler.task_states) == ["bottom", "left", "right", "top"]
    run(scheduler, "top", "right", "left", "bottom")
    assert scheduler.is_done() and counts(scheduler, "bottom") == {"completed": 3}


def test_all_blocks_of_upstream_tasks_are_counted():
    up = make("up", blocks=10)
    scheduler = Scheduler([make("down", blocks=2, upstream=[up])])
    assert scheduler.task_states["up"].total_block_count == 10


def test_a_failed_block_is_tried_again_and_then_orphans_what_waits_for_it():
    up = make("up", read_write_conflict=False, max_retries=2)
    scheduler = Scheduler([make("down", context=0, upstream=[up])])
    order = run(scheduler, "up", "down", fails={("up", 1)})
    assert sorted(order) == [0, 0, 1, 1, 1, 2, 2]
    assert counts(scheduler, "up") == {"completed": 2, "failed": 1}
    assert counts(scheduler, "down") == {"completed": 2, "orphaned": 1}
    assert scheduler.is_done() and scheduler.task_states["down"].is_done()


def test_a_failed_block_goes_behind_the_others():
    scheduler = Scheduler([make(read_write_conflict=False)])
    gained = release(scheduler, scheduler.acquire_block("t"), BlockStatus.FAILED)
    assert gained["t"].ready_count == 3
    assert run(scheduler, "t") == [1, 2, 0]


def test_orphans_can_be_left_pending():
    up = make("up", read_write_conflict=False, max_retries=0)
    scheduler = Scheduler([make("down", context=0, upstream=[up])], count_all_orphans=False)
    run(scheduler, "up", "down", fails={("up", 0), ("up", 1)})
    assert counts(scheduler, "down") == {"completed": 1, "pending": 2}
    assert scheduler.task_states["down"].is_done()


def test_orphans_inside_a_task():
    scheduler = Scheduler([make(blocks=5, max_retries=0)])
    run(scheduler, "t", fails={("t", 1)})
    assert counts(scheduler) == {"completed": 2, "failed": 1, "orphaned": 2}


def test_blocks_found_done_are_skipped_and_unlock_others():
    asked = []

    def check(block):
        asked.append(block.block_id[1])
        return block.block_id[1] != 2

    scheduler = Scheduler([make(blocks=5, check_function=check)])
    assert asked == []
    assert scheduler.acquire_block("t").block_id == ("t", 2)
    assert asked == [1, 3, 0, 2]
    assert counts(scheduler) == {"ready": 1, "processing": 1, "completed": 3, "skipped": 3}


def test_a_block_that_is_being_checked_counts_as_ready():
    seen = []
    scheduler = Scheduler([make(blocks=1, check_function=lambda block: seen.append(counts(scheduler)))])
    scheduler.acquire_block("t")
    assert seen == [{"ready": 1}] and counts(scheduler) == {"processing": 1}


def test_a_check_that_raises_is_logged_once_and_the_block_runs(caplog):
    def check(block):
        raise RuntimeError("the disk is gone")

    scheduler = Scheduler([make(read_write_conflict=False, check_function=check)])
    with caplog.at_level(logging.ERROR, "daisy"):
        assert run(scheduler, "t") == [0, 1, 2]
    assert len(caplog.records) == 1 and "the disk is gone" in caplog.text
    assert scheduler.task_states["t"].check_error_count == 3


def test_an_interrupt_in_a_check_leaves_the_block_ready():
    interrupts = [KeyboardInterrupt()]

    def check(block):
        if interrupts:
            raise interrupts.pop()
        return False

    scheduler = Scheduler([make(blocks=1, check_function=check)])
    with pytest.raises(KeyboardInterrupt):
        scheduler.acquire_block("t")
    assert counts(scheduler) == {"ready": 1}
    assert scheduler.acquire_block("t").block_id == ("t", 0)


def test_of_a_pair_of_checks_the_second_is_asked_after_the_block():
    answers = [False, True]
    pair = (lambda block: False, lambda block: answers.pop(0))
    scheduler = Scheduler([make(blocks=1, check_function=pair)])
    assert run(scheduler, "t") == [0, 0]  # the first attempt failed
    assert counts(scheduler) == {"completed": 1} and answers == []


def test_a_check_after_the_block_that_raises_is_a_failed_attempt():
    def after(block):
        raise RuntimeError("no")

    scheduler = Scheduler([make(blocks=1, max_retries=1, check_function=(lambda block: False, after))])
    assert run(scheduler, "t") == [0, 0] and counts(scheduler) == {"failed": 1}


def test_the_states_always_show_the_present():
    scheduler = Scheduler([make()])
    states = scheduler.task_states
    state = states["t"]
    assert not state.started and len(states) == 1 and "t" in states and states.get("u") is None
    block = scheduler.acquire_block("t")
    assert state.started and state.processing_count == 1
    gained = release(scheduler, block)
    assert dict(gained.items())["t"].ready_count == 2 and "TaskState(1 completed" in repr(state)
    assert list(states.keys()) == ["t"] and [s.ready_count for s in states.values()] == [2]
    with pytest.raises(KeyError):
        states["u"]
    assert not release(scheduler, scheduler.acquire_block("t"))  # nobody waits for block 0


def test_ready_tasks_and_the_map_of_tasks():
    up = make("up")
    down = make("down", upstream=[up])
    scheduler = Scheduler([down])
    assert scheduler.get_ready_tasks() == [up] and scheduler.task_map == {"up": up, "down": down}
    assert scheduler.dependency_graph.num_blocks("up") == 3


def test_what_was_not_acquired_cannot_be_released():
    scheduler = Scheduler([make()])
    block = scheduler.acquire_block("t")
    other = block.copy()
    release(scheduler, block)
    before = counts(scheduler)
    for again in (block, other):
        with pytest.raises(ValueError, match="not acquired"):
            release(scheduler, again)
    waiting = Block(Roi((-2,), (34,)), Roi((18,), (14,)), Roi((20,), (10,)), task_id="t")
    with pytest.raises(ValueError, match="not acquired"):
        release(scheduler, waiting)
    assert counts(scheduler) == before


def test_a_block_without_an_outcome_is_refused_and_stays_out():
    scheduler = Scheduler([make()])
    block = scheduler.acquire_block("t")
    for status in (BlockStatus.CREATED, BlockStatus.PROCESSING):
        with pytest.raises(ValueError, match="SUCCESS or FAILED"):
            release(scheduler, block, status)
    assert counts(scheduler)["processing"] == 1
    release(scheduler, block)


def test_a_block_comes_back_from_another_process():
    scheduler = Scheduler([make()])
    block = pickle.loads(pickle.dumps(scheduler.acquire_block("t")))
    release(scheduler, block)
    assert counts(scheduler)["completed"] == 1


def test_nonsense_is_refused_and_changes_nothing():
    scheduler = Scheduler([make()])
    for wrong in ("nope", 5, None):
        with pytest.raises(KeyError, match="among 't'"):
            scheduler.acquire_block(wrong)
    with pytest.raises(TypeError, match="no block"):
        scheduler.release_block("t/0")
    roi = Roi((0,), (10,))
    for stranger in (Block(roi, roi, roi, task_id="u"), Block(roi, roi, roi)):
        with pytest.raises(KeyError):
            release(scheduler, stranger)
    with pytest.raises(ValueError, match="no block that writes"):
        release(scheduler, Block(roi, roi, Roi((3,), (4,)), task_id="t"))
    assert counts(scheduler) == {"ready": 1, "pending": 2}


def test_tasks_that_make_no_sense_together():
    with pytest.raises(ValueError, match="two different tasks are called 't'"):
        Scheduler([make(), make()])
    first = make("first")
    second = make("second", upstream=[first])
    first.upstream_tasks.append(second)
    with pytest.raises(ValueError, match="cycle"):
        Scheduler([second])
    first.upstream_tasks[:] = [first]
    with pytest.raises(ValueError, match="cycle"):
        Scheduler([first])
    for wrong in (make(), 5, [5], ["t"]):
        with pytest.raises(TypeError, match="task"):
            Scheduler(wrong)
    assert Scheduler([]).is_done()


def test_long_chains_of_tasks_need_no_recursion():
    tasks = [make("0", blocks=1)]
    for number in range(1, 3000):
        tasks.append(make(str(number), blocks=1, upstream=[tasks[-1]]))
    scheduler = Scheduler(tasks[-1:])
    assert len(scheduler.task_states) == 3000 and scheduler.acquire_block("1") is None
    assert scheduler.acquire_block("0") is not None


def test_a_total_too_small_for_one_block_is_done():
    scheduler = Scheduler([Task("t", Roi((0,), (9,)), Roi((0,), (10,)), Roi((0,), (10,)), process)])
    assert scheduler.is_done() and scheduler.acquire_block("t") is None
    assert scheduler.task_states["t"].total_block_count == 0 and scheduler.task_states["t"].is_done()


def test_ten_billion_blocks_are_nothing_to_wait_for():
    total = Roi((0, 0, 0), (21_600,) * 3)
    task = Task("t", total, Roi((0, 0, 0), (14,) * 3), Roi((2, 2, 2), (10,) * 3), process)
    scheduler = Scheduler([task])
    assert scheduler.task_states["t"].total_block_count == 2159**3
    assert scheduler.acquire_block("t").write_roi == Roi((12, 12, 12), (10, 10, 10))


def test_threads_share_a_scheduler():
    scheduler, numbers, lock = Scheduler([make(blocks=2000)]), [], threading.Lock()

    def work():
        while not scheduler.is_done():
            block = scheduler.acquire_block("t")
            if block is not None:
                with lock:
                    numbers.append(block.block_id[1])
                release(scheduler, block)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(2000))


def test_a_scheduler_that_its_own_check_refers_to_is_collected():
    class Check:
        def __call__(self, block):
            return False

    check = Check()
    check.scheduler = Scheduler([make(check_function=check)])
    check, gone = None, weakref.ref(check)
    gc.collect()
    assert gone() is None
