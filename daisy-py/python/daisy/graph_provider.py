"""Spatial graphs in databases, read and written by ROI from many workers at once."""

from __future__ import annotations

import os
from typing import Any, Iterable, Mapping, Optional, Union

from ._attr_types import as_text
from ._daisy import GraphStore, MongoCollections
from ._provider import BlockOutcome, GraphProvider, again
from ._roi import Roi

__all__ = [
    "BlockOutcome",
    "GraphProvider",
    "MongoDbGraphProvider",
    "PostgresGraphProvider",
    "SQLiteGraphProvider",
]


class SQLiteGraphProvider(GraphProvider):
    """A graph in an SQLite file, for the threads and processes of one machine. The file must lie on a local
    disk. Files that funlib.persistence made are opened as they are, and stay so.

    Args:
        db_file: the file.
        mode: ``"r"`` reads what is there, ``"r+"`` also writes and creates it if need be, ``"w"`` removes
            the graph that is there first.
        directed: whether ``(u, v)`` and ``(v, u)`` are two edges; False by default.
        total_roi: where nodes may lie; everywhere by default. Axes may be unbounded.
        node_attrs: the attributes of nodes beside the position, with their types: ``bool``, ``int``,
            ``float``, ``str``, ``bytes``, dtypes of NumPy, ``"uint64"`` and the like, or a vector of fixed
            length: ``(float, 3)``.
        edge_attrs: the same of edges.
        cell_size: the size of the cells of the spatial index, best the write shape of blocks (it can be
            given as ``write_size``, too). By default, a 64th of the total ROI along each axis, or 1024 along
            an unbounded one.
        dims: the number of axes, where neither ``total_roi`` nor ``cell_size`` says so.
        position_attribute: what the position is called in graphs.

    What is None is taken from a graph that is stored; what is given must agree with it.

    Raises FileNotFoundError if there is nothing to read, ValueError if the stored graph differs (with both
    values), or it is not known how many axes a new one has.
    """

    def __init__(
        self,
        db_file: Union[str, os.PathLike[str]],
        mode: str = "r+",
        directed: Optional[bool] = None,
        total_roi: Any = None,
        node_attrs: Optional[Mapping[str, Any]] = None,
        edge_attrs: Optional[Mapping[str, Any]] = None,
        cell_size: Any = None,
        write_size: Any = None,
        dims: Optional[int] = None,
        position_attribute: str = "position",
    ) -> None:
        super().__init__(mode, position_attribute)
        self.db_file = os.path.abspath(os.fspath(db_file))
        cell_size = _one_of(cell_size, write_size)
        self._wanted = _wanted(self, directed, total_roi, node_attrs, edge_attrs, cell_size, dims)
        self._opened = (os.getpid(), self._open(mode))

    def _open(self, mode: str) -> GraphStore:
        return GraphStore.sqlite(self.db_file, mode, self._wanted)

    def _arguments(self) -> dict[str, Any]:
        return {"db_file": self.db_file, "position_attribute": self.position_attribute}


class PostgresGraphProvider(GraphProvider):
    """A graph on a PostgreSQL server, for workers on many machines. Connections are not encrypted.

    Args:
        db_name: the database; made with the graph if there is none.
        host: the name of the server, or the folder of its socket.
        user, password, port: as whom, and where; by default this user, none, and 5432.
        graph_name: the name of the graph: a database can hold many, each in a namespace (schema) of its own.
        mode, directed, total_roi, node_attrs, edge_attrs, cell_size, write_size, dims, position_attribute:
            as for :class:`SQLiteGraphProvider`.

    A provider that is pickled has the password in it. Raises RuntimeError if the server cannot be reached.
    """

    def __init__(
        self,
        db_name: str,
        host: str = "localhost",
        user: Optional[str] = None,
        password: Optional[str] = None,
        port: Optional[int] = None,
        graph_name: str = "daisy",
        mode: str = "r+",
        directed: Optional[bool] = None,
        total_roi: Any = None,
        node_attrs: Optional[Mapping[str, Any]] = None,
        edge_attrs: Optional[Mapping[str, Any]] = None,
        cell_size: Any = None,
        write_size: Any = None,
        dims: Optional[int] = None,
        position_attribute: str = "position",
    ) -> None:
        super().__init__(mode, position_attribute)
        self.db_name, self.host, self.graph_name = db_name, host, graph_name
        self._login = {"user": user, "password": password, "port": port}
        cell_size = _one_of(cell_size, write_size)
        self._wanted = _wanted(self, directed, total_roi, node_attrs, edge_attrs, cell_size, dims)
        self._opened = (os.getpid(), self._open(mode))

    def _open(self, mode: str) -> GraphStore:
        settings = {"host": self.host, "dbname": self.db_name, **self._login}
        config = " ".join(f"{key}={_quoted(value)}" for key, value in settings.items() if value is not None)
        return GraphStore.postgres((config, self.graph_name), mode, self._wanted)

    def _arguments(self) -> dict[str, Any]:
        place = {"db_name": self.db_name, "host": self.host, "graph_name": self.graph_name}
        return {**place, **self._login, "position_attribute": self.position_attribute}


