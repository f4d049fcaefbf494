"""What reads a graph of ONNX by a table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly, NotSupported
from jacobians import Function
from jacobians.numerics.arrays import Array, require_budget

FOLDED = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Reciprocal", "Cast", "Identity", "Transpose", "Reshape", "Flatten",
    "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Shape",
})  # fmt: skip
"""Operations that are computed where all that they take is constant: none makes more than it is given."""


class Reader:
    """The nodes of a graph, one after the other."""

    def __init__(
        self, assembly: Assembly, constants: dict[str, Array], operations: Mapping[str, Operation]
    ) -> None:
        self.assembly, self.constants, self.operations = assembly, constants, operations
        self.missing: list[str] = []
        self._gone: set[str] = set()

    def read(self, nodes: Any, output: str) -> Reader:
        """Add every node that leads to the output, and note those that can't be."""
        from onnx.helper import get_attribute_value

        for node in _leading(nodes, output):
            attributes = {each.name: get_attribute_value(each) for each in node.attribute}
            name = f"{node.op_type}{f' {node.name!r}' if node.name else ''}"
            known = (self.constants, self.assembly.places, self._gone)
            unknown = [own for own in node.input if own and not any(own in names for names in known)]
            if unknown:
                raise ValueError(f"found the value {unknown[0]!r} in {name} that no node before it makes")
            if any(source in self._gone for source in node.input):
                self._gone.update(node.output)  # what hangs on a node that is missing is told by that node
                if node.op_type not in self.operations and node.op_type != "Constant":
                    self.missing.append(name)
                continue
            try:
                if node.op_type == "Constant":
                    self._constant(node, attributes)
                elif node.op_type == "Shape" and node.input[0] in self.assembly.places:
                    if attributes:
                        raise NotSupported("of a part of the axes")
                    self.constants[node.output[0]] = np.array([1, *self.shape(node.input[0])])
                elif node.op_type in FOLDED and all(own in self.constants for own in node.input if own):
                    self._fold(node)
                elif node.op_type not in self.operations or node.domain not in ("", "ai.onnx"):
                    raise NotSupported("")
                else:
                    self.operations[node.op_type](self, node, attributes)
            except NotSupported as reason:
                self.missing.append(f"{name} ({reason})" if str(reason) else name)
                self._gone.update(node.output)
            except ValueError as error:
                self.missing.append(f"{name} ({error})")
                self._gone.update(node.output)
        return self

    def _constant(self, node: Any, attributes: dict[str, Any]) -> None:
        import onnx

        if "value" in attributes:
            self.constants[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
            return
        (value,) = attributes.values()
        self.constants[node.output[0]] = np.asarray(value)

    def _fold(self, node: Any) -> None:
        """Compute what depends on constants alone."""
        from onnx.reference import ReferenceEvaluator

        shapes = [self.constants[own].shape for own in node.input if own]
        if node.op_type in ("Add", "Sub", "Mul", "Div"):
            require_budget(
                np.broadcast_shapes(*shapes), 8, "a constant", "save the model with constants folded"
            )
        try:
            found: Any = ReferenceEvaluator(node).run(
                None, {own: self.constants[own] for own in node.input if own}
            )
        except Exception as error:  # of the node's own checks
            raise NotSupported(f"of constants: {error}") from None
        self.constants[node.output[0]] = np.asarray(found[0])

    def given(self, node: Any, place: int, what: str) -> Array | None:
        """Return a constant input, None where it is left out."""
        if place >= len(node.input) or not node.input[place]:
            return None
        if node.input[place] not in self.constants:
            raise NotSupported(f"{what} that is computed, not constant")
        return self.constants[node.input[place]]

    def needed(self, node: Any, place: int, what: str) -> Array:
        """Return a constant input that may not be left out."""
        found = self.given(node, place, what)
        if found is None:
            raise NotSupported(f"without {what}")
        return found

    def value(self, node: Any, place: int = 0) -> str:
        """Return the name of an input that depends on x."""
        name = str(node.input[place])
        if name in self.constants:
            raise NotSupported("of a constant")
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value at one point."""
        return self.assembly.shapes[name]

    def layer(self, node: Any, layer: Function, place: int = 0) -> None:
        """Add the layer of a node."""
        self.assembly.add(str(node.output[0]), layer, self.value(node, place))


Operation = Callable[[Reader, Any, dict[str, Any]], None]


def _leading(nodes: Any, output: str) -> list[Any]:
    """Return the nodes that lead to an output, in their order."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]
