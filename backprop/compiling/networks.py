"""A network's Jacobian as one straight-line NumPy function: forward pass, factors and product recorded together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.chain import Chain
from backprop.compiling.broadcasting import tiled
from backprop.compiling.dead_units import live_chain
from backprop.compiling.memory import Memory, Written
from backprop.compiling.nodes import Node, by_need, fixed_nodes, matrix_products
from backprop.compiling.plans import dense_form
from backprop.compiling.printing import Printer, imports, needed
from backprop.compiling.recording import Recording
from backprop.compiling.recording_ledger import RecordingLedger
from backprop.compiling.stored_arrays import identifiers
from backprop.plan import Plan
from jacobians import Cost, Function
from jacobians.cost import ZERO_COST
from jacobians.layers.recording import Record
from jacobians.numerics.arrays import Array, is_recorded
from jacobians.planning.bracketing import evaluate
from jacobians.planning.execute import eliminated
from jacobians.planning.plan import GraphPlan, quick_plan


@dataclass(frozen=True)
class Trace:
    """The recorded operations of a Jacobian at a point that is not known yet.

    Attributes
    ----------
    nodes : list of Node
        What the result depends on, in order.
    result : Node
        The dense Jacobian.
    once : set of int
        The ids of the nodes that depend on constants only, which are computed once.
    plan : Plan or GraphPlan
        How the factors are multiplied, or where paths meet the vertices eliminated.
    """

    nodes: list[Node]
    result: Node
    once: set[int]
    plan: Plan | GraphPlan

    @property
    def returned(self) -> list[Node]:
        """The results in their order: one."""
        return [self.result]

    @property
    def cost(self) -> Cost:
        """What the products of one call cost."""
        return sum((node.cost for node in self.nodes if id(node) not in self.once), ZERO_COST)

    @property
    def working_set(self) -> int:
        """The bytes of the largest product with its operands, constants not counted."""
        own = [node for node in self.nodes if id(node) not in self.once and node.cost != ZERO_COST]
        sizes = [
            sum(_bytes(part) for part in [node, *node.operands()] if id(part) not in self.once)
            for node in own
        ]
        return max(sizes, default=0)

    @property
    def drops_dead_units(self) -> bool:
        """Whether the code looks for the units that are live."""
        return any(node.function is np.flatnonzero for node in self.nodes)


def _bytes(node: Node) -> int:
    return int(np.prod(node.shape)) * node.dtype.itemsize


def trace_jacobian(
    network: Function,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    by: str,
    loss: Function | None,
    batched: bool,
    keep_units: bool = False,
) -> Trace:
    """Return the recorded operations of ∂(loss ∘ network)/∂by at a point of some shape.

    Parameters
    ----------
    network : Function
    shape : tuple of int
        Of the point; with `batched` the number of points first.
    dtype : dtype
    by : str
    loss : Function or None
    batched : bool
    keep_units : bool
        Whether dead units stay: which ones they are depends on numbers, and with them all shapes.

    Raises
    ------
    RecordingError
        If a layer does what straight-line code can't.
    """
    recording = Recording(share=True)
    x: Any = recording.input("x", shape, dtype)
    values = network.parameters
    names = identifiers([".".join(reversed(name.rsplit(".", 1))) for name in values])
    constants = {
        name: recording.constant(value, called)
        for (name, value), called in zip(values.items(), names, strict=True)
    }
    # the library's own code below the doors, on arrays that write down what is done to them
    bound = network.bind(constants)
    record = Record.of(bound, x, [by], int(batched), loss=loss)
    chains = record.chains()
    ledger = RecordingLedger(recording)
    plan: Plan | GraphPlan
    if chains is None:
        plan = quick_plan(record.graph())
        product = eliminated(plan, ledger)[record.output, record.sources[by]]
    else:
        factors = chains[by]
        shapes = factors[0].out_shape, factors[-1].in_shape
        # in a batch each point has dead units of its own
        reduced = None if batched or keep_units else live_chain(recording, factors)
        if reduced is not None:
            factors = reduced
        plan = Chain(factors).plan(dead_units=False)
        product = evaluate(plan.tree, factors, ledger).reshaped(*shapes)
    result = recording.lift(dense_form(product, ledger))
    if batched and result.shape != (shape[0], *product.shape):
        result = np.broadcast_to(result, (shape[0], *product.shape))
    # the forward pass first, then the factors from the output back, last that of a loss, by which products
    # begin: few changes of the error state
    made = [factor for _, _, factor in reversed(record.edges)]
    made = made if loss is None else [*made[1:], made[0]]
    stored = [array for factor in made for array in factor.flatten().values() if is_recorded(array)]
    value = recording.lift(record.steps[record.output].value)
    ordered = by_need(recording.nodes, [array.node for array in (value, *stored)])
    nodes = needed(ordered, [result.node], everything_counted=False)
    once = fixed_nodes(nodes)
    return Trace(tiled(nodes, once), result.node, once, plan)


def array_form(trace: Trace, title: str) -> Written:
    """Return the NumPy code of a trace: a function `make` of the constants that returns `jacobian`.

    Parameters
    ----------
    trace : Trace
    title : str
        The first line of the docstring.
    """
    constants: dict[str, Array] = {}
    result = trace.result
    last = result.root  # a reshape shares its memory
    reshaped = result is not last and getattr(result.function, "__name__", "") == "reshape"
    direct = last.takes_out and id(last) not in trace.once and (result is last or reshaped)
    memory = Memory(trace.nodes, [result], trace.once, last if direct else None)
    printer = Printer(trace.nodes, [result], constants, memory=memory, out="lines" if reshaped else "out")
    once = [node for node in trace.nodes if id(node) in trace.once]
    each = [node for node in trace.nodes if id(node) not in trace.once]
    before = printer.lines(once, prefix="k")
    lines = printer.lines(each, last_out=last if direct else None)
    if direct and reshaped:
        lines.insert(0, f"lines = None if out is None else out.reshape({last.shape})")
    answer = printer.operand(result)
    owned = id(result.root) not in trace.once and result.root.kind != "input"
    if not owned or getattr(result.function, "__name__", "") == "broadcast_to":
        answer = f"np.array({answer})"  # a call never returns memory that the next one reads
    shapes = "; ".join(f"{name} {value.shape}" for name, value in constants.items()) or "nothing"
    text = [f'"""{title}', "", f"Takes {shapes}.", f"Cost of a call: {trace.cost}.", '"""', *before, ""]
    body = [*memory.beginning(), *printer.freed(lines, answer), *memory.ending(), f"return {answer}"]
    inner = [f"    {line}" for line in body]
    text += memory.setting_up()
    text += [f"def jacobian(x{', out=None' if direct else ''}):", *inner, "", "return jacobian"]
    module = "\n".join(f"    {line}".rstrip() for line in text)
    source = f"{imports(trace.nodes)}\n\ndef make({', '.join(constants)}):\n{module}\n"
    return Written(source, constants, memory.nbytes, matrix_products(trace.nodes, trace.once), direct)
