"""Jacobians of networks by their input, at a point: ours against the floor and against JAX, as ratios.

Contestants, all on the same weights and points:

structured   ``net.jacobian(x).dense()``: linearised, planned and multiplied by each call
compiled     ``backprop.compile(net)(x)``: the generated straight-line code
floor        the least dense matrix products by NumPy alone: no forward pass, no derivatives, no scaling
jax          ``jax.jit(jax.jacrev(f))`` or jacfwd, the faster of the two, weights closed over (where jax is installed)

Each runtime has a worker process of its own, for two thread pools in one process stall each other. Answers are
compared before anything is timed. Blocks of calls are interleaved in random order; a ratio is that of two blocks of
the same round, and its median and quartiles over all rounds are shown. A ratio above 1 says that ours is faster.

    python benchmarks/point_jacobians.py [--quick] [--threads 2] [--jax-python PATH]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

CASES: dict[str, tuple[list[int], str]] = {
    "2-3-4-1 tanh": ([2, 3, 4, 1], "tanh"),
    "2-3-4-1 relu": ([2, 3, 4, 1], "relu"),
    "64-128-64-10 tanh": ([64, 128, 64, 10], "tanh"),
    "784-256-32-256-784 tanh": ([784, 256, 32, 256, 784], "tanh"),
    "784-256-32-256-784 relu": ([784, 256, 32, 256, 784], "relu"),
    "256 × 20 tanh": ([256] * 21, "tanh"),
    "256 × 20 relu": ([256] * 21, "relu"),
    "1024 × 4 tanh": ([1024] * 5, "tanh"),
    "1024 × 4 relu": ([1024] * 5, "relu"),
}
OURS = ("structured", "compiled")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def weights_and_point(case: str) -> tuple[list[Any], Any]:
    """Return the weights (W, b) of each layer and the point, the same in every process."""
    sizes, _ = CASES[case]
    generator = np.random.default_rng(sum(map(ord, case)))
    weights = [
        (generator.standard_normal((h, n)) / np.sqrt(n), generator.standard_normal(h) / 10)
        for n, h in pairwise(sizes)
    ]
    return weights, generator.standard_normal(sizes[0])


# --- contestants -----------------------------------------------------------------------------------------


def numpy_contestants(case: str) -> dict[str, Callable[[], Any]]:
    """Return what runs in the process of NumPy."""
    import backprop
    from backprop import MLP
    from jacobians.association import cheapest, evaluate
    from jacobians.structures import Dense

    weights, x = weights_and_point(case)
    net = MLP(weights, activation=CASES[case][1], loss="squared-error")
    compiled = backprop.compile(net)
    matrices = [W for W, _ in weights[::-1]]
    tree = cheapest([Dense(W).spec for W in matrices]).tree

    def product(tree: Any) -> Any:
        return matrices[tree] if isinstance(tree, int) else product(tree[0]) @ product(tree[1])

    assert evaluate(tree, [Dense(W) for W in matrices]).shape == (len(matrices[0]), len(x))
    return {
        "structured": lambda: net.jacobian(x).dense(),
        "compiled": lambda: compiled(x),
        "floor": lambda: product(tree),
    }


def jax_contestants(case: str) -> dict[str, Callable[[], Any]]:
    """Return what runs in the process of JAX."""
    import jax

    jax.config.update("jax_enable_x64", True)
    weights, point = weights_and_point(case)
    layers = [(jax.numpy.asarray(W), jax.numpy.asarray(b)) for W, b in weights]
    phi = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[CASES[case][1]]
    x = jax.numpy.asarray(point)

    def network(x: Any) -> Any:
        for W, b in layers[:-1]:
            x = phi(W @ x + b)
        return layers[-1][0] @ x + layers[-1][1]

    found: dict[str, Callable[[], Any]] = {}
    for name, derive in (("jax jacrev", jax.jacrev), ("jax jacfwd", jax.jacfwd)):
        jitted = jax.jit(derive(network))
        found[name] = lambda jitted=jitted: jitted(x).block_until_ready()
    return found


# --- workers ---------------------------------------------------------------------------------------------


def work(runtime: str) -> None:
    """Answer requests, a line of JSON each: {case, answers: directory} or {case, contestant, calls}."""
    made: dict[str, dict[str, Callable[[], Any]]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = request["case"]
        if case not in made:
            made.clear()
            made[case] = (numpy_contestants if runtime == "numpy" else jax_contestants)(case)
        contestants = made[case]
        if "answers" in request:
            for name, call in contestants.items():
                np.save(Path(request["answers"]) / f"{name}.npy", np.asarray(call()))
            print(json.dumps(list(contestants)), flush=True)
            continue
        call = contestants[request["contestant"]]
        call()  # warm
        start = time.perf_counter()
        for _ in range(request["calls"]):
            call()
        print(json.dumps((time.perf_counter() - start) / request["calls"]), flush=True)


class Worker:
    """A process of one runtime."""

    def __init__(self, python: str, runtime: str, threads: int) -> None:
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path[1:2]])
        if runtime == "jax":
            environment.pop("PYTHONPATH")
            environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        self.process = subprocess.Popen(
            [python, __file__, "--worker", runtime],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def ask(self, **request: Any) -> Any:
        """Return the answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended while it was asked for {request}")
        return json.loads(answer)


