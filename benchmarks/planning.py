"""How fast plans are made: ratios to NumPy's own planner of `numpy.linalg.multi_dot`, in one run.

Chains whose sizes repeat (small sizes, all equal) may have several cheapest bracketings: they show the interval
programme, the others the polygon.

Run ``python benchmarks/planning.py``. The blocks of calls are interleaved, so that a disturbance of the machine meets
all of them, and medians are printed. NumPy's planner gets the shapes of the same chains; it knows dense factors only.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.linalg import _linalg

from backprop import Chain
from jacobians import Spec, association

ROUNDS = 9


def dense(count: int, largest: int, seed: int) -> list[Spec]:
    """Return dense factors with random sizes."""
    sizes = np.random.default_rng(seed).integers(1, largest, count + 1, endpoint=True).tolist()
    return [Spec.dense(m, n) for m, n in pairwise(sizes)]


def network(count: int, seed: int) -> list[Spec]:
    """Return a network's chain by its first weights: softmax, then layers and activations, I ⊗ xᵀ at the end."""
    random = np.random.default_rng(seed)
    rows = 10
    specs = [Spec.low_rank(rows, 1)]
    while len(specs) < count - 1:
        columns = int(random.integers(16, 513))
        specs += [Spec.dense(rows, columns), Spec.diagonal(columns)]
        rows = columns
    return [*specs[: count - 1], Spec.kronecker(Spec.identity(rows), Spec.dense(1, 64))]


def numpy_planner(specs: list[Spec]) -> Callable[[], object]:
    """Return NumPy's planner on the shapes of a chain; arrays of no memory stand for the factors."""
    arrays = [np.broadcast_to(0.0, spec.shape) for spec in specs]
    return lambda: _linalg._multi_dot_matrix_chain_order(arrays)


def our_planner(specs: list[Spec]) -> Callable[[], object]:
    """Return our planner on a chain that has no plan yet."""

    def plan() -> object:
        chain = Chain.from_specs(specs)
        # a new chain of known specs would be looked up: forget it, so that planning is what is measured
        association._looked_up.cache_clear()
        start = time.perf_counter()
        chain.plan("optimal")
        return time.perf_counter() - start

    return plan


def main() -> None:
    """Measure and print."""
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, medians of {ROUNDS}"
    )
    chains = {"100 structured factors": network(100, 0)}
    for largest in (100, 1_000, 1_000_000):
        for seed in range(3):
            chains[f"100 dense, sizes to {largest:,} (seed {seed})"] = dense(100, largest, seed)
    chains["100 dense, all 256×256"] = [Spec.dense(256, 256)] * 100
    for largest in (1_000, 1_000_000):
        for seed in range(3):
            chains[f"500 dense, sizes to {largest:,} (seed {seed})"] = dense(500, largest, seed)
    theirs: dict[str, list[float]] = {name: [] for name in chains}
    ours: dict[str, list[float]] = {name: [] for name in chains}
    for _ in range(ROUNDS):
        for name, specs in chains.items():
            ours[name].append(float(our_planner(specs)()))  # type: ignore[arg-type]  # seconds
            if len(specs) <= 100:
                start = time.perf_counter()
                numpy_planner(specs)()
                theirs[name].append(time.perf_counter() - start)
    for name in chains:
        own = statistics.median(ours[name])
        if theirs[name]:
            ratio = statistics.median(
                their / mine for their, mine in zip(theirs[name], ours[name], strict=True)
            )
            print(f"{name:42} {own * 1e3:8.3f} ms   {ratio:6.0f}× NumPy's planner")
        else:
            print(f"{name:42} {own * 1e3:8.3f} ms")
    chain = Chain.from_specs(network(100, 0))
    chain.plan("optimal")
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(1000):
            chain.plan("optimal")
        times.append((time.perf_counter() - start) / 1000)
    print(f"{'a repeated plan':42} {statistics.median(times) * 1e6:8.3f} µs")


if __name__ == "__main__":
    main()
