"""The δ recursion over a batch as one straight-line NumPy function of points, targets and parameters."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.compiling.memory import Memory, Written
from backprop.compiling.nodes import Node, RecordingError, fixed_nodes, matrix_products
from backprop.compiling.printing import Printer, imports, needed
from backprop.compiling.recording import Recording
from backprop.compiling.stored_arrays import identifiers
from backprop.learning.backpropagation import delta_gradients
from jacobians import Function, Sequential
from jacobians.names import class_name
from jacobians.numerics.arrays import Array


@dataclass(frozen=True)
class GradientTrace:
    """The recorded operations of the gradients of a mean loss.

    Attributes
    ----------
    nodes : list of Node
        What the gradients depend on, in order.
    results : dict of str to Node
        A gradient for each parameter.
    arguments : collection of str
        What the code calls points, targets and parameters.
    """

    nodes: list[Node]
    results: dict[str, Node]
    arguments: Collection[str]


def target_name(loss: Function, rows: Array) -> str:
    """Return the attribute in which a loss keeps the targets that it was made for.

    Raises
    ------
    RecordingError
        If there is not exactly one array of their shape.
    """
    found = [
        name
        for name, value in vars(loss).items()
        if isinstance(value, np.ndarray) and value.shape == rows.shape and np.array_equal(value, rows)
    ]
    if len(found) != 1:
        raise RecordingError(
            f"loss: {class_name(loss)} keeps {len(found)} arrays of the targets' shape {rows.shape}, "
            f"expected one, so that other targets can take its place"
        )
    return found[0]


def trace_gradients(
    network: Sequential, loss: Function, rows: Array, points: tuple[int, ...], dtype: Any, *, divisor: int
) -> GradientTrace:
    """Return the recorded operations of the gradients by all parameters.

    Parameters
    ----------
    network : Sequential
        Of affine layers and others that have no parameters.
    loss : Function
        Made for `rows`.
    rows : numpy.ndarray, shape (N, k)
        Targets; other ones take their place.
    points : tuple of int
        The shape of the points, (N, d).
    dtype : dtype
    divisor : int
        The number of points over which the mean is taken.

    Raises
    ------
    RecordingError
        If a layer or the loss does what straight-line code can't.
    """
    recording = Recording(share=True)
    x: Any = recording.input("x", points, dtype)
    y = recording.input("y", rows.shape, rows.dtype)
    loss_of_y = copy.copy(loss)
    setattr(loss_of_y, target_name(loss, rows), y)
    values = network.parameters
    called = identifiers([".".join(reversed(name.rsplit(".", 1))) for name in values])
    bound = network.bind(
        {
            name: recording.input(argument, value.shape, value.dtype)
            for (name, value), argument in zip(values.items(), called, strict=True)
        }
    )
    gradients: dict[str, Any] = delta_gradients(bound, bound._values(x, 1), loss_of_y, points=divisor)
    results = {name: recording.lift(gradient).node for name, gradient in gradients.items()}
    nodes = needed(recording.nodes, list(results.values()), everything_counted=False)
    return GradientTrace(nodes, results, ["x", "y", *called])


def gradient_source(
    trace: GradientTrace, title: str, name: str = "gradients", *, takes_out: bool = True
) -> Written:
    """Return a module with a function `make` of constants that returns the function `gradients`, or another name.

    Parameters
    ----------
    trace : GradientTrace
    title : str
        The first line of the docstring.
    name : str
    takes_out : bool
        Whether the last argument of the function is `out`, arrays that take the results, or None for fresh ones.
    """
    constants: dict[str, Array] = {}
    results = list(trace.results.values())
    fixed = fixed_nodes(trace.nodes)
    memory = Memory(trace.nodes, results, fixed)
    names = [f"g{place}" for place in range(1, len(results) + 1)]
    given = {
        id(node): name
        for name, node in zip(names, results, strict=True)
        if takes_out and node.takes_out and id(node) not in fixed
    }
    printer = Printer(trace.nodes, results, constants, memory=memory, given=given)
    before = printer.lines([node for node in trace.nodes if id(node) in fixed], prefix="k")
    lines = printer.lines([node for node in trace.nodes if id(node) not in fixed])
    # a call never returns memory that the next one reads, that is an argument's, or that is returned twice
    answers, returned = [], set(fixed)
    for node in results:
        shared = id(node.root) in returned or node.root.kind == "input" or node.function is np.broadcast_to
        answers.append(f"np.array({printer.operand(node)})" if shared else printer.operand(node))
        returned.add(id(node.root))
    opened = [f"{', '.join(names)}{',' if len(names) == 1 else ''} = out"] if takes_out else []
    taken = [*trace.arguments, *([f"out=(None,) * {len(names)}"] if takes_out else [])]
    inner = [*opened, *memory.beginning(), *printer.freed(lines, " ".join(answers)), *memory.ending()]
    text = [
        *f'"""{title}"""'.split("\n"),
        *before,
        "",
        *memory.setting_up(),
        f"def {name}({', '.join(taken)}):",
        *(f"    {line}" for line in inner),
        f"    return {', '.join(answers)}{',' if len(answers) == 1 else ''}",
        "",
        f"return {name}",
    ]
    body = "\n".join(f"    {line}".rstrip() for line in text)
    source = f"{imports(trace.nodes)}\n\ndef make({', '.join(constants)}):\n{body}\n"
    return Written(source, constants, memory.nbytes, matrix_products(trace.nodes, fixed))
