"""Functions wired to each other: what imported networks are whose paths meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.branches import Concatenate, Product, Sum, _Parallel
from jacobians.layers.composition import Composition, pieces_of
from jacobians.layers.recording import Record
from jacobians.markup import html_table
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_integer, checked_list, checked_option
from jacobians.numerics.arrays import Array
from jacobians.structures import Identity, Jacobian

JOINS: dict[str, type[_Parallel]] = {"sum": Sum, "product": Product, "concatenate": Concatenate}
"""What several values can be made one by, as the compositions of these names do."""


class _Given(Function):
    """The input itself, as a part of a join."""

    vectorized = True

    def __repr__(self) -> str:
        return "input"

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        return x

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        point = x.shape[batch_ndim:]
        return Identity.unchecked(math.prod(point), out_shape=point, in_shape=point, dtype=x.dtype)


class LayerGraph(Composition):
    """Layers, each of the value of an earlier one, and sums, products and concatenations of several.

    Parameters
    ----------
    nodes : sequence of (Function or str, tuple of int)
        A layer and the one place where its input comes from; or "sum", "product", "concatenate" and at least two
        places. Place −1 is the input, 0 the first node, and so on; the last node is the output. Parameters are named
        by these places: "0.W".

    Raises
    ------
    TypeError, ValueError
        If there is no node, or one doesn't come from places before it.

    Examples
    --------
    A residual block:

    >>> from jacobians import Affine, Tanh
    >>> block = LayerGraph([(Affine([[0.0, 1.0], [1.0, 0.0]]), (-1,)), (Tanh(), (0,)), ("sum", (-1, 1))])
    >>> block([0.0, 0.0]), block.jacobian([0.0, 0.0]).dense().tolist()
    (array([0., 0.]), [[1.0, 1.0], [1.0, 1.0]])
    """

    def __init__(self, nodes: Sequence[tuple[Function | str, Sequence[int]]]) -> None:
        layers: list[Function] = []
        wires: list[tuple[int, ...]] = []
        for place, node in enumerate(checked_list(nodes, "nodes", "pairs of a layer and its places")):
            if not isinstance(node, tuple | list) or len(node) != 2:
                raise TypeError(f"nodes[{place}]: found {node!r}, expected a pair such as (Tanh(), (-1,))")
            layer, given = node
            sources = tuple(checked_integer(k, f"nodes[{place}]", least=-1) for k in given)
            if any(source >= place for source in sources):
                raise ValueError(
                    f"nodes[{place}]: found the places {sources}, expected places before {place}"
                )
            if isinstance(layer, str):
                kind = JOINS[checked_option(layer, f"nodes[{place}]", JOINS)]
                if len(sources) < 2:
                    raise ValueError(
                        f"nodes[{place}]: found {len(sources)} places, expected two or more for a {layer}"
                    )
                layer = kind(*(layers[k] if k >= 0 else _Given() for k in sources))
            elif len(sources) != 1:
                raise ValueError(f"nodes[{place}]: found {len(sources)} places, expected one for a layer")
            layers.append(layer)
            wires.append(sources)
        super().__init__(*layers)
        self.wires = tuple(wires)

    def _repr_html_(self) -> str:
        rows = []
        for place, (layer, sources) in enumerate(self.nodes):
            name, joins = class_name(layer), len(sources) > 1
            given = ", ".join("input" if source < 0 else str(source) for source in sources)
            parameters = 0 if joins else layer.parameter_count
            rows.append([f"{place}.{name}", given, "" if joins else repr(layer), f"{parameters:,}"])
        return html_table([class_name(self), "of", "layer", "parameters"], rows, numeric=(3,))

    @property
    def nodes(self) -> tuple[tuple[Function, tuple[int, ...]], ...]:
        """Each layer or join with the places of its inputs."""
        return tuple(zip(self.layers, self.wires, strict=True))

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the layers that take the input take `shape`."""
        for place, (layer, sources) in enumerate(self.nodes):
            if sources == (-1,):
                try:
                    layer.check_input(shape)
                except ValueError as error:
                    raise ValueError(f"layer {place} ({layer!r}): {error}") from None

    def _values(self, x: Any, batch_ndim: int) -> list[Any]:
        """Return the value of every node, in their order, that of the input last: at place −1."""
        values: list[Any] = []
        for layer, sources in self.nodes:
            given = [values[k] if k >= 0 else x for k in sources]
            if isinstance(layer, _Parallel) and len(sources) > 1:
                values.append(layer._joined(given[0], given, batch_ndim))
            else:
                values.append(layer._forward(given[0], batch_ndim))
        return [*values, x]

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the value of the last node."""
        return self._values(x, batch_ndim)[-2]

    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add every layer and join."""
        places: list[int] = []
        for place, (layer, sources) in enumerate(self.nodes):
            at = [places[k] if k >= 0 else source for k in sources]
            if not (isinstance(layer, _Parallel) and len(sources) > 1):
                places.append(layer._record(record, at[0], f"{prefix}{place}."))
                continue
            values = [record.steps[part].value for part in at]
            value = layer._joined(values[0], values, record.batch_ndim)
            alone = sum(part in record.live for part in at) == 1
            edges = layer._edges(values[0], values, record.batch_ndim, alone)
            ways = [(part, [edge]) for part, edge in zip(at, edges, strict=False)]
            places.append(record.join(f"{prefix}{place}.{type(layer).__name__}", layer, value, ways))
        return places[-1]

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of all layers at their inputs."""
        values = self._values(np.asarray(x), 0)
        return pieces_of((layer, values[at[0]]) for layer, at in self.nodes if len(at) == 1)