def compare_answers(directory: str, names: list[str]) -> None:
    """Raise unless all answers agree; the floor answers another question."""
    answers = {name: np.load(Path(directory) / f"{name}.npy") for name in names if name != "floor"}
    expected = answers["structured"]
    for name, answer in answers.items():
        if answer.shape != expected.shape or not np.allclose(
            answer, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max()
        ):
            raise SystemExit(f"{name} gives another answer than structured; nothing is timed")


def measure(case: str, workers: dict[str, Worker], rounds: int, block: float) -> dict[str, list[float]]:
    """Return the times of each contestant, one a round, blocks in random order."""
    places: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as directory:
        for worker in workers.values():
            places |= dict.fromkeys(worker.ask(case=case, answers=directory), worker)
        compare_answers(directory, list(places))
    calls = {}
    for name, worker in places.items():
        once = worker.ask(case=case, contestant=name, calls=3)
        calls[name] = max(1, min(20000, int(block / once)))
    times: dict[str, list[float]] = {name: [] for name in places}
    for _ in range(rounds):
        for name in random.sample(list(places), len(places)):
            times[name].append(places[name].ask(case=case, contestant=name, calls=calls[name]))
    return times


def ratio(times: list[float], own: list[float]) -> str:
    """Return the median of the ratios of the rounds, and their quartiles."""
    ratios = sorted(other / mine for other, mine in zip(times, own, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| case | ours | time | floor / ours | jax / ours |", "|---|---|---|---|---|"]
    for case, times in results.items():
        peers = [name for name in times if name.startswith("jax")]
        peer = min(peers, key=lambda name: statistics.median(times[name])) if peers else None
        for name in OURS:
            own = times[name]
            against = f"{ratio(times[peer], own)}, {peer.removeprefix('jax ')}" if peer else "not installed"
            spent = f"{statistics.median(own) * 1e6:,.1f} µs"
            lines.append(f"| {case} | {name} | {spent} | {ratio(times['floor'], own)} | {against} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter blocks")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of BLAS and of XLA")
    parser.add_argument("--jax-python", default=sys.executable, help="an interpreter that has jax")
    parser.add_argument("--case", action="append", choices=list(CASES), help="by default all")
    parser.add_argument("--worker", choices=["numpy", "jax"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    has_jax = options.jax_python != sys.executable or importlib.util.find_spec("jax") is not None
    workers = {"numpy": Worker(sys.executable, "numpy", options.threads)}
    if has_jax:
        workers["jax"] = Worker(options.jax_python, "jax", options.threads)
    rounds, block = (7, 0.02) if options.quick else (25, 0.1)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, float64, {rounds} rounds of {block} s a contestant\n"
    )
    results = {case: measure(case, workers, rounds, block) for case in options.case or CASES}
    print(table(results))
    for worker in workers.values():
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        worker.process.wait(timeout=60)


if __name__ == "__main__":
    main()
