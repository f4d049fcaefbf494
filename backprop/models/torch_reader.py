"""What reads a graph of PyTorch by a table of operations."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly, NotSupported
from jacobians import Function
from jacobians.numerics.arrays import Array

MOST_FOLDED = 2**26
"""Entries of what is computed of parameters alone."""


class Reader:
    """The calls of an exported graph, one after the other."""

    def __init__(
        self, assembly: Assembly, constants: dict[str, Array], operations: Mapping[str, Operation]
    ) -> None:
        self.assembly, self.constants, self.operations = assembly, constants, operations
        self.missing: list[str] = []
        self._gone: set[str] = set()
        self._places: set[str] = set()

    def read(self, node: Any) -> None:
        """Add a node, or note why it can't be."""
        called: Any = getattr(node.target, "_schema", None)
        name = str(node.target) if called is None else called.name.removeprefix("aten::")
        sources = [part.name for part in node.all_input_nodes]
        if any(source in self._gone for source in sources):
            self._gone.add(node.name)
            if any(source in self._places for source in sources):
                self.missing.append(f"{name} (of the places of maxima)")
            elif name not in self.operations and node.target is not operator.getitem:
                self.missing.append(name)
            return
        if node.target is operator.getitem and sources[0] in self.assembly.places:
            if node.args[1] == 0:
                self.assembly.same(node.name, sources[0])
            else:
                self._gone.add(node.name)
                self._places.add(node.name)
            return
        if all(source in self.constants for source in sources):
            self._fold(node, name)
            return
        try:
            if name not in self.operations:
                raise NotSupported("")
            arguments = dict(zip((own.name for own in called.arguments), node.args, strict=False)) | dict(
                node.kwargs
            )
            defaults = {own.name: own.default_value for own in called.arguments if own.has_default_value()}
            self.operations[name](self, node.name, defaults | arguments)
        except (NotSupported, ValueError) as reason:
            self.missing.append(f"{name} ({reason})" if str(reason) else name)
            self._gone.add(node.name)

    def _fold(self, node: Any, name: str) -> None:
        """Compute what depends on parameters and numbers alone."""
        import torch

        def given(value: Any) -> Any:
            own = getattr(value, "name", None)
            return torch.from_numpy(np.array(self.constants[own])) if own in self.constants else value

        found = node.meta.get("val")
        size = int(np.prod(found.shape, dtype=object)) if hasattr(found, "shape") else MOST_FOLDED + 1
        if size > MOST_FOLDED:
            self.missing.append(f"{name} (of constants)")
            self._gone.add(node.name)
            return
        made = torch.fx.node.map_arg(node.args, given), torch.fx.node.map_arg(node.kwargs, given)
        self.constants[node.name] = node.target(*made[0], **made[1]).numpy()

    def constant(self, value: Any) -> Any:
        """Return the array of a parameter or a number; None where there is none."""
        if value is None or isinstance(value, int | float):
            return value
        if value.name not in self.constants:
            raise NotSupported("of a parameter that is computed")
        return self.constants[value.name]

    def depends(self, value: Any) -> bool:
        """Return whether something is a value on the way, not a parameter or a number."""
        return getattr(value, "name", None) in self.assembly.places

    def source(self, value: Any) -> str:
        """Return the name of a value that depends on x."""
        if not self.depends(value):
            raise NotSupported("of a constant")
        return str(value.name)

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return the shape of a value at one point."""
        return self.assembly.shapes[self.source(value)]

    def layer(self, name: str, layer: Function, value: Any) -> None:
        """Add the layer of a node."""
        self.assembly.add(name, layer, self.source(value))


Operation = Callable[[Reader, str, dict[str, Any]], None]
