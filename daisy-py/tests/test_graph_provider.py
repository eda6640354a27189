"""What all graph providers do; the numbers are those of the defects of daisy 0.2.1 that are not here."""

import gc
import multiprocessing
import os
import pathlib
import pickle
import threading
import types

import networkx
import numpy
import pytest

import daisy
from daisy import BlockOutcome, Roi
from graph_places import Place, place, sql_place  # noqa: F401

ATTRS = {
    "node_attrs": {
        "size": "uint64",
        "score": float,
        "name": str,
        "flag": bool,
        "raw": bytes,
        "axis": (float, 2),
    },
    "edge_attrs": {"weight": float, "label": int},
}
TOTAL = Roi((-100, -100), (1000, 1000))
EVERYWHERE = Roi((None, None), (None, None))


def opened(place, mode="r+", **settings):
    settings = {"total_roi": TOTAL, "cell_size": 10, **ATTRS, **settings}
    return place.provider(mode, **settings)


def filled(place, **settings):
    """Nodes 1 to 4 in a row, 10 apart, and the edges of a path; node 5 far away."""
    provider = opened(place, **settings)
    graph = daisy.DiGraph() if settings.get("directed") else daisy.Graph()
    for node in (1, 2, 3, 4):
        graph.add_node(node, position=(0, 10 * (node - 1)), size=node, name=f"n{node}")
    graph.add_node(5, position=(500.5, -20.25))
    graph.add_edge(1, 2, weight=0.5)
    graph.add_edge(2, 3, weight=1.5)
    graph.add_edge(3, 4)
    assert provider.write_graph(graph) == (5, 3)
    return provider


def ids(nodes):
    return sorted(node["id"] for node in nodes)


def test_what_is_written_is_read_back(place):
    provider = opened(place)
    graph = provider[TOTAL]
    largest = 2**64 - 1
    every = dict(size=2**40, score=0.25, name="O'Brien ä", flag=True, raw=b"a\0b", axis=[0.5, -1.5])
    graph.add_node(largest, position=(-3.5, 0), **every)
    of_numpy = {"size": numpy.int64(3), "flag": numpy.bool_(False)}
    graph.add_node(numpy.uint64(7), position=numpy.array([1, 2]), **of_numpy)
    graph.add_node(0, position=daisy.Coordinate(5, 5), score=numpy.float32(0.5), name=None)
    graph.add_edge(largest, 7, weight=2.5, label=-4)
    assert (graph.write_nodes(), graph.write_edges()) == (3, 1)
    read = opened(place, "r")[TOTAL]
    assert isinstance(read, daisy.Graph) and not read.is_directed()
    assert dict(read.nodes(data=True)) == {
        largest: {"position": [-3.5, 0.0], **every},
        7: {"position": [1.0, 2.0], "size": 3, "flag": False},
        0: {"position": [5.0, 5.0], "score": 0.5},
    }
    assert read.edges[7, largest] == {"weight": 2.5, "label": -4}
    assert type(read.nodes[7]["flag"]) is bool and type(read.nodes[largest]["size"]) is int


def test_edges_that_leave_a_roi_come_with_a_far_end_that_is_not_written(place):
    provider = filled(place)
    graph = provider[Roi((-5, -5), (10, 20))]
    assert sorted(graph.nodes) == [1, 2, 3] and graph.nodes[3] == {}
    assert sorted(graph.edges) == [(1, 2), (2, 3)]
    assert (graph.write_nodes(), graph.write_edges()) == (2, 2)
    assert provider.num_nodes(EVERYWHERE) == 5
    # The other side does not have the edge: it belongs to where its first node lies.
    assert sorted(provider[Roi((-5, 15), (10, 10))].edges) == [(3, 4)]


def test_an_undirected_edge_is_one_and_has_its_smaller_id_first(place):
    provider = filled(place)
    graph = provider[TOTAL]
    graph.add_edge(4, 1, weight=9.0)
    graph.write_edges()
    edges = provider.read_edges(TOTAL)
    assert sorted((edge["u"], edge["v"]) for edge in edges) == [(1, 2), (1, 4), (2, 3), (3, 4)]
    # Unless only the larger one is known to who writes it.
    corner = provider[Roi((500, -50), (10, 50))]
    corner.add_edge(5, 2, weight=7.0)
    assert corner.write_edges() == 1
    assert [edge["weight"] for edge in provider.read_edges(corner.roi)] == [7.0]
    assert provider[TOTAL].edges[2, 5] == {"weight": 7.0}