class MongoDbGraphProvider(GraphProvider):
    """A graph in the collections of daisy 0.2 in a MongoDB database, with its arguments.

    Attributes are not declared: whatever a node or an edge has is written, as numbers, text, bytes, lists and
    dicts, and read back. Whole numbers beyond 64 bits with a sign are refused (ids are not), and None is not
    stored. There are **no transactions**: a writer that is killed leaves a part of its write, and the result
    of a block is written at least once.

    **So far this has been run against a stand-in that follows MongoDB's manual, not against a real server.**

    Args:
        db_name: the database.
        host: the server, as ``"name"``, ``"name:port"`` or an address ``"mongodb://..."``; by default this
            machine.
        mode: ``"r"`` reads what is there, ``"r+"`` also writes and creates it if need be, ``"w"`` removes the
            collections first.
        directed: whether ``(u, v)`` and ``(v, u)`` are two edges; as it is stored, or False, by default.
        total_roi: where nodes may lie; as it is stored, or everywhere, by default.
        nodes_collection, edges_collection, meta_collection: what the collections are called.
        endpoint_names: what the ends of edges are called; ``["u", "v"]`` by default.
        position_attribute: the attribute that holds the position, or a list of attributes, one an axis.
        node_attribute_collections, edge_attribute_collections: the attributes that are in collections of their
            own, ``{"sizes": ["size", "volume"]}``: those of nodes in ``nodes_sizes``, those of edges in
            ``edges_sizes``, whatever ``nodes_collection`` and ``edges_collection`` are. All others are in the
            documents of nodes and edges. A collection is looked at only if its attributes are read or
            filtered on. Nothing that is stored says which there are: give the same ones each time. (Unlike
            0.2.1, writing does not take them away from the graph, nodes that are written again keep no
            attribute that they do not have any more, and mode ``"r"`` makes no index.)

    Raises FileNotFoundError if there is nothing to read, ValueError if ``directed`` or ``total_roi`` differ
    from what is stored (with both values) or an attribute cannot be in a collection of its own (it is in two of
    them, or is the position, the id or an end), RuntimeError if the server cannot be reached.
    """

    def __init__(
        self,
        db_name: str,
        host: Optional[str] = None,
        mode: str = "r+",
        directed: Optional[bool] = None,
        total_roi: Any = None,
        nodes_collection: str = "nodes",
        edges_collection: str = "edges",
        endpoint_names: Optional[list[str]] = None,
        meta_collection: str = "meta",
        position_attribute: Union[str, list[str]] = "position",
        node_attribute_collections: Optional[Mapping[str, list[str]]] = None,
        edge_attribute_collections: Optional[Mapping[str, list[str]]] = None,
    ) -> None:
        super().__init__(mode, position_attribute)
        self.db_name, self.host = db_name, host
        self.nodes_collection, self.edges_collection = nodes_collection, edges_collection
        self.meta_collection = meta_collection
        self.endpoint_names = list(endpoint_names or ["u", "v"])
        self.node_attribute_collections = _lists("node_attribute_collections", node_attribute_collections)
        self.edge_attribute_collections = _lists("edge_attribute_collections", edge_attribute_collections)
        self._stores: dict[int, GraphStore] = {}
        self._opened = (os.getpid(), self._open(mode))
        is_directed = bool(directed)
        self._directed, self._total_roi = self._opened[1].prepare(mode, is_directed, total_roi)
        self._check(directed, total_roi)

    def _check(self, directed: Optional[bool], total_roi: Any) -> None:
        """Whether what is stored is what is wanted."""
        stored = [("directed", self._directed, directed), ("total_roi", self._total_roi, total_roi)]
        for name, existing, wanted in stored:
            if name == "total_roi" and wanted is not None:
                wanted = Roi(wanted.offset, wanted.shape)  # it may be one of funlib
            if wanted is not None and existing != wanted:
                raise ValueError(
                    f"{name} of the stored graph is {existing}, not {wanted}: leave the argument out, or use "
                    "another database"
                )

    @property
    def directed(self) -> bool:
        """Whether ``(u, v)`` and ``(v, u)`` are two edges."""
        return self._directed

    @property
    def total_roi(self) -> Optional[Roi]:
        """Where nodes may lie; None if that is everywhere."""
        return self._total_roi

    def _open(self, mode: str) -> MongoCollections:
        host = self.host or "localhost"
        address = host if "://" in host else f"mongodb://{host}"
        names = (self.nodes_collection, self.edges_collection, self.meta_collection)
        aside = (self.node_attribute_collections, self.edge_attribute_collections)
        place, ends = (address, self.db_name), tuple(self.endpoint_names)
        return MongoCollections(place, names, ends, self._position_names(), aside)

    def _store(self, hint: Any = None) -> GraphStore:
        pid, collections = self._opened
        if pid != os.getpid():
            collections, self._stores = self._open(again(self.mode)), {}
            self._opened = (os.getpid(), collections)
        # Nothing but nodes says how many axes there are, and there may be none yet.
        dims = next(iter(self._stores), None) or collections.dims() or self._dims_of(hint)
        store = self._stores.get(dims)
        if store is None:
            store = collections.store(dims, self.mode != "r")
            if collections.dims() is not None:
                self._stores = {dims: store}
        return store

    def _dims_of(self, hint: Any) -> int:
        """The number of axes of a ROI, or of the positions in a graph; 1 if nothing says so."""
        if hasattr(hint, "shape"):
            return len(hint.shape)
        if hasattr(hint, "nodes"):
            for _, data in hint.nodes(data=True):
                position = self._position(data)
                if position is not None:
                    return len(position)
        return 1

    def _arguments(self) -> dict[str, Any]:
        return {
            "db_name": self.db_name,
            "host": self.host,
            "nodes_collection": self.nodes_collection,
            "edges_collection": self.edges_collection,
            "endpoint_names": self.endpoint_names,
            "meta_collection": self.meta_collection,
            "position_attribute": self.position_attribute,
            "node_attribute_collections": self.node_attribute_collections,
            "edge_attribute_collections": self.edge_attribute_collections,
        }


