"""Graphs in memory: those of networkx."""

from __future__ import annotations

import copy
from typing import Any

import networkx


class Graph(networkx.Graph):
    """An undirected graph: ``networkx.Graph``, whose ``copy()`` is a deep one.

        >>> graph = Graph()
        >>> graph.add_node(1, position=(0, 10))
        >>> other = graph.copy()
        >>> other.nodes[1]["position"] = (5, 5)
        >>> graph.nodes[1]["position"]
        (0, 10)
    """

    def copy(self, as_view: bool = False) -> Any:
        """A graph of its own with the same nodes, edges and attributes, these copied too; with ``as_view``
        a view that cannot be changed, as in networkx."""
        return super().copy(as_view=True) if as_view else copy.deepcopy(self)


class DiGraph(networkx.DiGraph):
    """A directed graph: ``networkx.DiGraph``, whose ``copy()`` is a deep one."""

    def copy(self, as_view: bool = False) -> Any:
        """A graph of its own with the same nodes, edges and attributes, these copied too; with ``as_view``
        a view that cannot be changed, as in networkx."""
        return super().copy(as_view=True) if as_view else copy.deepcopy(self)
