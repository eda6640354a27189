"""Questions to a module called daisy, and how to ask them: the same lines for this one and for 1.x.

Run as a program, it reads cases from standard input and writes the answers of the installed daisy to
standard output, one JSON value a line.
"""

import collections
import json
import sys


def answer(daisy, case):
    return globals()[f"answer_{case['kind']}"](daisy, case)


def answer_coordinate(daisy, case):
    """What arithmetic gives."""
    a, b, n = daisy.Coordinate(case["a"]), daisy.Coordinate(case["b"]), case["n"]
    results = [a + b, a - b, a * b, a / b, a // b, a % b, -a, abs(a), a + n, a - n, a * n, a / n, a // n, a % n]
    results += [a.round_division(b), a.floor_division(b), a.squeeze(), a.dims, a.is_multiple_of(b), a == b, a < b]
    return plain(results)


def answer_roi(daisy, case):
    """What operations on ROIs give."""
    a, b = (daisy.Roi(*case[name]) for name in "ab")
    n, point, voxel = case["n"], case["point"], case["voxel"]
    results = [a.begin, a.end, a.shape, a.center, a.dims, a.size, a.empty, a.unbounded]
    results += [a.intersects(b), a.intersect(b), a.union(b), a.contains(b), a.contains(daisy.Coordinate(point))]
    results += [a + n, a - n, a * n, a + daisy.Coordinate(point), a.grow(n, n), a.grow(tuple(voxel), n)]
    results += [a.snap_to_grid(voxel), a.snap_to_grid(voxel, "closest"), a == b, a != b, a.copy() == a]
    if all(shape is not None for shape in a.shape):
        results += [[(s.start, s.stop) for s in a.to_slices()], a / n, a // n]
    return plain(results)


def answer_layout(daisy, case):
    """The blocks of a task, its levels and roots."""
    task = a_task(daisy, case, "t")
    graph = daisy.DependencyGraph([task])
    single = daisy.BlockwiseDependencyGraph(
        "t", task.read_roi, task.write_roi, task.read_write_conflict, task.fit, task.total_roi
    )
    levels = [list(single.level_blocks(level)) for level in range(single.num_levels)]
    sub = daisy.Roi(*case["sub"])
    return plain(
        [
            graph.num_blocks("t"), graph.num_roots("t"), sorted_ids(graph.root_gen("t")), graph.root_tasks(),
            single.num_blocks, single.num_levels, single.num_roots(), [b.block_id for b in single.root_gen()],
            single.total_write_roi, single.read_write_context,
            [[(b.block_id, b.read_roi, b.write_roi) for b in level] for level in levels],
            sorted_ids(single.get_subgraph_blocks(sub)),
            case["symmetric"] and sorted_ids(single.get_subgraph_blocks(sub, read_roi=True)),
            [b.block_id for b, _ in single.enumerate_all_dependencies()],
            daisy.expand_roi_to_grid(sub, task.total_roi, task.read_roi, task.write_roi),
            daisy.expand_write_roi_to_grid(sub, task.write_roi),
            sorted({daisy.Block(task.total_roi, b.read_roi, b.write_roi, task_id="t").block_id == b.block_id
                    for level in levels for b in level if case["fit"] != "shrink"}),
        ]
    )  # fmt: skip


def answer_schedule(daisy, case):
    """A whole run: how often each block was handed out, and all counts, on the way and at the end."""
    tasks = []
    for number, spec in enumerate(case["tasks"]):
        done = set(spec["done"])
        check = (lambda block, done=done: block.block_id[1] in done) if done else None
        upstream = [tasks[at] for at in spec["upstream"]]
        tasks.append(
            a_task(daisy, spec, f"t{number}", upstream_tasks=upstream, check_function=check, max_retries=spec["retries"])
        )
    scheduler = daisy.Scheduler([tasks[-1]], case["count_all_orphans"])
    names = [task.task_id for task in tasks if task.task_id in scheduler.task_map]
    answers = [{name: counts(scheduler, name) for name in names}]
    attempts, first_order, out = collections.Counter(), [], []
    is_at_work = True
    while is_at_work:
        is_at_work = False
        for name in names:
            spec = case["tasks"][int(name[1:])]
            while len(out) < case["window"] and (block := scheduler.acquire_block(name)) is not None:
                if block.block_id not in attempts:
                    first_order.append(block.block_id)
                attempts[block.block_id] += 1
                out.append((block, spec))
                is_at_work = True
            assert counts(scheduler, name)["total"] == answers[0][name]["total"]
        for block, spec in out[::-1] if case["reversed"] else out:
            is_bad = attempts[block.block_id] <= spec["fails"].get(str(block.block_id[1]), 0)
            block.status = daisy.BlockStatus.FAILED if is_bad else daisy.BlockStatus.SUCCESS
            gained = scheduler.release_block(block)
            first_order.append(sorted(gained.keys()))
        out = []
    answers.append({name: counts(scheduler, name) for name in names})
    if not case["count_all_orphans"]:
        for found in answers[-1].values():
            found["pending"] += found.pop("orphaned")
    else:
        answers.append({name: scheduler.task_states[name].is_done() for name in names})
    answers.append(sorted((*block_id, count) for block_id, count in attempts.items()))
    if case["ordered"]:
        answers.append(first_order)
    return plain(answers)


def counts(scheduler, name):
    state = scheduler.task_states[name]
    kinds = "ready processing completed skipped failed orphaned pending".split()
    found = {kind: getattr(state, f"{kind}_count") for kind in kinds}
    return {"total": state.total_block_count, **found}


def a_task(daisy, spec, name, **rest):
    total, read, write = (daisy.Roi(*spec[key]) for key in ("total", "read", "write"))
    return daisy.Task(
        name, total, read, write, lambda block: None, fit=spec["fit"], read_write_conflict=spec["conflict"], **rest
    )


def sorted_ids(blocks):
    return sorted(block.block_id for block in blocks)


def plain(value):
    """Only lists, dictionaries, texts and numbers, whatever the types of either side."""
    if hasattr(value, "to_slices"):
        return {"offset": plain(value.offset), "shape": plain(value.shape)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool)) or value is None:
        return value
    return bool(value) if "bool" in type(value).__name__ else int(value)


def main():
    import daisy

    for line in sys.stdin:
        try:
            result = answer(daisy, json.loads(line))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        print(json.dumps(result))


if __name__ == "__main__":
    main()