def _one_of(cell_size: Any, write_size: Any) -> Any:
    if cell_size is not None and write_size is not None:
        raise ValueError("cell_size and write_size are the same thing; give one of them")
    return write_size if cell_size is None else cell_size


def _wanted(
    provider: GraphProvider,
    directed: Optional[bool],
    total_roi: Any,
    node_attrs: Optional[Mapping[str, Any]],
    edge_attrs: Optional[Mapping[str, Any]],
    cell_size: Any,
    dims: Optional[int],
) -> dict[str, Any]:
    """What is asked of a store."""
    taken = provider._position_names()
    nodes = {name: kind for name, kind in (node_attrs or {}).items() if name not in taken}
    return {
        "directed": directed,
        "total_roi": total_roi,
        "cell_size": cell_size,
        "dims": dims,
        "node_attrs": None if node_attrs is None else as_text(nodes),
        "edge_attrs": None if edge_attrs is None else as_text(edge_attrs),
        "position": taken,
    }


def _quoted(value: Any) -> str:
    """A value of a connection string."""
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _lists(argument: str, collections: Optional[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Names of attributes by names of collections."""
    lists = {}
    for name, attrs in (collections or {}).items():
        if isinstance(attrs, str):
            raise TypeError(f"{argument} has {name!r}: {attrs!r}; give a list of names: [{attrs!r}]")
        lists[name] = list(attrs)
    return lists