def test_a_directed_pair_has_two_edges(place):
    provider = filled(place, directed=True)
    graph = provider[TOTAL]
    assert isinstance(graph, daisy.DiGraph) and provider.directed
    graph.add_edge(2, 1, weight=8.0)
    graph.write_edges()
    read = provider[TOTAL]
    assert read.edges[1, 2] == {"weight": 0.5} and read.edges[2, 1] == {"weight": 8.0}
    with pytest.raises(ValueError, match="directed"):
        provider.write_graph(daisy.Graph())


def test_rois_are_half_open_and_may_be_unbounded(place):
    provider = filled(place)
    assert ids(provider.read_nodes(Roi((0, 0), (1, 20)))) == [1, 2]
    assert ids(provider.read_nodes(Roi((None, 0), (None, 11)))) == [1, 2]
    assert ids(provider.read_nodes(Roi((500, None), (1, None)))) == [5]
    assert provider.num_nodes(Roi((501, None), (1, None))) == 0
    assert provider.read_nodes(Roi((0, 0), (0, 0))) == []


def test_writing_replaces_and_updating_keeps_what_is_not_named(place):
    provider = filled(place)
    graph = provider[TOTAL]
    graph.nodes[1]["size"] = 100
    graph.write_nodes(attributes=["size"])
    assert provider[TOTAL].nodes[1] == {"position": [0.0, 0.0], "size": 100}
    graph = provider[TOTAL]
    del graph.nodes[2]["size"]
    graph.nodes[1].update(name="new", score=1.0)
    graph.nodes[3]["size"] = None
    graph.edges[1, 2]["label"] = 5
    del graph.edges[1, 2]["weight"]
    assert graph.update_node_attrs() == 3 and graph.update_edge_attrs() == 2
    read = provider[TOTAL]
    assert read.nodes[1] == {"position": [0.0, 0.0], "size": 100, "name": "new", "score": 1.0}
    assert read.nodes[2]["size"] == 2  # it was only not here
    assert "size" not in read.nodes[3]  # None takes it away
    assert read.edges[1, 2] == {"weight": 0.5, "label": 5}
    graph.nodes[1].update(size=5, name="not meant")
    assert graph.update_node_attrs(Roi((0, 0), (10, 10)), attributes=["size"]) == 1
    assert provider[TOTAL].nodes[1]["name"] == "new" and provider[TOTAL].nodes[1]["size"] == 5
    graph.add_node(77, position=(0, 0), size=1)
    graph.edges[2, 3]["weight"] = 9.0
    assert graph.update_node_attrs(attributes=["size"]) == 3  # 77 is not stored
    assert graph.update_edge_attrs(Roi((0, 0), (10, 10))) == 1  # only the edge of node 1
    assert provider[TOTAL].edges[2, 3] == {"weight": 1.5}


def test_1_fail_if_exists_and_fail_if_not_exists_do_so_only_then(place):
    provider = filled(place)
    graph = provider[Roi((0, 0), (1, 1))]
    new = provider[Roi((0, 0), (100, 100))]
    new.clear()
    new.add_node(8, position=(1, 1))
    new.add_node(9, position=(2, 2))
    new.add_edge(8, 9)
    with pytest.raises(ValueError, match="node 1 exists.*fail_if_exists"):
        graph.write_nodes(fail_if_exists=True)
    with pytest.raises(ValueError, match="node 8 does not exist"):
        new.write_nodes(fail_if_not_exists=True)
    assert provider.num_nodes(EVERYWHERE) == 5
    assert new.write_nodes(fail_if_exists=True) == 2 and graph.write_nodes(fail_if_not_exists=True) == 1
    with pytest.raises(ValueError, match=r"edge \(8, 9\) does not exist"):
        new.write_edges(fail_if_not_exists=True)
    assert new.write_edges(fail_if_exists=True) == 1 and new.write_edges(fail_if_not_exists=True) == 1
    with pytest.raises(ValueError, match=r"edge \(8, 9\) exists"):
        new.write_edges(fail_if_exists=True)
    with pytest.raises(ValueError, match="give one of"):
        new.write_nodes(fail_if_exists=True, delete=True)


