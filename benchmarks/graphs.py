"""Elimination costs of graphs, and the time of the code: ``python benchmarks/graphs.py [EVALUATIONS]``.

Three tables. The published scalar graphs: multiplications by forward, reverse, Markowitz, the best that was published,
and our search without and with structure. Our own transcriptions of the functions (`graph_tasks.py`), counted alike.
And the time of a call of the generated code beside ``jax.jit(jax.jacrev)`` and ``jax.jit(jax.jacfwd)``, where JAX is
installed: one process, one point, CPU time of blocks of calls in turn, answers compared before.
"""

import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import backprop
from jacobians import Graph, trace
from jacobians.planning.plan import GraphPlan

HERE = Path(__file__).parent
DATA = HERE / "data" / "graphs"
TASKS = ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")
ROUNDS, BLOCK = 15, 0.03  # blocks of each contestant, seconds of one
STRATEGIES = ("forward", "reverse", "markowitz")


def read(task: str) -> tuple[Graph, dict[str, int]]:
    """Return a published graph and its published costs."""
    found = json.loads((DATA / f"{task}.json").read_text(encoding="utf-8"))
    return Graph.from_edges(found["inputs"], found["vertices"], found["outputs"], found["edges"]), found[
        "published"
    ]


def transcriptions() -> Any:
    """Return the module of our own transcriptions, a new copy of it."""
    spec = importlib.util.spec_from_file_location("graph_tasks_copy", HERE / "graph_tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def searched(graph: Graph, structure: bool, evaluations: int) -> tuple[GraphPlan, str]:
    """Return the plan of a search, and its CPU seconds."""
    begun = time.process_time()
    plan = graph.plan(structure=structure, evaluations=evaluations)
    return plan, f"{time.process_time() - begun:.1f}"


def counts(graph: Graph, structure: bool) -> list[str]:
    """Return the multiplications of the orders that take no search."""
    return [f"{graph.plan(s, structure=structure).cost.multiplications:,}" for s in STRATEGIES]


def row(*cells: Any) -> None:
    """Print a row of a table."""
    print("|", " | ".join(map(str, cells)), "|")


def published(evaluations: int) -> None:
    """Print the table of the published graphs."""
    head = (
        "task",
        "forward",
        "reverse",
        "Markowitz",
        "published best",
        "ours, every edge",
        "ours, structure",
        "seconds",
    )
    row(*head)
    row(*["---"] * len(head))
    for task in TASKS:
        graph, known = read(task)
        best = max(known.items(), key=lambda item: item[0] not in STRATEGIES)[1]
        dense, first = searched(graph, False, evaluations)
        ours, second = searched(graph, True, evaluations)
        found = dense.cost.multiplications, ours.cost.multiplications
        row(task, *counts(graph, False), best, *found, f"{first} + {second}")


def own(evaluations: int) -> dict[str, backprop.CompiledGraph]:
    """Print the table of our transcriptions, and return the code of the plans with structure."""
    head = (
        "task", "vertices", "every edge: forward, reverse, Markowitz", "ours", "structure: forward, reverse, Markowitz",
        "ours", "of these executed", "seconds",
    )  # fmt: skip
    row(*head)
    row(*["---"] * len(head))
    made = {}
    for task in transcriptions().TASKS:
        graph = trace(task.function, *task.point)
        dense, first = searched(graph, False, evaluations)
        ours, second = searched(graph, True, evaluations)
        made[task.name] = code = backprop.compile(ours)
        row(
            task.name, len(graph.vertices), ", ".join(counts(graph, False)), f"{dense.cost.multiplications:,}",
            ", ".join(counts(graph, True)), f"{ours.cost.multiplications:,}", f"{code.cost.multiplications:,}",
            f"{first} + {second}",
        )  # fmt: skip
    return made


def peers(task: Any, module: Any) -> dict[str, tuple[Callable[[], Any], Callable[[Any], list[Any]]]]:
    """Return calls of JAX, each with what makes a list of matrices of its answer."""
    import jax
    import jax.numpy as jnp
    import jax.scipy.special

    jax.config.update("jax_enable_x64", True)
    module.np, module.special = jnp, jax.scipy.special
    function = next(one.function for one in module.TASKS if one.name == task.name)
    scalars = all(np.ndim(x) == 0 for x in task.point)
    found = {}
    for name, transform in (("jacrev", jax.jacrev), ("jacfwd", jax.jacfwd)):
        if scalars:  # one vector in, one out: what is fastest there
            call = jax.jit(transform(lambda v, function=function: jnp.stack(function(*v))))
            given = (jnp.asarray(task.point),)
        else:
            call = jax.jit(transform(function, argnums=tuple(range(len(task.point)))))
            given = tuple(map(jnp.asarray, task.point))
        sizes = [1] * len(task.point) if scalars else [np.size(x) for x in task.point]

        def matrices(answer: Any, scalars: bool = scalars, sizes: list[int] = sizes) -> list[Any]:
            if scalars:
                return [np.asarray(answer)]
            return [np.asarray(one).reshape(-1, n) for one, n in zip(answer, sizes, strict=True)]

        found[name] = (lambda call=call, given=given: jax.block_until_ready(call(*given))), matrices
    return found


def medians(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the CPU seconds of a call of each, all threads: the median of blocks that are timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    many = {}
    for name, call in calls.items():
        call()
        begun = time.process_time()
        call()
        many[name] = max(1, int(BLOCK / max(time.process_time() - begun, 1e-7)))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begun = time.process_time()
            for _ in range(many[name]):
                call()
            times[name].append((time.process_time() - begun) / many[name])
    return {name: statistics.median(found) for name, found in times.items()}


def timed(made: Mapping[str, backprop.CompiledGraph]) -> None:
    """Print the times of the code, and those of JAX as multiples of it."""
    if importlib.util.find_spec("jax") is None:
        print("JAX is not installed: no times")
        return
    head = ("task", "form", "ours, µs of CPU a call", "jax.jit(jacrev) / ours", "jax.jit(jacfwd) / ours")
    row(*head)
    row(*["---"] * len(head))
    for task in transcriptions().TASKS:
        code = made[task.name]
        point = [np.asarray(x, dtype=float) for x in task.point]
        answer = code(*point)
        scalars = all(x.ndim == 0 for x in point)
        ours = [np.block([list(line) for line in answer])] if scalars else list(answer)
        calls: dict[str, Callable[[], Any]] = {"ours": lambda code=code, point=point: code(*point)}
        for name, (call, matrices) in peers(task, transcriptions()).items():
            for one, other in zip(ours, matrices(call()), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)
            calls[name] = call
        found = medians(calls)
        ratios = [f"{found[name] / found['ours']:.2f}" for name in ("jacrev", "jacfwd")]
        row(task.name, code.form, f"{1e6 * found['ours']:.1f}", *ratios)


def main(evaluations: int = 60_000) -> None:
    """Print the tables."""
    published(evaluations)
    print()
    made = own(min(evaluations, 20_000))
    print()
    timed(made)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
