"""A plan as plain NumPy code that runs by itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop.compiling.printing import Printer, needed
from backprop.compiling.recording import Recording
from backprop.compiling.recording_ledger import RecordingLedger
from backprop.compiling.stored_arrays import arguments_of, identifiers, recorded_factor, stored_arrays
from jacobians.names import quotable
from jacobians.numerics.arguments import checked_flag
from jacobians.numerics.arrays import Array
from jacobians.planning.trees import fold
from jacobians.products import multiply
from jacobians.products.expansion import expand
from jacobians.structures import Jacobian

if TYPE_CHECKING:
    from backprop.plan import Plan


def plan_source(plan: Plan, *, dense: bool = False) -> str:
    """Return the code of a plan: see :meth:`backprop.plan.Plan.to_source`."""
    checked_flag(dense, "dense")
    chain, live = plan.chain, plan.live_units
    recording = Recording()
    names = identifiers(chain.names)
    given = chain.jacobians or (None,) * len(chain)
    factors = [
        recorded_factor(recording, spec, name, like)
        for spec, name, like in zip(chain.specs, names, given, strict=True)
    ]
    arguments = [node.function for node in recording.nodes]
    shapes = [f"{node.function} {node.shape}" for node in recording.nodes]
    ledger = RecordingLedger(recording)
    marks: dict[int, str] = {}
    if live is None:
        product = _multiplied(plan, factors, ledger, marks)
    else:
        mark(
            ledger,
            marks,
            f"{live.dropped:,} of {live.units:,} units are dead: rows and columns of the others",
        )
        product = _multiplied(plan, live.taken(factors), ledger, marks)
        if live.rows is not None or live.columns is not None:
            mark(ledger, marks, "rows and columns of zeros for dead units at the ends")
        product = live.complete(product, factors, ledger)
    returned = stored_arrays(product, "result")
    if dense:
        mark_dense(ledger, marks)
        returned = {"result": dense_form(product, ledger)}
    body, answer = code(recording, returned, marks, fresh=dense)
    returns = "the dense form" if dense else f"{', '.join(returned) or 'nothing stored'}"
    header = [
        f"product of {plan.bracketing} ({plan.strategy}): {plan.spec.label}",
        "",
        f"Takes {'; '.join(shapes) or 'nothing'}.",
        f"Returns {returns}.",
        f"Cost: {plan.cost}.",
    ]
    if live is not None:
        header += [
            "",
            "For numbers with the same dead units; the code of the whole chain, plan(…), holds for all.",
        ]
    return function_source("product", arguments, header, body, answer)


def mark_dense(ledger: RecordingLedger, marks: dict[int, str]) -> None:
    """Put the remark before dense forms."""
    mark(ledger, marks, "the dense form; its cost is not part of the plan's")


def code(
    recording: Recording, returned: Mapping[str, Any], marks: Mapping[int, str], *, fresh: bool
) -> tuple[list[str], list[str]]:
    """Return the lines of what was recorded, with remarks, and what is returned.

    Parameters
    ----------
    recording : Recording
    returned : mapping of str to array
        The results by name.
    marks : mapping of int to str
        Remarks by the number of the node that they stand before.
    fresh : bool
        Whether what is returned is the caller's to write to.
    """
    nodes = [recording.lift(array).node for array in returned.values()]
    kept = needed(recording.nodes, nodes, everything_counted=True)
    printer = Printer(kept, nodes)
    body: list[str] = []
    places = {id(node): place for place, node in enumerate(recording.nodes)}
    at = [places[id(node)] for node in kept]
    bounds = [*sorted(marks), len(recording.nodes)]
    done = 0
    for start, stop in zip([0, *bounds], bounds, strict=False):
        if start in marks:
            body += [f"# {line}" for line in marks[start].split("\n")]
        first, done = done, bisect_left(at, stop, done)
        body += printer.lines(kept[first:done])
    answer = [printer.operand(node) for node in nodes]
    for place, (name, node) in enumerate(zip(returned, nodes, strict=True)):
        if fresh and node.root.kind in ("input", "constant"):
            body.append(f"{name} = np.array({answer[place]})")
            answer[place] = name
    return body, answer


def plan_arguments(plan: Plan) -> dict[str, Array]:
    """Return the arrays that the code of a plan takes, by name: see :meth:`backprop.plan.Plan.source_arguments`."""
    factors = plan.chain.jacobians
    if factors is None:
        raise ValueError(
            "chain: found specs without numbers, expected Jacobians; make it by Chain([...]) or Chain.from_network"
        )
    return arguments_of(factors, identifiers(plan.chain.names))


def _multiplied(
    plan: Plan, factors: list[Jacobian], ledger: RecordingLedger, marks: dict[int, str]
) -> Jacobian:
    """Return the product by the rows of the table, with a remark before the operations of each step."""
    steps = iter(plan.steps)

    def join(left: Jacobian, right: Jacobian) -> Jacobian:
        step = next(steps)
        mark(ledger, marks, f"{step.left} · {step.right}: {step.formula}")
        return multiply(left, right, ledger)

    return fold(plan.tree, factors.__getitem__, join)


def mark(ledger: RecordingLedger, marks: dict[int, str], remark: str) -> None:
    """Put a remark before what is recorded next; a step that takes no operation shares the place of the next."""
    place = len(ledger.recording.nodes)
    marks[place] = f"{marks[place]}\n{remark}" if place in marks else remark


def dense_form(jacobian: Jacobian, ledger: RecordingLedger) -> Any:
    """Return the dense array over all points of a recorded Jacobian."""
    array = expand(jacobian, ledger).A
    shape = jacobian.batch_shape + jacobian.shape
    return array if array.shape == shape else np.broadcast_to(ledger.recording.lift(array), shape)


def function_source(
    name: str, arguments: list[str], header: list[str], body: list[str], answer: list[str]
) -> str:
    """Return a module with one function that imports numpy only."""
    indent = "    "
    first, *rest = map(quotable, header)
    doc = [f'"""{first}', *rest, '"""']
    lines = [line for part in doc + body for line in part.split("\n")]
    inner = "\n".join(f"{indent}{line}".rstrip() for line in lines)
    value = answer[0] if len(answer) == 1 else f"({', '.join(answer)})"
    return f"import numpy as np\n\n\ndef {name}({', '.join(arguments)}):\n{inner}\n{indent}return {value}\n"
