"""Workers of a run that write their part of a graph."""

import pytest

import daisy
from daisy import BlockOutcome, Coordinate, Roi

TOTAL = Roi((0, 0), (60, 60))
BLOCK = Roi((0, 0), (10, 10))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where workers write their logs."""
    monkeypatch.chdir(tmp_path)


def part(roi):
    """A node in the middle of each field of 5 by 5, and edges to the next ones, also beyond the ROI."""
    graph = daisy.Graph()
    begin, end = roi.begin, roi.end
    for y in range(begin[0], end[0], 5):
        for x in range(begin[1], end[1], 5):
            node = name(y, x)
            graph.add_node(node, position=(y + 2.5, x + 2.5), size=y * x)
            for next_y, next_x in ((y + 5, x), (y, x + 5)):
                if TOTAL.contains(Coordinate(next_y, next_x)):
                    graph.add_edge(node, name(next_y, next_x), weight=float(next_y))
    return graph


def name(y, x):
    return 1000 * y + x


def check(provider):
    read, expected = provider[TOTAL], part(TOTAL)
    assert {node: data["size"] for node, data in read.nodes(data=True)} == {
        node: data["size"] for node, data in expected.nodes(data=True)
    }
    assert {frozenset(edge[:2]): edge[2] for edge in read.edges(data=True)} == {
        frozenset(edge[:2]): edge[2] for edge in expected.edges(data=True)
    }


def opened(tmp_path):
    return daisy.SQLiteGraphProvider(
        tmp_path / "graph.db",
        total_roi=TOTAL,
        node_attrs={"size": int},
        edge_attrs={"weight": float},
        write_size=BLOCK.shape,
    )


def test_two_workers_write_a_graph_once_and_again(tmp_path):
    provider = opened(tmp_path)

    def write(block):
        provider.write_graph(part(block.write_roi), block.write_roi, delete=True)

    task = daisy.Task("graph", TOTAL, BLOCK, BLOCK, write, read_write_conflict=False, num_workers=2)
    for _ in range(2):
        assert daisy.run_blockwise([task], progress=False)
        check(provider)


def test_the_results_of_blocks_count_once_over_runs(tmp_path):
    provider = opened(tmp_path)

    def write(block):
        outcome = provider.commit_block(block, part(block.write_roi), "first")
        assert outcome in (BlockOutcome.WRITTEN, BlockOutcome.ALREADY_DONE)
        if block.block_id[1] % 5 == 0 and not (tmp_path / f"failed {block.block_id[1]}").exists():
            (tmp_path / f"failed {block.block_id[1]}").touch()
            raise RuntimeError("after the commit")

    task = daisy.Task(
        "graph", TOTAL, BLOCK, BLOCK, write, read_write_conflict=False, num_workers=2, max_retries=1
    )
    assert daisy.run_blockwise([task], progress=False)
    check(provider)
    assert len(provider.blocks_done("graph", "first")) == 36


def test_a_worker_commits_under_its_lease(tmp_path):
    provider = opened(tmp_path)

    def work():
        client = daisy.Client()
        while (block := client.next_block()) is not None:
            result = part(block.write_roi)
            assert provider.begin_block(block, "run") is BlockOutcome.BEGUN
            if block.lease > 0:
                stale = provider.commit_block(block, result, "run", lease=block.lease - 1)
                assert stale is BlockOutcome.STALE_LEASE
            assert provider.commit_block(block, result, "run") is BlockOutcome.WRITTEN
            client.release_block(block)

    # Nothing that goes wrong is tried again.
    task = daisy.Task(
        "graph", TOTAL, BLOCK, BLOCK, work, read_write_conflict=False, num_workers=2, max_retries=0
    )
    assert daisy.run_blockwise([task], progress=False)
    check(provider)
    assert len(provider.blocks_done("graph")) == 36
