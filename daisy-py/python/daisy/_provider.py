"""What all graph providers can do."""

from __future__ import annotations

import contextlib
import enum
import gc
import math
import os
from typing import Any, Iterable, Iterator, Mapping, Optional, Union

from ._attr_types import AttrTypes, as_python
from ._columns import as_arrays
from ._daisy import Block, GraphStore
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

        asked = self._asked(roi, (nodes_filter, edges_filter), (node_attrs, edge_attrs))
        graph = DiSubGraph() if self.directed else SubGraph()
        graph.provider, graph.roi = self, roi
        with _collection_paused():
            nodes, edges = self._store(roi).read(asked)
            graph.add_nodes_from(nodes)
            graph.add_edges_from(edges)
        return graph

    def read_nodes(
        self, roi: Any, attr_filter: Any = None, read_attrs: Optional[Iterable[str]] = None
    ) -> list[dict[str, Any]]:
        """The nodes in a ROI, each a dict with ``"id"``, its position and its attributes."""
        asked = self._asked(roi, (attr_filter, None), (read_attrs, None), with_edges=False)
        with _collection_paused():
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
        with _collection_paused():
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

    def begin_block(self, block: Block, run: str, lease: Optional[int] = None) -> BlockOutcome:
        """Stores the lease under which a block is worked on; from then on, lower leases cannot commit.

        Args:
            block: the block; its name is its ``block_id``.
            run: a name of the run, which stays the same when it is resumed with its journal. A run that is
                started anew needs another name, else what the first one did is taken for done.
            lease: the number of the loan; by default ``block.lease``, which blocks have in runs. Without
                one, whoever commits first wins; with one, nobody does whose lease is lower than another
                that was begun.

        Returns ``BEGUN``, ``ALREADY_DONE`` or ``STALE_LEASE``.
        """
        return BlockOutcome(self._store(block.write_roi).begin_block(block, run, _lease(block, lease))[0])

    def commit_block(
        self,
        block: Block,
        graph: Any,
        run: str,
        lease: Optional[int] = None,
        roi: Any = None,
        node_attrs: Optional[Iterable[str]] = None,
        edge_attrs: Optional[Iterable[str]] = None,
    ) -> BlockOutcome:
        """Writes the result of a block, and the mark that it is done, in one transaction.

        What the ROI held before is replaced. However often a block is processed, its result is written once
        in each run (with MongoDB: at least once).

        Args:
            block: the block; its name is its ``block_id``. (Rust programs name blocks by their cells: where
                both write into one graph, give their tasks different names.)
            graph: its result.
            run, lease: see :meth:`begin_block`.
            roi: where it is written; by default the block's write ROI.
            node_attrs, edge_attrs: the attributes that are written; all by default.

        Returns ``WRITTEN``, ``ALREADY_DONE`` or ``STALE_LEASE``.
        """
        roi = block.write_roi if roi is None else roi
        given = self._given(graph, (True, True), roi, (node_attrs, edge_attrs))
        given["mode"] = "replace"
        return BlockOutcome(self._store(roi).commit_block(block, (run, _lease(block, lease)), given)[0])

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
            store = self._open(again(self.mode))
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
            raise TypeError("several edges between two nodes cannot be stored; make it a Graph first")
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
            raise ValueError("give one of fail_if_exists, fail_if_not_exists and delete at a time")
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
        return _remade, (type(self), {**self._arguments(), "mode": again(self.mode)})

    def __copy__(self) -> GraphProvider:
        return self

    def __deepcopy__(self, memo: Any) -> GraphProvider:
        return self


@contextlib.contextmanager
def _collection_paused() -> Iterator[None]:
    """Pauses the search for garbage: a large graph is many new objects at once and none of them garbage, and
    looking at them again and again takes longer than all the rest."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def again(mode: str) -> str:
    """The mode in which something is opened again: it is not removed a second time."""
    return "r" if mode == "r" else "r+"


def _remade(kind: Any, arguments: dict[str, Any]) -> GraphProvider:
    return kind(**arguments)


def _lease(block: Block, lease: Optional[int]) -> int:
    return (block.lease or 0) if lease is None else lease
