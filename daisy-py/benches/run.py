"""How many blocks a second a run of two worker processes does, whose function does nothing.

    python daisy-py/benches/run.py [REPEATS]

measures `run_blockwise` of the daisy of the Python that runs it, and of daisy 2.0.0 from PyPI, in an environment of its
own, in turns; the figures are medians. Starting workers takes the same time however many blocks there are, so the rate
is that of the blocks beyond a first run of few: their number over the time that they take more. The last column has
the time of the same number of blocks on both sides, with everything in it.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

#: Blocks of the run that shows what starting costs, and of the run that both sides do.
FEW, SAME = 10, 50_000

#: Blocks of the long run, by how fast the version is.
MANY = {"this daisy": 3_000_000, "daisy 2.0.0": 50_000}

#: How many times faster than 2.0.0 this one is to be.
GOAL = 10


def nothing(block):
    pass


def seconds(daisy, blocks):
    one = daisy.Roi((0,), (1,))
    total = daisy.Roi((0,), (blocks,))
    task = daisy.Task("row", total, one, one, nothing, read_write_conflict=False, num_workers=2)
    start = time.perf_counter()
    if not daisy.run_blockwise([task]):
        sys.exit("not every block was done")
    return time.perf_counter() - start


def measure(many):
    """Measures the daisy that can be imported here."""
    warnings.simplefilter("ignore")
    import daisy

    few, same, all_of_them = (seconds(daisy, blocks) for blocks in (FEW, SAME, many))
    print((many - FEW) / (all_of_them - few), same)


def main(repeats):
    here = pathlib.Path(__file__).resolve()
    sys.path.insert(0, str(here.parent.parent / "tests"))
    from environments import python_with

    pythons = {"this daisy": sys.executable, "daisy 2.0.0": python_with("daisy==2.0.0")}
    found = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, python in pythons.items():
                command = [python, str(here), "--measure", str(MANY[name])]
                output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
                found[name].append(tuple(map(float, output.split("\n")[-2].split())))
    rates, times = ({name: statistics.median(row[i] for row in rows) for name, rows in found.items()} for i in (0, 1))
    print(f"{'':>12}{'blocks/s':>12}{f'{SAME:,} blocks':>18}")
    for name in pythons:
        print(f"{name:>12}{rates[name]:>12,.0f}{times[name]:>16.2f} s")
    ours, theirs = rates.values()
    print(f"{ours / theirs:.0f} times the rate ({GOAL} asked), {times['daisy 2.0.0'] / times['this daisy']:.1f} times "
          f"as fast with {SAME:,} blocks and all that starting takes")  # fmt: skip
    sys.exit(ours < GOAL * theirs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 3)
