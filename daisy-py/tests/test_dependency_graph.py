"""Which block waits for which."""

import gc
import itertools
import random
import weakref

import pytest

from daisy import Block, BlockwiseDependencyGraph, Coordinate, DependencyGraph, Roi, Scheduler, Task


def process(block):
    pass


def graph(**change):
    arguments = dict(
        task_id="t", block_read_roi=Roi((0,), (14,)), block_write_roi=Roi((2,), (10,)),
        read_write_conflict=True, fit="valid", total_read_roi=Roi((0,), (40,)),
    )  # fmt: skip
    arguments.update(change)
    return BlockwiseDependencyGraph(**arguments)


def numbers(blocks):
    return [block.block_id[1] for block in blocks]


def test_levels_roots_and_neighbours():
    g = graph()
    assert (g.num_blocks, g.num_levels, g.num_roots()) == (3, 2, 1)
    assert numbers(g.root_gen()) == numbers(g.level_blocks(0)) == [1] and numbers(g.level_blocks(1)) == [0, 2]
    root = next(iter(g.root_gen()))
    assert g.upstream(root) == [] and numbers(g.downstream(root)) == [0, 2]
    assert [(number.block_id[1], numbers(up)) for number, up in g.enumerate_all_dependencies()] == [
        (1, []), (0, [1]), (2, [1])
    ]  # fmt: skip
    for level in (2, -1):
        with pytest.raises(IndexError):
            g.level_blocks(level)


def test_what_a_graph_is_made_of():
    g = graph()
    assert (g.task_id, g.fit, g.read_write_conflict) == ("t", "valid", True)
    assert g.read_write_context == ((2,), (2,)) and g.total_write_roi == Roi((2,), (36,))
    assert graph(total_read_roi=None, total_write_roi=Roi((2,), (36,))).total_read_roi == g.total_read_roi
    assert graph(read_write_conflict=False).num_levels == 1
    with pytest.raises(ValueError, match="total_read_roi or total_write_roi"):
        graph(total_read_roi=None)
    with pytest.raises(ValueError, match="not total_write_roi"):
        graph(total_write_roi=Roi((0,), (40,)))
    with pytest.raises(ValueError, match="unknown fit"):
        graph(fit="tight")


def test_levels_as_offsets():
    g = graph()
    assert g.compute_level_stride() == (20,) and g.compute_level_offsets() == [(10,), (0,)]
    assert g.compute_level_conflicts() == [[], [(-10,), (10,)]]
    assert g.compute_level_block_offsets() == [[(10,)], [(0,), (20,)]]


def test_blocks_of_a_region():
    g = graph()
    assert numbers(g.get_subgraph_blocks(Roi((12,), (5,)))) == [1]
    assert numbers(g.get_subgraph_blocks(Roi((11,), (2,)))) == [0, 1]
    assert numbers(g.get_subgraph_blocks(Roi((12,), (2,)), read_roi=True)) == [0, 1]
    assert g.get_subgraph_blocks(Roi((-9,), (5,))) == []


def layouts():
    """Random layouts with up to a few hundred blocks."""
    dice = random.Random(7)
    for _ in range(60):
        dims = dice.randint(1, 3)
        write = [dice.randint(1, 4) for _ in range(dims)]
        low = [dice.randint(0, 5) for _ in range(dims)]
        high = [dice.randint(0, 5) for _ in range(dims)]
        total = [w * dice.randint(0, 5) + a + b + dice.randint(0, 3) for w, a, b in zip(write, low, high)]
        offset = Coordinate(dice.randint(-9, 9) for _ in range(dims))
        yield dict(
            block_read_roi=Roi(offset, [w + a + b for w, a, b in zip(write, low, high)]),
            block_write_roi=Roi(offset + Coordinate(low), write),
            total_read_roi=Roi(offset, [max(length, 1) for length in total]),
            fit=dice.choice(["valid", "overhang", "shrink"]),
        )


@pytest.mark.parametrize("layout", list(layouts()))
def test_blocks_that_touch_each_others_data_wait_for_each_other(layout):
    g = graph(**layout)
    level_of = {b: level for level in range(g.num_levels) for b in g.level_blocks(level)}
    assert len(level_of) == g.num_blocks
    for a, b in itertools.permutations(level_of, 2):
        meets = a.read_roi.intersects(b.write_roi) or b.read_roi.intersects(a.write_roi)
        if meets:
            assert level_of[a] != level_of[b]
            first, second = sorted((a, b), key=level_of.get)
            assert first in g.upstream(second) and second in g.downstream(first)
    roots = set(g.root_gen())
    assert len(roots) == g.num_roots() and roots == {b for b in level_of if not g.upstream(b)}


def test_several_tasks():
    total, read, write = Roi((0,), (40,)), Roi((0,), (14,)), Roi((2,), (10,))
    up = Task("up", total, read, write, process)
    down = Task("down", total, read, write, process, read_write_conflict=False, upstream_tasks=[up])
    g = DependencyGraph([down])
    assert sorted(g.task_ids) == ["down", "up"] and g.root_tasks() == ["up"]
    assert g.task_map == {"up": up, "down": down}
    assert g.upstream_tasks == {"up": set(), "down": {"up"}} and g.downstream_tasks == {"up": {"down"}, "down": set()}
    assert g.num_blocks("up") == 3 and g.num_roots("up") == 1 and g.num_roots("down") == 3
    (count, roots) = g.roots()["up"]
    assert list(g.roots()) == ["up"] and count == 1 and numbers(roots) == [1]
    last = Block(total, Roi((20,), (14,)), Roi((22,), (10,)), task_id="down")
    assert [block.block_id for block in g.upstream(last)] == [("up", 1), ("up", 2)]
    first = g.upstream(last)[0]
    assert [b.block_id for b in g.downstream(first)] == [("up", 0), ("up", 2), ("down", 0), ("down", 1), ("down", 2)]
    with pytest.raises(KeyError):
        g.num_blocks("sideways")
    with pytest.raises(TypeError, match="no block"):
        g.upstream(5)
    with pytest.raises(ValueError, match="no block that writes"):
        g.upstream(Block(total, Roi((1,), (14,)), Roi((3,), (10,)), task_id="up"))


def test_a_graph_that_one_of_its_tasks_holds_is_collected():
    def held():
        task = Task("t", Roi((0,), (40,)), Roi((0,), (10,)), Roi((0,), (10,)), process)
        scheduler = Scheduler([task])
        # Each of them leads back to the task.
        task.held = (DependencyGraph([task]), scheduler.task_states, scheduler.task_states["t"])
        return weakref.ref(task)

    task = held()
    gc.collect()
    assert task() is None
