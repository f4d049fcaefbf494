"""Jacobians of plain NumPy code of scalars, one vector in and one out, at a point and at many."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .family import Call, Case, Family, Goal

TASKS = Path(__file__).parents[1] / "graph_tasks.py"


@dataclasses.dataclass(frozen=True)
class GraphTask:
    """A task of ``graph_tasks.py``.

    Attributes
    ----------
    name : str
    points : int, optional
        How many, near that of the task; None for that one without an axis of points.
    dtype : str
        float64 only.
    """

    name: str
    points: int | None = None
    dtype: str = "float64"

    def on(self, arrays: Any = np, special: Any = None) -> tuple[Callable[[Any], Any], Any]:
        """Return f of a vector, by a library with NumPy's names, and the point or points."""
        spec = importlib.util.spec_from_file_location("graph_tasks_copy", TASKS)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.np = arrays
        if special is not None:
            module.special = special
        task = next(task for task in module.TASKS if task.name == self.name)
        x = np.array(task.point, dtype=float)
        if self.points is not None:
            x = x * (1 + 0.01 * np.random.default_rng(len(self.name)).standard_normal((self.points, x.size)))
        function, stack = task.function, arrays.stack
        return lambda vector: stack(function(*vector)), x


def expected(problem: GraphTask) -> Any:
    """Return J by complex steps of 1e-30, with |z| and the angle as functions of complex numbers."""
    h = 1e-30
    functions = SimpleNamespace(
        **{name: getattr(np, name) for name in ("sin", "cos", "sqrt", "exp", "log", "stack")},
        abs=lambda z: np.where(np.real(z) < 0, -z, z),
        arctan2=lambda y, x: np.arctan2(y.real, x.real) + 1j * _turn(x, y),
    )
    f, x = problem.on(functions)
    n = x.shape[-1]
    moved = x[..., None, :] + 1j * h * np.eye(n)  # (…, n, n): an input a row
    return np.moveaxis(f(np.moveaxis(moved, -1, 0)).imag / h, 0, -2)


def _turn(x: Any, y: Any) -> Any:
    """Return by how much the angle of (x, y) turns with the imaginary parts."""
    return (x.real * y.imag - y.real * x.imag) / (x.real**2 + y.real**2)


GRAPHS = Family(
    "Jacobian of NumPy code", expected, flops=lambda problem: 1000.0 * (problem.points or 1)
)  # of some hundred operations a point
ALONE = "backprop.compile(f, x)(x)"
NUMBA = "backprop.compile(f, x, engine='numba')(x)"


def _ours(problem: GraphTask, engine: str) -> Call:
    import backprop

    f, x = problem.on()
    jacobian = backprop.compile(f, x, engine=engine, batched=problem.points is not None)
    return lambda: jacobian(x)


@GRAPHS.contestant(ALONE, role="ours")
def compiled(problem: GraphTask) -> Call:
    """The cheapest elimination of the graph as straight-line code on floats, or on columns of points."""
    return _ours(problem, "numpy")


@GRAPHS.contestant(NUMBA, role="ours")
def compiled_by_numba(problem: GraphTask) -> Call:
    """The same recording compiled by Numba (extra `fast`)."""
    return _ours(problem, "numba")


def _jax(problem: GraphTask, derive: str) -> Call:
    import jax

    f, x = problem.on(jax.numpy, jax.scipy.special)
    jacobian = getattr(jax, derive)(f)
    jitted = jax.jit(jacobian if problem.points is None else jax.vmap(jacobian))
    x = jax.numpy.asarray(x)
    return lambda: jitted(x).block_until_ready()


@GRAPHS.contestant("jax.jit(jacrev)", runtime="jax")
def jax_reverse(problem: GraphTask) -> Call:
    """Reverse mode."""
    return _jax(problem, "jacrev")


@GRAPHS.contestant("jax.jit(jacfwd)", runtime="jax")
def jax_forward(problem: GraphTask) -> Call:
    """Forward mode."""
    return _jax(problem, "jacfwd")


CASES = tuple(
    Case(
        GRAPHS,
        f"{'a point' if points is None else f'{points} points'}, {name}",
        GraphTask(name, points),
        (Goal("jax", 5 if points is None else 1.5), Goal("jax", ours=ALONE)),
    )
    for points in (None, 1024)
    for name in ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")
)
