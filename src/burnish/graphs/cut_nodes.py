"""The nodes of a captured graph by name, and what each is computed of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Port = tuple[str, int]  # a node by its friendly name, and which of its outputs


class Net:
    """The nodes of an ov.Model by friendly name, in the order in which they are computed."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: dict[str, Any] = {n.get_friendly_name(): n for n in model.get_ordered_ops()}
        self.free = self._free()

    def sources(self, name: str) -> Iterator[Any]:
        """The outputs of other nodes that a node takes, in order."""
        node = self.nodes[name]
        return (node.input_value(k) for k in range(node.get_input_size()))

    def _free(self) -> set[str]:
        """Constants, and what is computed of shapes: each piece has its own."""
        found: set[str] = set()
        for name, node in self.nodes.items():
            kind = node.get_type_name()
            if kind in ("Constant", "ShapeOf") or (
                kind != "Parameter" and all(named(source) in found for source in self.sources(name))
            ):
                found.add(name)
        return found

    def depends(self) -> dict[str, set[str]]:
        """The inputs of the model that each node depends on, by more than their shape."""
        found: dict[str, set[str]] = {}
        for name, node in self.nodes.items():
            if name in self.free:
                found[name] = set()
            elif node.get_type_name() == "Parameter":
                found[name] = {name}
            else:
                found[name] = set().union(*(found[named(source)] for source in self.sources(name)))
        return found

    def ancestors(self, names: Sequence[str], without: str = "") -> set[str]:
        """`names` and all that they are computed of, where `without` counts as given."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in found or name == without:
                continue
            found.add(name)
            waiting += [named(source) for source in self.sources(name)]
        return found

    @property
    def results(self) -> list[str]:
        """The nodes whose outputs the model gives."""
        return [named(result.input_value(0)) for result in self.model.get_results()]


def named(source: Any) -> str:
    """The friendly name of the node that an output is of."""
    return str(source.get_node().get_friendly_name())
