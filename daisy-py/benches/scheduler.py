"""How many blocks a second a scheduler hands out and takes back, driven from Python.

    python daisy-py/benches/scheduler.py [REPEATS]

measures the daisy of the Python that runs it, and daisy 2.0.0 and 1.2.3 from PyPI, each in an environment of its own and
in a process of its own, in turns; the figures are medians. A workload ends after its last block or after some seconds,
whichever comes first, so that slow ones end too.
"""

import pathlib
import statistics
import subprocess
import sys
import time
import warnings

#: Seconds after which a workload is stopped.
LIMIT = 3.0

#: What the first of the versions is to reach, in blocks a second.
WORKLOADS = {"row": 1_000_000, "volume": 700_000, "chain": 500_000}


def row(daisy):
    """A row of a million blocks without conflict."""
    one = daisy.Roi((0,), (1,))
    return [daisy.Task("row", daisy.Roi((0,), (1_000_000,)), one, one, print, read_write_conflict=False)]


def volume(daisy):
    """64 x 64 x 64 blocks that read some of their neighbours."""
    return [a_volume(daisy, "volume", 64, None)]


def chain(daisy):
    """Three such tasks of 44 x 44 x 44 blocks, each reading what the one before writes."""
    tasks = [None]
    for number in range(3):
        tasks.append(a_volume(daisy, f"chain {number}", 44, tasks[-1]))
    return tasks[1:]


def a_volume(daisy, name, edge, upstream):
    total = daisy.Roi((-2,) * 3, (10 * edge + 4,) * 3)
    read, write = daisy.Roi((-2,) * 3, (14,) * 3), daisy.Roi((0,) * 3, (10,) * 3)
    return daisy.Task(name, total, read, write, print, upstream_tasks=[upstream] if upstream else None)


def blocks_a_second(daisy, workload):
    """The rate, and whether the workload was run to its end."""
    tasks = globals()[workload](daisy)
    scheduler = daisy.Scheduler(tasks[-1:])
    acquire, release, done = scheduler.acquire_block, scheduler.release_block, daisy.BlockStatus.SUCCESS
    blocks, start = 0, time.perf_counter()
    end = start + LIMIT
    is_at_work = True
    while is_at_work:
        before = blocks
        for task in tasks:
            task_id = task.task_id
            while (block := acquire(task_id)) is not None:
                block.status = done
                release(block)
                blocks += 1
                if blocks % 256 == 0 and time.perf_counter() > end:
                    return blocks / (time.perf_counter() - start), False
        is_at_work = blocks > before
    return blocks / (time.perf_counter() - start), True


def measure(workload):
    """Measures the daisy that can be imported here."""
    import daisy

    warnings.simplefilter("ignore")
    rate, is_complete = blocks_a_second(daisy, workload)
    print(rate, is_complete)


def main(repeats):
    here = pathlib.Path(__file__)
    sys.path.insert(0, str(here.parent.parent / "tests"))
    from environments import python_with

    versions = {"this daisy": sys.executable}
    for version in ("2.0.0", "1.2.3"):
        try:
            versions[f"daisy {version}"] = python_with(f"daisy=={version}")
        except RuntimeError as error:
            print(f"left out: {error}")
    print(f"{'blocks/s':>12}" + "".join(f"{name:>16}" for name in versions) + f"{'to reach':>16}")
    is_reached = True
    for workload, goal in WORKLOADS.items():
        rates = {name: [] for name in versions}
        for _ in range(repeats):
            for name, python in versions.items():
                command = [python, str(here), "--measure", workload]
                output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                rates[name].append(float(output.split()[-2]))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(f"{workload:>12}" + "".join(f"{rate:>16,.0f}" for rate in medians.values()) + f"{goal:>16,}")
        is_reached &= medians["this daisy"] >= goal
    sys.exit(not is_reached)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 5)
