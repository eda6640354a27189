"""What is about one kind of place only: the documents of daisy 0.2, files of funlib, lazy imports."""

import json
import pickle
import sqlite3
import subprocess
import sys

import pytest

import daisy
from daisy import Roi
from graph_places import ASIDE, mongo_place, mongodb, postgres  # noqa: F401


def test_networkx_is_imported_when_it_is_needed():
    script = """
import sys, daisy
assert "networkx" not in sys.modules and "Graph" in dir(daisy) and "Graph" in daisy.__all__
assert issubclass(daisy.MongoDbGraphProvider, object) and "networkx" not in sys.modules
assert daisy.persistence.MongoDbGraphProvider is daisy.MongoDbGraphProvider
daisy.Graph
assert "networkx" in sys.modules
try:
    daisy.Graf
except AttributeError as error:
    assert "Graf" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_postgres_database_that_is_not_there_is_made_with_the_graph():
    place = {"db_name": "made_by_daisy_py", "host": postgres(), "user": "daisy"}
    with pytest.raises(FileNotFoundError, match="made_by_daisy_py"):
        daisy.PostgresGraphProvider(**place, mode="r")
    for mode in ("w", "r+", "w"):
        assert daisy.PostgresGraphProvider(**place, mode=mode, dims=3).num_nodes(Roi((0, 0, 0), (1, 1, 1))) == 0


def test_any_attributes_are_stored_as_they_are(mongo_place):
    provider = mongo_place.provider()
    graph = provider[Roi((0, 0, 0), (10, 10, 10))]
    attrs = {"it's": "x", "tree": {"a": [1, "b", None], "c": {}}, "few": [1, 2], "real": [0.5], "none": []}
    graph.add_node(1, position=(1, 2, 3), **attrs)
    graph.add_node(2, position=(1, 2, 4), few="of another type")
    graph.write_nodes()
    read = provider[graph.roi]
    assert read.nodes[1] == {"position": [1.0, 2.0, 3.0], **attrs}
    assert read.nodes[2]["few"] == "of another type"
    assert provider.node_attrs is None and provider.total_roi is None
    nodes, _ = provider.read_blockwise(graph.roi, (10, 10, 10), 1)
    assert sorted(map(str, nodes["few"])) == ["[1, 2]", "of another type"]
    for name in ("a.b", "$set", "id"):
        graph.add_node(3, **{"position": (0, 0, 0), name: 1})
        with pytest.raises(ValueError, match="cannot have an attribute"):
            graph.write_nodes()
        graph.remove_node(3)
    graph.add_node(3, position=(0, 0, 0), huge=2**63)
    with pytest.raises(ValueError, match="\"huge\""):
        graph.write_nodes()
    assert provider.num_nodes(graph.roi) == 2


def test_positions_may_be_attributes_of_their_own(mongo_place):
    settings = {"position_attribute": ["y", "x"], "endpoint_names": ["from", "to"], "nodes_collection": "n"}
    provider = mongo_place.provider(**settings)
    graph = provider[Roi((0, 0), (10, 10))]
    graph.add_node(1, y=5, x=6, size=3)
    graph.add_edge(1, 2)
    assert (graph.write_nodes(), graph.write_edges()) == (1, 1)
    assert provider.read_nodes(graph.roi) == [{"id": 1, "y": 5.0, "x": 6.0, "size": 3}]
    assert provider.read_edges(graph.roi) == [{"from": 1, "to": 2}]
    assert provider.num_nodes(Roi((0, 0), (10, 6))) == 0
    nodes, edges = provider.read_blockwise(graph.roi, (5, 5), 1)
    assert list(nodes["x"]) == [6.0] and list(edges["to"]) == [2]
    graph.add_node(2, y=1)
    with pytest.raises(ValueError, match="node 2 has no x"):
        graph.write_nodes()


def test_documents_are_those_of_daisy_0_2(mongo_place):
    pymongo = pytest.importorskip("pymongo", reason="documents are compared through pymongo: install it")
    with pymongo.MongoClient(mongodb()) as client:
        database = client[mongo_place.name]
        provider = mongo_place.provider(directed=False, total_roi=Roi((0, 0), (100, 100)))
        graph = provider[Roi((0, 0), (10, 10))]
        graph.add_node(2**64 - 1, position=(1, 2), size=3)
        graph.add_node(4, position=(3, 4))
        graph.add_edge(2**64 - 1, 4, weight=0.5)
        graph.write_nodes()
        graph.write_edges()
        found = list(database["nodes"].find({}, {"_id": 0}))
        node = {"id": -1, "position": [1.0, 2.0], "size": 3}  # the same bits
        assert sorted(found, key=lambda n: n["id"]) == [node, {"id": 4, "position": [3.0, 4.0]}]
        assert list(database["edges"].find({}, {"_id": 0})) == [{"u": 4, "v": -1, "weight": 0.5}]
        meta = {"directed": False, "total_roi_offset": [0, 0], "total_roi_shape": [100, 100]}
        assert list(database["meta"].find({}, {"_id": 0})) == [meta]
        # And documents as daisy 0.2 writes them are read: small numbers, no position.
        database["nodes"].insert_many([{"id": 9, "position": [5, 6], "size": 1}, {"id": 10, "size": 2}])
        assert provider[graph.roi].nodes[9] == {"position": [5.0, 6.0], "size": 1}
        assert provider.num_nodes(graph.roi) == 3


def test_attribute_collections_of_daisy_0_2_are_read(mongo_place):
    pymongo = pytest.importorskip("pymongo", reason="documents are written through pymongo: install it")
    with pymongo.MongoClient(mongodb()) as client:
        database = client[mongo_place.name]
        # As 0.2.1 leaves them: an undirected edge has its smaller id first, a node that was written again
        # keeps its document of attributes, and None is a value.
        meta = {"directed": False, "total_roi_offset": [0, 0], "total_roi_shape": [100, 100]}
        database["meta"].insert_one(meta)
        nodes = [(1, [0, 0]), (-1, [1, 5]), (3, [50, 50])]
        database["points"].insert_many([{"id": id, "position": at, "other": id} for id, at in nodes])
        sizes = [{"id": 1, "size": 5, "score": 0.5}, {"id": -1, "size": 7, "score": None}, {"id": 99, "size": 7}]
        database["nodes_sizes"].insert_many(sizes)
        database["nodes_names"].insert_one({"id": 1, "name": "one"})
        database["edges"].insert_many([{"u": 1, "v": 3, "tag": "t"}, {"u": 1, "v": -1}])
        database["edges_weights"].insert_one({"u": 1, "v": 3, "weight": 0.5})
    provider = mongo_place.provider("r", nodes_collection="points", **ASIDE)
    total = provider.total_roi
    largest = {"position": [1.0, 5.0], "other": -1, "size": 7}
    one = {"position": [0.0, 0.0], "other": 1, "size": 5, "score": 0.5, "name": "one"}
    graph = provider[total]
    assert dict(graph.nodes(data=True)) == {
        1: one,
        2**64 - 1: largest,
        3: {"position": [50.0, 50.0], "other": 3},
    }
    assert graph.edges[1, 3] == {"tag": "t", "weight": 0.5} and graph.edges[1, 2**64 - 1] == {}
    assert provider.read_nodes(total, {"size": 7}) == [{"id": 2**64 - 1, **largest}]
    assert provider.read_nodes(total, {"size": 5, "other": 1, "name": "one"}) == [{"id": 1, **one}]
    assert provider.read_nodes(Roi((0, 0), (1, 1)), [("size", ">", 5)]) == []
    assert provider.num_nodes(total, {"score": None}) == 2
    edge = {"u": 1, "v": 3, "tag": "t", "weight": 0.5}
    assert provider.read_edges(total, attr_filter={"weight": 0.5, "tag": "t"}) == [edge]
    read, edges = provider.read_blockwise(total, (50, 50), 1, node_attrs=["size"], edge_attrs=["weight"])
    assert sorted(zip(read["id"], read["size"]))[:2] == [(1, 5), (3, None)]
    assert sorted(zip(edges["v"], edges["weight"])) == [(3, 0.5), (2**64 - 1, None)]


def test_attribute_collections_are_written_as_by_daisy_0_2(mongo_place):
    pymongo = pytest.importorskip("pymongo", reason="documents are compared through pymongo: install it")
    provider = mongo_place.provider(nodes_collection="points", **ASIDE)
    graph = provider[Roi((0, 0), (10, 10))]
    graph.add_node(2**64 - 1, position=(1, 2), size=3, other=1)
    graph.add_node(4, position=(3, 4), name="four")
    graph.add_edge(2**64 - 1, 4, weight=0.5, tag="t")
    before = graph.copy()
    assert (graph.write_nodes(), graph.write_edges()) == (2, 1)
    assert dict(graph.nodes(data=True)) == dict(before.nodes(data=True))  # 0.2.1 takes attributes away
    with pymongo.MongoClient(mongodb()) as client:
        database = client[mongo_place.name]

        def found(collection):
            return sorted(database[collection].find({}, {"_id": 0}), key=lambda document: document.get("id", 0))

        minus_one = {"id": -1, "position": [1.0, 2.0], "other": 1}
        assert found("points") == [minus_one, {"id": 4, "position": [3.0, 4.0]}]
        assert found("nodes_sizes") == [{"id": -1, "size": 3}]
        assert found("nodes_names") == [{"id": 4, "name": "four"}]
        assert found("edges") == [{"u": 4, "v": -1, "tag": "t"}]
        assert found("edges_weights") == [{"u": 4, "v": -1, "weight": 0.5}]
        # One that is pickled knows the collections, and so does a second provider that is told.
        copy = pickle.loads(pickle.dumps(provider))
        other = mongo_place.provider(nodes_collection="points", **ASIDE)
        for reader in (copy, other):
            assert reader[graph.roi].nodes[4] == {"position": [3.0, 4.0], "name": "four"}
        part = copy[graph.roi]
        del part.nodes[4]["name"]
        part.nodes[4]["size"] = 8
        assert part.update_node_attrs(attributes=["size"]) == 2
        assert other.num_nodes(graph.roi, {"size": 8, "name": "four"}) == 1
        # 0.2.1 would leave the name of a node that has none any more.
        assert part.write_nodes() == 2 and "name" not in other[graph.roi].nodes[4]
        assert found("nodes_names") == []
        assert other.delete(Roi((0, 0), (2, 10))) == (1, 0) and found("nodes_sizes") == [{"id": 4, "size": 8}]
        mongo_place.provider("w", nodes_collection="points", **ASIDE)
        for collection in ("points", "nodes_sizes", "edges", "edges_weights"):
            assert found(collection) == []


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"node_attribute_collections": {"a": ["size"], "b": ["size"]}}, "size.*\"a\" and \"b\""),
        ({"node_attribute_collections": {"a": ["position"]}}, "position.*cannot be in"),
        ({"node_attribute_collections": {"a": ["x"]}, "position_attribute": ["y", "x"]}, "\"x\".*cannot be in"),
        ({"node_attribute_collections": {"a": ["id"]}}, "\"id\".*cannot be in"),
        ({"edge_attribute_collections": {"a": ["to"]}, "endpoint_names": ["from", "to"]}, "\"to\".*cannot be"),
        ({"node_attribute_collections": {"a": ["size"]}, "nodes_collection": "nodes_a"}, "another part"),
        ({"edge_attribute_collections": {"a": ["size"]}, "meta_collection": "edges_a"}, "another part"),
    ],
)
def test_attribute_collections_that_cannot_be_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):  # before any server is asked
        daisy.MongoDbGraphProvider("db", "mongodb://127.0.0.1:1", **settings)
    with pytest.raises(TypeError, match="list of names"):
        daisy.MongoDbGraphProvider("db", "mongodb://127.0.0.1:1", node_attribute_collections={"a": "size"})


def test_a_file_of_funlib_is_read_and_written_as_it_is(tmp_path):
    meta = {
        "position_attribute": "position",
        "directed": False,
        "total_roi_offset": [0, 0],
        "total_roi_shape": [100, 100],
        "nodes_table_name": "nodes",
        "edges_table_name": "edges",
        "endpoint_names": ["u", "v"],
        "node_attrs": {"position": "Vec(float,2)", "size": "int"},
        "edge_attrs": {"weight": "float"},
    }
    (tmp_path / "graph-meta.json").write_text(json.dumps(meta))
    with sqlite3.connect(tmp_path / "graph.db") as file:
        file.execute("CREATE TABLE nodes (id, position_0, position_1, size, PRIMARY KEY (id))")
        file.execute("CREATE TABLE edges (u, v, weight, PRIMARY KEY (u, v))")
        file.execute("INSERT INTO nodes VALUES (1, 5.0, 6.5, 3)")
    provider = daisy.SQLiteGraphProvider(tmp_path / "graph.db", cell_size=(10, 10))
    assert provider.node_attrs == {"size": "int64"} and provider.total_roi == Roi((0, 0), (100, 100))
    graph = provider[Roi((0, 0), (10, 10))]
    assert graph.nodes[1] == {"position": [5.0, 6.5], "size": 3}
    graph.add_node(2, position=(7, 7), size=4)
    graph.add_edge(1, 2, weight=0.5)
    assert (graph.write_nodes(), graph.write_edges()) == (2, 1)
    with sqlite3.connect(tmp_path / "graph.db") as file:
        assert list(file.execute("SELECT * FROM nodes WHERE id = 2")) == [(2, 7.0, 7.0, 4)]
    with pytest.raises(ValueError, match="no room for removing"):
        daisy.SQLiteGraphProvider(tmp_path / "graph.db", "w", total_roi=Roi((0, 0), (1, 1)))
    assert provider.num_nodes(graph.roi) == 2


def test_a_server_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="cannot connect to the server"):
        daisy.PostgresGraphProvider("postgres", str(tmp_path), "daisy", dims=3)
    slow = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
    with pytest.raises(RuntimeError, match="(?i)cannot.*(timeout|refused)"):
        daisy.MongoDbGraphProvider("db", slow)


def test_what_is_no_graph_is_not_removed(tmp_path):
    letter = tmp_path / "letter.db"
    letter.write_text("long enough to be read as the head of a file, and not to be written over")
    before = letter.read_text()
    with pytest.raises(ValueError, match="no graph"):
        daisy.SQLiteGraphProvider(letter, "w", dims=2)
    assert letter.read_text() == before
