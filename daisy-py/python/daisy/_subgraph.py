"""The part of a stored graph that lies in a ROI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Optional

import networkx

from .graph import DiGraph, Graph

if TYPE_CHECKING:
    from ._provider import GraphProvider


class SharedSubGraph:
    """What :class:`SubGraph` and :class:`DiSubGraph` can do beside being graphs.

    Nodes have ids from 0 to 2**64 - 1 and a position; those without a position are the far ends of edges
    that leave the ROI, and are not written. An edge belongs to the ROI in which its first node lies: in
    undirected graphs the one with the smaller id, unless only the other one has a position here.

    Attributes:
        provider: where it comes from.
        roi: what was asked for; where it is written, if nothing else is said.
    """

    provider: Optional[GraphProvider] = None
    roi: Any = None

    # What networkx gives.
    is_directed: Any
    nodes: Any
    edges: Any

    def write_nodes(
        self,
        roi: Any = None,
        attributes: Optional[Iterable[str]] = None,
        fail_if_exists: bool = False,
        fail_if_not_exists: bool = False,
        delete: bool = False,
    ) -> int:
        """Writes the nodes in a ROI: those that are stored are replaced with all their attributes.

        Args:
            roi: where; by default the graph's own ROI. Half-open, in world units.
            attributes: the attributes that are written, by default all; stored nodes lose the others
                (:meth:`update_node_attrs` keeps them).
            fail_if_exists: a node that is stored is an error, and nothing is written.
            fail_if_not_exists: a node that is not stored is an error, and nothing is written.
            delete: stored nodes in the ROI that this graph does not have are deleted, with their edges.

        Returns the number of nodes written.

        Raises ValueError for what cannot be stored, TypeError for values of another type than the attribute
        has, RuntimeError if the graph was opened for reading or the database fails.
        """
        write = (fail_if_exists, fail_if_not_exists, delete)
        return self._provider()._write(self, (True, False), self._place(roi), (attributes, None), write)[0]

    def write_edges(
        self,
        roi: Any = None,
        attributes: Optional[Iterable[str]] = None,
        fail_if_exists: bool = False,
        fail_if_not_exists: bool = False,
        delete: bool = False,
    ) -> int:
        """Writes the edges whose first node lies in a ROI; that node must be stored.

        The arguments and errors are those of :meth:`write_nodes`; with ``delete``, stored edges of the ROI
        that this graph does not have are deleted. Returns the number of edges written.
        """
        write = (fail_if_exists, fail_if_not_exists, delete)
        return self._provider()._write(self, (False, True), self._place(roi), (None, attributes), write)[1]

    def update_node_attrs(self, roi: Any = None, attributes: Optional[Iterable[str]] = None) -> int:
        """Sets attributes of stored nodes in a ROI, and leaves their others as they are.

        An attribute that a node does not have here stays too; None takes it away. Nodes that are not stored
        are left out. Returns how many were found.
        """
        groups: dict[tuple[str, ...], list[tuple[int, dict[str, Any]]]] = {}
        taken = self._provider()._position_names()
        for node, data in self.nodes(data=True):
            names = _names(data, attributes, taken)
            if names:
                groups.setdefault(names, []).append((node, data))
        count = 0
        for names, nodes in groups.items():
            given = self._provider()._given(self, (True, False), self._place(roi), (names, None))
            given["nodes"] = nodes
            count += self._provider()._store(self).update(given, list(names))[0]
        return count

    def update_edge_attrs(self, roi: Any = None, attributes: Optional[Iterable[str]] = None) -> int:
        """Sets attributes of stored edges whose first node lies in a ROI, as :meth:`update_node_attrs`."""
        groups: dict[tuple[str, ...], dict[int, dict[int, dict[str, Any]]]] = {}
        for u, v, data in self.edges(data=True):
            names = _names(data, attributes, [])
            if names:
                u, v = (u, v) if self.is_directed() else (min(u, v), max(u, v))
                groups.setdefault(names, {}).setdefault(u, {})[v] = data
        count = 0
        for names, adjacency in groups.items():
            given = self._provider()._given(self, (False, True), self._place(roi), ([], names))
            given["adjacency"] = adjacency.items()
            count += self._provider()._store(self).update(given, list(names))[1]
        return count

    def get_connected_components(self) -> list[Any]:
        """The connected components, each a :class:`daisy.Graph` or :class:`daisy.DiGraph` of its own; in
        directed graphs the direction of edges does not matter."""
        directed = self.is_directed()
        find = networkx.weakly_connected_components if directed else networkx.connected_components
        components = []
        for nodes in find(self):
            component = DiGraph() if directed else Graph()
            component.add_nodes_from((node, self.nodes[node]) for node in nodes)
            component.add_edges_from(self.edges(nodes, data=True))
            components.append(component)
        return components

    def _provider(self) -> GraphProvider:
        if self.provider is None:
            raise ValueError(
                "this graph does not come from provider[roi], so it is not known where to write it; use "
                "provider.write_graph(graph, roi)"
            )
        return self.provider

    def _place(self, roi: Any) -> Any:
        return self.roi if roi is None else roi


class SubGraph(SharedSubGraph, Graph):
    """The part of an undirected graph that lies in a ROI: a :class:`daisy.Graph` that can be written back."""

class DiSubGraph(SharedSubGraph, DiGraph):
    """The part of a directed graph that lies in a ROI: a :class:`daisy.DiGraph` that can be written back."""

def _names(
    data: dict[str, Any], attributes: Optional[Iterable[str]], taken: Iterable[str]
) -> tuple[str, ...]:
    """The attributes of a node or an edge that are meant."""
    meant = data if attributes is None else [name for name in attributes if name in data]
    return tuple(sorted(name for name in meant if name not in taken))