def test_2_and_4_nodes_are_counted_and_any_edge_is_found(place):
    provider = filled(place)
    assert provider.num_nodes(Roi((0, 0), (1, 30))) == 3
    assert provider.num_nodes(TOTAL, {"size": 2}) == 1
    assert not provider.has_edges(Roi((0, 30), (1, 1)))  # node 4 owns none
    assert provider.has_edges(Roi((0, 20), (1, 20)))  # nodes 3 and 4: one of them does
    assert provider.has_edges(EVERYWHERE) and not provider.has_edges(Roi((500, -50), (10, 50)))


def test_3_positions_may_have_another_name(place):
    provider = opened(place, position_attribute="center")
    graph = provider[TOTAL]
    graph.add_node(1, center=(5, 5), size=1)
    graph.add_node(2, center=(50, 5), size=2)
    graph.write_nodes()
    again = pickle.loads(pickle.dumps(provider))
    assert again.read_nodes(Roi((0, 0), (10, 10))) == [{"id": 1, "center": [5.0, 5.0], "size": 1}]
    assert again.read_nodes(Roi((0, 0), (10, 10)), read_attrs=["center"]) == [{"id": 1, "center": [5.0, 5.0]}]


def test_5_a_filter_holds_for_more_nodes_than_one_query_takes(place):
    provider = opened(place)
    graph = daisy.Graph()
    for node in range(1500):
        graph.add_node(node, position=(node % 100, node // 100), size=node % 3)
        graph.add_edge(node, (node + 1) % 1500, label=node % 2)
    provider.write_graph(graph)
    read = provider.get_graph(TOTAL, edges_filter={"label": 1})
    assert read.number_of_nodes() == 1500 and read.number_of_edges() == 750
    assert len(provider.read_edges(TOTAL, attr_filter={"label": 0})) == 750
    nodes = provider.read_nodes(TOTAL, attr_filter={"size": 0})
    assert len(nodes) == 500
    assert {edge["u"] % 3 for edge in provider.read_edges(nodes=nodes)} == {0}


def test_filters_are_values_lists_or_comparisons(place):
    provider = filled(place)

    def found(attr_filter):
        return ids(provider.read_nodes(TOTAL, attr_filter))

    assert found({"size": 2, "name": "n2"}) == [2] and found({"size": 2, "name": "n1"}) == []
    assert found({"size": [1, 3, 77]}) == [1, 3] and found({"name": {"n4"}}) == [4]
    assert found({"size": numpy.array([1, 2])}) == [1, 2]
    assert found({"size": None}) == [5] and found([("size", "!=", None)]) == [1, 2, 3, 4]
    assert found([("size", ">=", 2), ("size", "<", 4)]) == [2, 3]
    assert found([("name", "!=", "n1")]) == [2, 3, 4] and found([("size", "in", (4,))]) == [4]
    assert found({"name": "x' OR '1'='1"}) == [] and found({}) == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="operator '~'|operator \"~\""):
        found([("size", "~", 1)])
    with pytest.raises(TypeError, match="give a dict"):
        found(5)


def test_only_chosen_attributes_are_read(place):
    provider = filled(place)
    graph = provider.get_graph(TOTAL, node_attrs=["name"], edge_attrs=[])
    assert graph.nodes[1] == {"position": [0.0, 0.0], "name": "n1"} and graph.edges[1, 2] == {}
    assert provider.read_edges(TOTAL, read_attrs=[], attr_filter={"weight": 0.5}) == [{"u": 1, "v": 2}]


def test_edges_are_read_of_a_roi_or_of_nodes(place):
    provider = filled(place)
    nodes = provider.read_nodes(Roi((0, 10), (1, 20)))
    pairs = [(edge["u"], edge["v"]) for edge in provider.read_edges(nodes=nodes)]
    assert sorted(pairs) == [(2, 3), (3, 4)]
    assert provider.read_edges(TOTAL, nodes=[2])[0]["v"] == 3 and provider.read_edges(nodes=[]) == []
    assert len(provider.read_edges(nodes=[1, 2])) == 2
    with pytest.raises(TypeError, match="ROI or nodes"):
        provider.read_edges()


def test_6_a_graph_is_not_changed_by_being_written(place):
    provider = opened(place)
    graph = provider[TOTAL]
    graph.add_node(1, position=(0, 0), size=1, name="a")
    graph.add_edge(1, 2, weight=1.0)
    before = graph.copy()
    graph.write_nodes(attributes=["size"])
    graph.write_edges()
    provider.write_graph(graph, delete=True, roi=TOTAL)
    assert dict(graph.nodes(data=True)) == dict(before.nodes(data=True))
    assert list(graph.edges(data=True)) == list(before.edges(data=True))


def test_9_what_a_block_left_behind_is_deleted(place):
    provider = filled(place)
    block = Roi((-5, -5), (10, 20))  # nodes 1 and 2
    result = daisy.Graph()
    result.add_node(2, position=(0, 12), size=20)
    result.add_node(6, position=(1, 1), size=60)
    result.add_node(7, position=(200, 200))  # not in the block
    result.add_edge(2, 6, weight=3.0)
    for _ in range(2):
        assert provider.write_graph(result, block, delete=True) == (2, 1)
    read = provider[TOTAL]
    assert sorted(read.nodes) == [2, 3, 4, 5, 6] and sorted(map(sorted, read.edges)) == [[2, 6], [3, 4]]
    with pytest.raises(ValueError, match="needs a ROI"):
        provider.write_graph(result, delete=True)


def test_9_nodes_or_edges_alone_are_deleted_too(place):
    provider = filled(place)
    graph = provider[Roi((-5, -5), (10, 20))]
    graph.remove_node(1)
    assert graph.write_nodes(delete=True) == 1
    read = provider[TOTAL]
    assert sorted(read.nodes) == [2, 3, 4, 5] and sorted(read.edges) == [(2, 3), (3, 4)]  # 2 keeps its edge
    graph.clear_edges()
    graph.add_edge(2, 4, weight=4.0)
    assert graph.write_edges(delete=True) == 1
    assert sorted(provider[TOTAL].edges) == [(2, 4), (3, 4)]
    assert provider.delete(graph.roi) == (1, 1)
    assert provider.num_nodes(EVERYWHERE) == 3


def test_10_connections_are_used_again(place):
    if not pathlib.Path("/proc/self/fd").exists():
        pytest.skip("the open files of this process cannot be counted here")
    provider = filled(place)
    provider.read_nodes(TOTAL)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        provider.read_nodes(TOTAL)
        provider.num_nodes(TOTAL)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_11_what_is_refused_is_not_there_in_part(place):
    provider = filled(place)
    graph = daisy.Graph()
    graph.add_node(10, position=(1, 1))
    graph.add_edge(20, 21)  # nobody knows where these are
    with pytest.raises(ValueError, match="node 20.*neither stored nor given"):
        provider.write_graph(graph)
    graph.remove_edge(20, 21)
    graph.add_node(11, position=(5000, 1))
    with pytest.raises(ValueError, match="outside of the total ROI"):
        provider.write_graph(graph)
    assert provider.num_nodes(EVERYWHERE) == 5


def test_12_every_node_and_edge_comes_once_blockwise(place):
    provider = opened(place)
    graph = daisy.Graph()
    for node in range(300):
        graph.add_node(node, position=(node, node % 7), size=node, score=0.5, axis=[node, 0.5])
        if node:
            graph.add_edge(node - 1, node, weight=float(node))
    provider.write_graph(graph)
    roi = Roi((0, 0), (200, 10))
    nodes, edges = provider.read_blockwise(roi, block_size=daisy.Coordinate(30, 4), num_workers=2)
    order = numpy.argsort(nodes["id"])
    assert nodes["id"].dtype == numpy.uint64 and list(nodes["id"][order]) == list(range(200))
    assert nodes["position"].shape == (200, 2) and list(nodes["position"][order][:, 0]) == list(range(200))
    assert list(nodes["size"][order]) == list(range(200)) and nodes["axis"].shape == (200, 2)
    assert (nodes["score"] == 0.5).all()
    assert sorted(zip(edges["u"], edges["v"])) == [(node, node + 1) for node in range(200)]
    assert edges["weight"].dtype == numpy.float64 and edges["weight"].sum() == sum(range(1, 201))
    nodes, edges = provider.read_blockwise(Roi((800, 800), (10, 10)), (5, 5), 1)
    assert len(nodes["id"]) == 0 and nodes["position"].shape == (0, 2) and len(edges["u"]) == 0


def test_where_there_is_no_value_an_array_has_none(place):
    provider = filled(place)
    nodes, edges = provider.read_blockwise(TOTAL, (100, 100), 1, node_attrs=["size", "position"])
    by_id = dict(zip(nodes["id"].tolist(), nodes["size"].tolist()))
    assert by_id == {1: 1, 2: 2, 3: 3, 4: 4, 5: None} and set(nodes) == {"id", "position", "size"}
    weights = {(int(u), int(v)): w for u, v, w in zip(edges["u"], edges["v"], edges["weight"])}
    assert weights == {(1, 2): 0.5, (2, 3): 1.5, (3, 4): None}


def test_a_reader_cannot_write(place):
    with pytest.raises(FileNotFoundError):
        opened(place, "r")
    filled(place)
    provider = opened(place, "r")
    graph = provider[TOTAL]
    for write in (graph.write_nodes, graph.write_edges, lambda: provider.delete(TOTAL)):
        with pytest.raises(RuntimeError, match="for reading"):
            write()
    assert pickle.loads(pickle.dumps(provider)).mode == "r"
    with pytest.raises(ValueError, match="mode 'a'"):
        opened(place, "a")


def test_what_is_stored_is_taken_and_differences_are_refused(place):
    filled(place, directed=True)
    provider = place.provider()
    assert provider.directed and provider.total_roi == TOTAL and provider.num_nodes(TOTAL) == 5
    assert place.provider(total_roi=types.SimpleNamespace(offset=TOTAL.offset, shape=TOTAL.shape)).directed
    with pytest.raises(ValueError, match="(?i)directed.*true.*false"):
        place.provider(directed=False)
    with pytest.raises(ValueError, match=r"(?s)\[-100:900.*\[0:5"):
        place.provider(total_roi=Roi((0, 0), (5, 5)))
    with pytest.raises(ValueError, match="(?i)directed.*true.*false"):
        place.provider("r", directed=False)


def test_mode_w_starts_anew_once(place):
    filled(place, directed=True)
    provider = opened(place, "w")
    assert not provider.directed and provider.num_nodes(EVERYWHERE) == 0
    graph = provider[TOTAL]
    graph.add_node(1, position=(0, 0))
    graph.write_nodes()
    again = pickle.loads(pickle.dumps(provider))
    assert again.mode == "r+" and again.num_nodes(TOTAL) == 1


def test_providers_and_graphs_can_be_pickled_and_copied(place):
    provider = filled(place)
    graph = pickle.loads(pickle.dumps(provider[TOTAL]))
    graph.nodes[1]["size"] = 11
    assert graph.write_nodes() == 5 and provider[TOTAL].nodes[1]["size"] == 11
    copy = graph.copy()
    copy.nodes[1]["position"][0] = 7.0
    assert graph.nodes[1]["position"][0] == 0.0 and copy.provider is graph.provider


def child(provider, result):
    graph = provider[TOTAL]
    graph.add_node(50, position=(50, 50))
    result.put((graph.write_nodes(), provider.num_nodes(TOTAL)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_have_connections_of_their_own(place, method):
    provider = filled(place)
    graph = provider[TOTAL]
    context = multiprocessing.get_context(method)
    result = context.SimpleQueue()
    process = context.Process(target=child, args=(provider, result))
    process.start()
    assert result.get() == (6, 6)
    process.join()
    assert process.exitcode == 0
    # The child's end did not take the parent's connections along.
    assert provider.num_nodes(TOTAL) == 6 and graph.write_nodes() == 5


def test_threads_share_a_provider(place):
    provider = opened(place)
    failed = []

    def work(number):
        try:
            roi = Roi((number * 100, 0), (100, 100))
            for attempt in range(5):
                graph = daisy.Graph()
                for node in range(20):
                    graph.add_node(number * 1000 + node, position=(number * 100 + node, 1), size=attempt)
                    graph.add_edge(number * 1000, number * 1000 + node)
                assert provider.write_graph(graph, roi, delete=True) == (20, 20)
                assert provider.num_nodes(roi, {"size": attempt}) == 20
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and provider[TOTAL].number_of_nodes() == 80


def test_the_result_of_a_block_counts_once(place):
    provider = filled(place)
    row = Roi((0, 0), (10, 100))
    block = daisy.Block(TOTAL, row, row, 4, "label")
    result = daisy.Graph()
    result.add_node(1, position=(0, 0), size=100)
    result.add_edge(1, 5)
    assert provider.begin_block(block, "run", lease=7) is BlockOutcome.BEGUN
    assert provider.commit_block(block, result, "run", lease=6) is BlockOutcome.STALE_LEASE
    assert ids(provider.read_nodes(row)) == [1, 2, 3, 4] and provider.blocks_done("label") == set()
    assert provider.commit_block(block, result, "run", lease=7) is BlockOutcome.WRITTEN
    assert ids(provider.read_nodes(TOTAL)) == [1, 5]  # what the block held before is gone
    assert provider.blocks_done("label") == {4}
    result.nodes[1]["size"] = 999
    sent = pickle.loads(pickle.dumps(block))
    assert provider.commit_block(sent, result, "run", lease=8) is BlockOutcome.ALREADY_DONE
    assert provider.begin_block(block, "run") is BlockOutcome.ALREADY_DONE
    assert provider[TOTAL].nodes[1]["size"] == 100
    assert provider.commit_block(block, result, "another") is BlockOutcome.WRITTEN
    assert provider.blocks_done("label", "none") == set() and provider.blocks_done("other") == set()
    assert provider.forget("label", [block]) == 2 and provider.forget("label") == 0
    assert provider.commit_block(block, result, "run") is BlockOutcome.WRITTEN


def test_a_block_without_a_name_or_with_a_huge_number_cannot_be_marked(place):
    provider, row = filled(place), Roi((0, 0), (10, 100))
    with pytest.raises(TypeError, match="task_id"):
        provider.commit_block(daisy.Block(TOTAL, row, row), daisy.Graph(), "run")
    with pytest.raises(ValueError, match="64 bits"):
        provider.commit_block(daisy.Block(TOTAL, row, row, 2**64, "t"), daisy.Graph(), "run")
    assert provider.num_nodes(TOTAL) == 5


def test_reading_leaves_the_garbage_collector_as_it_was(sql_place):
    provider = filled(sql_place)
    for is_on in (False, True):
        (gc.enable if is_on else gc.disable)()
        provider[TOTAL]
        with pytest.raises(TypeError):
            provider.read_nodes("no ROI")
        assert gc.isenabled() == is_on


def test_connected_components(place):
    provider = filled(place)
    graph = provider[TOTAL]
    components = sorted(graph.get_connected_components(), key=len)
    assert [sorted(component.nodes) for component in components] == [[5], [1, 2, 3, 4]]
    assert components[1].nodes[2]["size"] == 2 and components[1].edges[1, 2] == {"weight": 0.5}
    assert type(components[0]) is daisy.Graph
    directed = daisy.DiGraph(graph)
    directed.add_edge(4, 5)
    with pytest.raises(ValueError, match="directed"):
        provider.write_graph(directed)


def test_any_networkx_graph_is_written_but_one_with_several_edges(place):
    provider = opened(place)
    graph = networkx.Graph()
    for node in range(6):
        graph.add_node(node, position=(node, 0), size=node)
    graph.add_edge(0, 1)
    graph.add_edge(1, 2)
    assert provider.write_graph(graph.subgraph([0, 1, 4])) == (3, 1)
    assert sorted(provider[TOTAL].nodes) == [0, 1, 4]
    with pytest.raises(TypeError, match="make it a Graph"):
        provider.write_graph(networkx.MultiGraph(graph))
    part = provider[TOTAL].subgraph([1])
    with pytest.raises(ValueError, match="provider.write_graph"):
        part.write_nodes()


@pytest.mark.parametrize(
    "node, attrs, error, text",
    [
        (-1, {"position": (0, 0)}, ValueError, "whole numbers from 0"),
        (2**64, {"position": (0, 0)}, ValueError, "whole numbers from 0"),
        ("a", {"position": (0, 0)}, ValueError, "whole numbers from 0"),
        (1, {"position": (0, 0, 0)}, ValueError, "3 axes|too many|give 2"),
        (1, {"position": (0, float("nan"))}, ValueError, "finite"),
        (1, {"position": ("x", 0)}, ValueError, "no number"),
        (1, {"position": (0, 0), "size": object()}, TypeError, "'size' of node 1"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(place, node, attrs, error, text):
    provider = filled(place)
    graph = daisy.Graph()
    graph.add_node(node, **attrs)
    with pytest.raises(error, match=text):
        provider.write_graph(graph)
    assert provider.num_nodes(EVERYWHERE) == 5


def test_values_are_of_the_declared_type(sql_place):
    provider = opened(sql_place)
    wrong = {"size": -1, "score": "1.5", "name": 5, "flag": 1, "raw": "text", "axis": [1.0]}
    for name, value in wrong.items():
        graph = daisy.Graph()
        graph.add_node(1, position=(0, 0), **{name: value})
        with pytest.raises(TypeError, match=f"{name}"):
            provider.write_graph(graph)
        with pytest.raises(TypeError, match=f"{name}"):
            provider.num_nodes(TOTAL, {name: value})
    with pytest.raises(TypeError) as refused:
        provider.num_nodes(TOTAL, {"size": "ä" * 10_000})
    assert "ä" * 60 + "..." in str(refused.value) and len(str(refused.value)) < 200
    graph = daisy.Graph()
    graph.add_node(1, position=(0, 0), size=1, color="red")
    with pytest.raises(ValueError, match="node 1 has an attribute color.*say which"):
        provider.write_graph(graph)
    with pytest.raises(ValueError, match="no attribute \"color\""):
        provider.read_nodes(TOTAL, read_attrs=["color"])
    assert provider.write_graph(graph, node_attrs=["size"]) == (1, 0)
    graph.nodes[1]["score"] = float("nan")
    with pytest.raises(ValueError, match="not a number"):
        provider.write_graph(graph, node_attrs=["score"])


def test_types_are_given_in_many_ways_and_kept(sql_place):
    given = {"a": numpy.float32, "b": "int16", "c": numpy.dtype("uint64"), "d": (numpy.uint8, 3), "e": "bool"}
    provider = sql_place.provider(node_attrs=given, dims=3)
    expected = {"a": "float64", "b": "int64", "c": "uint64", "d": ("uint64", 3), "e": "bool"}
    assert provider.node_attrs == expected and provider.edge_attrs == {}
    assert sql_place.provider(node_attrs=expected).node_attrs == expected
    with pytest.raises(ValueError, match="node attributes.*\"a\""):
        sql_place.provider(node_attrs={**expected, "a": str})
    for wrong in (object, "nonsense", (str, 3), (float, 0), complex, None):
        with pytest.raises(TypeError, match="'x' cannot be of type"):
            sql_place.provider(node_attrs={"x": wrong})


def test_what_is_missing_to_create_a_graph_is_said(sql_place):
    with pytest.raises(ValueError, match="give total_roi, cell_size or dims"):
        sql_place.provider()
    with pytest.raises(ValueError, match="cell_size and write_size"):
        sql_place.provider(cell_size=(1, 1), write_size=(1, 1))
    provider = sql_place.provider(total_roi=Roi((0, 0, None), (6400, 10, None)))
    assert provider._store().cell_size == (100, 1, 1024)
    with pytest.raises(ValueError, match="cell size"):
        sql_place.provider(write_size=(7, 7, 7))
    assert sql_place.provider("r", cell_size=(7, 7, 7)).total_roi == provider.total_roi
