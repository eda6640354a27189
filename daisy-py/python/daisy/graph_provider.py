"""Spatial graphs in databases, read and written by ROI from many workers at once."""

from __future__ import annotations

import enum
import math
import os
from typing import Any, Iterable, Mapping, NoReturn, Optional, Union

from ._attr_types import AttrTypes, as_python, as_text
from ._columns import as_arrays
from ._daisy import Block, GraphStore, MongoCollections
from ._roi import Roi

#: What of a graph is meant: nodes, and edges.
_Parts = tuple[bool, bool]


class BlockOutcome(enum.Enum):
    """What became of a block that was begun or committed.

        >>> BlockOutcome("already_done") is BlockOutcome.ALREADY_DONE
        True
    """

    #: No result is stored, and no higher lease: work on it.
    BEGUN = "begun"
    #: Its result is stored now, and the mark that it is done.
    WRITTEN = "written"
    #: Nothing was written: its result is stored already. Release the block as a success.
    ALREADY_DONE = "already_done"
    #: Nothing was written: somebody else has the block under a higher lease.
    STALE_LEASE = "stale_lease"


class GraphProvider:
    """A spatial graph in a database: what all providers can do.

    Every call is one transaction (but for MongoDB, see there). A provider may be used by several threads, and
    can be pickled: it is opened again where it arrives, as it is in a forked child. Ids are from 0 to
    2**64 - 1, positions are floats, ROIs are half-open and may be unbounded along any axis.

    A filter is a dict ``{name: value}``; with a list, the attribute has one of its values, with None, it has
    none. Or it is a list of ``(name, operator, value)`` with one of ``== != < <= > >= in``. All terms hold.
    """

    def __init__(self, mode: str, position_attribute: Union[str, list[str]]) -> None:
        if mode not in ("r", "r+", "w"):
            raise ValueError(f"unknown mode {mode!r}; use 'r' (read), 'r+' (write, create), 'w' (start anew)")
        self.mode = mode
        self.position_attribute = position_attribute
        self.endpoint_names = ["u", "v"]

    # Reading

    def __getitem__(self, roi: Any) -> Any:
        """The part of the graph that lies in a ROI: a graph with the methods of :class:`SharedSubGraph`."""
        return self.get_graph(roi)

    def get_graph(
        self,
        roi: Any,
        nodes_filter: Any = None,
        edges_filter: Any = None,
        node_attrs: Optional[Iterable[str]] = None,
        edge_attrs: Optional[Iterable[str]] = None,
    ) -> Any:
        """The nodes in a ROI, and the edges whose first node is one of them.

        Far ends of edges that leave the ROI are there without attributes.

        Args:
            roi: where, in world units.
            nodes_filter, edges_filter: which of them; see :class:`GraphProvider`.
            node_attrs, edge_attrs: the attributes that are read; all by default. Positions always are.

        Raises ValueError for an attribute that there is not, TypeError for a value of another type.
        """
        from ._subgraph import DiSubGraph, SubGraph

        attrs = (node_attrs, edge_attrs)
        nodes, edges = self._store(roi).read(self._asked(roi, (nodes_filter, edges_filter), attrs))
        graph = DiSubGraph() if self.directed else SubGraph()
        graph.provider, graph.roi = self, roi
        graph.add_nodes_from(nodes)
        graph.add_edges_from(edges)
        return graph

    def read_nodes(
        self, roi: Any, attr_filter: Any = None, read_attrs: Optional[Iterable[str]] = None
    ) -> list[dict[str, Any]]:
        """The nodes in a ROI, each a dict with ``"id"``, its position and its attributes."""
        asked = self._asked(roi, (attr_filter, None), (read_attrs, None), with_edges=False)
        nodes, _ = self._store(roi).read(asked)
        for node, attrs in nodes:
            attrs["id"] = node
        return [attrs for _, attrs in nodes]

    def read_edges(
        self,
        roi: Any = None,
        nodes: Optional[Iterable[Any]] = None,
        attr_filter: Any = None,
        read_attrs: Optional[Iterable[str]] = None,
    ) -> list[dict[str, Any]]:
        """The edges whose first node lies in a ROI, or is one of ``nodes``: each a dict with its ends
        (``"u"`` and ``"v"``) and its attributes.

        Args:
            roi: where; if nodes are given that have a position it is not looked at.
            nodes: dicts as of :meth:`read_nodes`, or ids.
        """
        only: Optional[set[int]] = None
        if nodes is not None:
            nodes = list(nodes)
            only = {int(node["id"] if isinstance(node, Mapping) else node) for node in nodes}
            roi = self._around(nodes) or roi
        if only is not None and not only:
            return []
        if roi is None:
            if only is None:
                raise TypeError("read_edges needs a ROI or nodes; give one of them")
            dims = self._store().dims
            roi = Roi((None,) * dims, (None,) * dims)
        _, edges = self._store(roi).read(self._asked(roi, (None, attr_filter), ([], read_attrs)))
        first, second = self.endpoint_names
        found = []
        for u, v, attrs in edges:
            if only is None or u in only:
                attrs[first], attrs[second] = u, v
                found.append(attrs)
        return found

    def read_blockwise(
        self,
        roi: Any,
        block_size: Any = None,
        num_workers: int = 1,
        node_attrs: Optional[Iterable[str]] = None,
        edge_attrs: Optional[Iterable[str]] = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Nodes and edges of a large ROI as arrays: ``(nodes, edges)``, dicts of names and NumPy arrays.

        Each node and each edge comes once. ``nodes["id"]`` and the ends of edges are uint64, positions have
        the shape ``(nodes, axes)``. Where a node or edge has no value for an attribute, the array holds
        objects, and None there.

        Args:
            roi: where, in world units.
            block_size, num_workers: not needed any more: everything is read in one go and at one moment,
                batch by batch.
            node_attrs, edge_attrs: the attributes that are read; all by default.
        """
        asked = self._asked(roi, (None, None), (node_attrs, edge_attrs))
        store = self._store(roi)
        position = self.position_attribute
        columns = store.columns(asked)
        return as_arrays(columns, store, position, self.endpoint_names)

    def num_nodes(self, roi: Any, attr_filter: Any = None) -> int:
        """The number of nodes in a ROI, counted in the database."""
        return self._store(roi).count_nodes(roi, attr_filter)

    def has_edges(self, roi: Any) -> bool:
        """Whether any node in a ROI is the first node of an edge; the database stops at the first."""
        return self._store(roi).has_edges(roi)

    # Writing

    def write_graph(
        self,
        graph: Any,
        roi: Any = None,
        node_attrs: Optional[Iterable[str]] = None,
        edge_attrs: Optional[Iterable[str]] = None,
        fail_if_exists: bool = False,
        fail_if_not_exists: bool = False,
        delete: bool = False,
    ) -> tuple[int, int]:
        """Writes nodes and edges of a networkx graph in one transaction; what is stored is replaced.

        Nodes without a position are not written, and edges belong to where their first node lies, see
        :class:`SharedSubGraph`.

        Args:
            graph: the graph; directed if the stored one is.
            roi: where; everywhere by default.
            node_attrs, edge_attrs: the attributes that are written; all by default.
            fail_if_exists, fail_if_not_exists: what is stored, or is not, is an error; nothing is written.
            delete: first, all nodes in the ROI and their edges are deleted, so that a block that is processed
                again leaves nothing of the first time.

        Returns the numbers of nodes and edges written.
        """
        write = (fail_if_exists, fail_if_not_exists, delete)
        return self._write(graph, (True, True), roi, (node_attrs, edge_attrs), write)

    def delete(self, roi: Any) -> tuple[int, int]:
        """Deletes the nodes in a ROI and the edges whose first nodes they are; how many of both.

        Edges of nodes outside that lead into the ROI stay.
        """
        return self._store(roi).delete(roi)

    # Blocks

    def begin_block(self, block: Block, run: str = "run", lease: Optional[int] = None) -> BlockOutcome:
        """Stores the lease under which a block is worked on; from then on, lower leases cannot commit.

        Args:
            block: the block; its name is its ``block_id``.
            run: the name of the run, which stays the same when it is resumed.
            lease: the number of the loan (``Client.lease``), if it is known. Without one, whoever commits first
                wins; with one, nobody does whose lease is lower than another that was begun.

        Returns ``BEGUN``, ``ALREADY_DONE`` or ``STALE_LEASE``.
        """
        return BlockOutcome(self._store(block.write_roi).begin_block(block, run, lease or 0)[0])

    def commit_block(
        self,
        block: Block,
        graph: Any,
        run: str = "run",
        lease: Optional[int] = None,
        roi: Any = None,
        node_attrs: Optional[Iterable[str]] = None,
        edge_attrs: Optional[Iterable[str]] = None,
    ) -> BlockOutcome:
        """Writes the result of a block, and the mark that it is done, in one transaction.

        What the ROI held before is replaced. However often a block is processed, its result is written once
        in each run (with MongoDB: at least once).

        Args:
            block: the block; its name is its ``block_id``.
            graph: its result.
            run, lease: see :meth:`begin_block`.
            roi: where it is written; by default the block's write ROI.
            node_attrs, edge_attrs: the attributes that are written; all by default.

        Returns ``WRITTEN``, ``ALREADY_DONE`` or ``STALE_LEASE``.
        """
        roi = block.write_roi if roi is None else roi
        given = self._given(graph, (True, True), roi, (node_attrs, edge_attrs))
        given["mode"] = "replace"
        return BlockOutcome(self._store(roi).commit_block(block, (run, lease or 0), given)[0])

    def blocks_done(self, task_id: str, run: Optional[str] = None) -> set[int]:
        """The numbers of the blocks of a task whose results are stored: ``block.block_id[1]`` of each; of one
        run, or of all."""
        done: set[int] = set()
        for begin, end in self._store().blocks_done(task_id, run):
            done.update(range(begin, end))
        return done

    def forget(self, task_id: str, blocks: Optional[Iterable[Union[Block, int]]] = None) -> int:
        """Removes the marks of blocks of a task, so that they can be committed again; what they wrote stays.

        Args:
            blocks: blocks or their numbers; all by default.

        Returns how many marks there were.
        """
        numbers = None
        if blocks is not None:
            numbers = [block.block_id[1] if isinstance(block, Block) else int(block) for block in blocks]
        return self._store().forget(task_id, numbers)

    # What is stored

    @property
    def directed(self) -> bool:
        """Whether ``(u, v)`` and ``(v, u)`` are two edges."""
        return self._store().directed

    @property
    def total_roi(self) -> Optional[Roi]:
        """Where nodes may lie; None if that is everywhere."""
        roi = self._store().total_roi
        return None if all(shape is None for shape in roi.shape) else roi

    @property
    def node_attrs(self) -> Optional[AttrTypes]:
        """The attributes of nodes and their types; None where any can be written."""
        return as_python(self._store().node_attrs)

    @property
    def edge_attrs(self) -> Optional[AttrTypes]:
        """The attributes of edges and their types; None where any can be written."""
        return as_python(self._store().edge_attrs)

    # What providers differ in

    def _open(self, mode: str) -> Any:
        """Opens what is stored."""
        raise NotImplementedError

    def _store(self, hint: Any = None) -> GraphStore:
        """The store, opened in this process. The hint is a ROI or a graph of as many axes as positions."""
        pid, store = self._opened
        if pid != os.getpid():
            store = self._open(_again(self.mode))
            self._opened = (os.getpid(), store)
        return store

    _opened: tuple[int, Any] = (0, None)

    # Helpers

    def _position_names(self) -> list[str]:
        position = self.position_attribute
        return [position] if isinstance(position, str) else list(position)

    def _asked(
        self,
        roi: Any,
        filters: tuple[Any, Any],
        attrs: tuple[Optional[Iterable[str]], Optional[Iterable[str]]],
        with_edges: bool = True,
    ) -> dict[str, Any]:
        nodes, edges = attrs
        taken = self._position_names()
        return {
            "roi": roi,
            "nodes_filter": filters[0],
            "edges_filter": filters[1],
            "node_attrs": None if nodes is None else [name for name in nodes if name not in taken],
            "edge_attrs": None if edges is None else list(edges),
            "with_edges": with_edges,
        }

    def _given(
        self,
        graph: Any,
        parts: _Parts,
        roi: Any,
        attrs: tuple[Optional[Iterable[str]], Optional[Iterable[str]]],
    ) -> dict[str, Any]:
        if graph.is_multigraph():
            raise TypeError("a graph with several edges between two nodes cannot be stored; make it a Graph first")
        if not isinstance(graph._node, dict):  # a view
            import networkx

            graph = networkx.DiGraph(graph) if graph.is_directed() else networkx.Graph(graph)
        nodes, edges = attrs
        return {
            "nodes": graph.nodes(data=True),
            "adjacency": graph.adjacency(),
            "is_directed": graph.is_directed(),
            "parts": parts,
            "node_attrs": None if nodes is None else list(nodes),
            "edge_attrs": None if edges is None else list(edges),
            "mode": "upsert",
            "roi": roi,
        }

    def _write(
        self,
        graph: Any,
        parts: _Parts,
        roi: Any,
        attrs: tuple[Optional[Iterable[str]], Optional[Iterable[str]]],
        write: tuple[bool, bool, bool],
    ) -> tuple[int, int]:
        if sum(map(bool, write)) > 1:
            raise ValueError("give one of fail_if_exists, fail_if_not_exists and delete, they exclude each other")
        given = self._given(graph, parts, roi, attrs)
        for mode, is_meant in zip(("insert", "update", "replace"), write):
            if is_meant:
                given["mode"] = mode
        return self._store(graph if roi is None else roi).write(given)

    def _around(self, nodes: list[Any]) -> Optional[Roi]:
        """The ROI of nodes that all have a position."""
        positions = [self._position(node) for node in nodes]
        if not positions or any(position is None for position in positions):
            return None
        axes = list(zip(*positions))
        begin = [math.floor(min(axis)) for axis in axes]
        return Roi(begin, [math.floor(max(axis)) + 1 - low for axis, low in zip(axes, begin)])

    def _position(self, node: Any) -> Optional[list[float]]:
        if not isinstance(node, Mapping):
            return None
        values: list[Any] = [node.get(name) for name in self._position_names()]
        if any(value is None for value in values):
            return None
        return list(values[0]) if isinstance(self.position_attribute, str) else values

    def _arguments(self) -> dict[str, Any]:
        """What the provider is made with again."""
        raise NotImplementedError

    def __reduce__(self) -> Any:
        return _remade, (type(self), {**self._arguments(), "mode": _again(self.mode)})

    def __copy__(self) -> GraphProvider:
        return self

    def __deepcopy__(self, memo: Any) -> GraphProvider:
        return self


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
        db_name: the database, which must exist.
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
        node_attribute_collections, edge_attribute_collections: not supported; leave them out.

    Raises FileNotFoundError if there is nothing to read, ValueError if ``directed`` or ``total_roi`` differ
    from what is stored (with both values), RuntimeError if the server cannot be reached.
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
        if node_attribute_collections or edge_attribute_collections:
            _no_attribute_collections()
        self.db_name, self.host = db_name, host
        self.nodes_collection, self.edges_collection = nodes_collection, edges_collection
        self.meta_collection = meta_collection
        self.endpoint_names = list(endpoint_names or ["u", "v"])
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
        ends = tuple(self.endpoint_names)
        return MongoCollections((address, self.db_name), names, ends, self._position_names())

    def _store(self, hint: Any = None) -> GraphStore:
        pid, collections = self._opened
        if pid != os.getpid():
            collections, self._stores = self._open(_again(self.mode)), {}
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
        }


def _again(mode: str) -> str:
    """The mode in which something is opened again: it is not removed a second time."""
    return "r" if mode == "r" else "r+"


def _remade(kind: Any, arguments: dict[str, Any]) -> GraphProvider:
    return kind(**arguments)


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


def _no_attribute_collections() -> NoReturn:
    raise NotImplementedError(
        "attributes in collections of their own are not supported; leave node_attribute_collections and "
        "edge_attribute_collections out, then all attributes of a node are in its document"
    )
