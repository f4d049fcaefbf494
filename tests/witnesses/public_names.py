"""What is public: all names, and an instance of every class."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import function_cases
import numpy as np
import structured_cases
import sympy

import backprop
import jacobians
import verification
from backprop import MLP, Chain, notes, report
from backprop.matrix_free import MatrixFreeChain
from jacobians import structures
from verification import course, grading

MODULES = (jacobians, structures, backprop, report, notes, verification, grading, course)


def names_of(module: ModuleType) -> list[str]:
    """Return what can be called in a public module, by name."""
    own = [
        name
        for name, thing in vars(module).items()
        if name[0] != "_" and getattr(thing, "__module__", "") == module.__name__
    ]
    return [name for name in getattr(module, "__all__", own) if callable(getattr(module, name))]


NAMES = [(module.__name__, name) for module in MODULES for name in names_of(module)]


def _instances() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield how to make an instance of every structure and function, and of every result."""
    made = [case.jacobian for case in structured_cases.CASES]
    for of_class in {(type(own), bool(own.batch_shape)): own for own in made}.values():
        yield f"{type(of_class).__name__}{'s' if of_class.batch_shape else ''}", lambda own=of_class: own
    for own in {type(case.function): case.function for case in function_cases.CASES}.values():
        yield type(own).__name__, lambda own=own: own
    X, labels = np.random.default_rng(0).standard_normal((4, 3)), [0, 1, 1, 0]
    net = MLP.initialize([3, 4, 2], activation="tanh", seed=1)
    J = np.diag(np.cos(X[0]))
    chain = Chain([np.ones((2, 3)), np.ones((3, 3)), np.ones((3, 2))])
    trained = functools.cache(lambda: backprop.fit(net, X, labels, epochs=1, learning_rate=0.1))
    graph = jacobians.trace(np.sin, X[0])
    n, h = sympy.symbols("n h", integer=True, positive=True)
    free = MatrixFreeChain([(2, 3, 4), (3, 2, 5)])
    yield from {
        "MLP": lambda: net,
        "from_numpy": lambda: jacobians.from_numpy(lambda x: np.sin(x)),
        "Linearization": lambda: net.linearize(X[0]),
        "Spec": lambda: jacobians.Spec.dense(2, 3),
        "Cost": lambda: jacobians.Cost(1, 2),
        "Graph": lambda: graph,
        "GraphPlan": lambda: graph.plan(),
        "GraphExecution": lambda: graph.plan().execute(),
        "Chain": lambda: chain,
        "Chain of specs": lambda: Chain.from_shapes([(1, 2), (2, 3)]),
        "Chain of a network": lambda: Chain.from_network(net, X[0]),
        "Plan": lambda: chain.plan(),
        "Execution": lambda: chain.plan().execute(),
        "Comparison": lambda: backprop.compare(chain),
        "MatrixFreeChain": lambda: free,
        "MatrixFreePlan": lambda: free.plan(),
        "CompiledJacobian": lambda: backprop.compile(net),
        "CompiledGradients": lambda: backprop.compile_gradients(net, 4),
        "TrainingResult": trained,
        "TrainingState": lambda: trained().state,
        "Saliency": lambda: backprop.saliency(net, X[0], 1),
        "MaximizedInput": lambda: backprop.maximize_input(net, 1, step_size=0.1, steps=2),
        "Descent": lambda: backprop.gradient_descent(jacobians.SquaredNorm(), X[0], step_size=0.1, steps=2),
        "Digits": backprop.load_digits,
        "Picture": lambda: backprop.picture(net.jacobian(X[0])),
        "Report": lambda: report.report_network(net, X[0]),
        "Settings": report.Settings,
        "Asked": lambda: report.Asked(points=(1, 4), heading="A network"),
        "Formula": lambda: notes.formulas()["B6"],
        "Result": lambda: notes.run(notes.formulas()["B6"]),
        "CheckReport": lambda: verification.check(np.sin, X[0], J),
        "TaylorResult": lambda: verification.taylor_test(np.sin, X[0], J),
        "AdjointResult": lambda: verification.adjoint_test(structures.Dense(J)),
        "StepErrors": lambda: verification.step_errors(np.sin, X[0]),
        "Diagnosis": lambda: verification.diagnose(J, -J),
        "RichardsonResult": lambda: verification.richardson_jacobian(np.sin, X[0]),
        "SymbolicJacobian": lambda: verification.symbolic_jacobian(np.sin, X[0]),
        "Enclosure": lambda: verification.certified_jacobian(np.sin, X[0]),
        "Budget": verification.Budget,
        "error map": lambda: verification.error_map(J, -J),
        "SubmissionResult": lambda: grading.SubmissionResult("ann.py", "Signs", ()),
        "Repeat": lambda: structures.Repeat(2, q=3),
        "ClassScore": lambda: backprop.ClassScore(net, 1, penalty=0.5),
        "CompiledGraph": lambda: backprop.compile(graph.plan()),
        "CompiledProducts": lambda: backprop.compile_products(net),
        "ProductsAt": lambda: backprop.compile_products(net).at(X[0]),
        "Epoch": lambda: trained().history[-1],
        "FormulaCosts": lambda: backprop.formula_costs("U*tanh(W*x)", "x"),
        "imported": imported,
        "ImportCheck": lambda: imported().imported,
        "LayerCosts": lambda: backprop.layer_costs(net, X[0]),
        "NetworkShape": lambda: backprop.NetworkShape((3, 4, 2)),
        "Step": lambda: chain.plan().steps[0],
        "Sweep": lambda: backprop.sweep("mlp", widths=[4], depths=[2], inputs=3, outputs=2),
        "SymbolicCosts": lambda: backprop.symbolic_costs(Chain.from_shapes([(n, h), (h, h), (h, n)])),
        "of a derivative": lambda: reported().derivatives[0],
        "Layer": lambda: reported().layers[0],
        "LayerJacobian": lambda: reported().layers[0].jacobians[0],
        "Training": lambda: report.Training(
            report.Settings(), backprop.load_digits(), trained().history, 0.5, 0, 1, 2
        ),
        "Finding": lambda: notes.run(notes.formulas()["B6"]).witnesses[0],
        "Slip": lambda: next(row.slip for row in notes.formulas().values() if row.slip),
        "Witness of a formula": lambda: notes.formulas()["B6"].witnesses[0],
        "BackwardReport": backward,
        "GradientRow": lambda: backward().rows[0],
        "FormulaReport": lambda: verification.check_formula("x'*A*x", "x", "2*A*x"),
        "Witness": lambda: verification.check(np.sin, X[0], J).witnesses[0],
        "Worst": lambda: verification.check(np.sin, X[0], -J).worst,
        "undecided": lambda: verification.check(np.abs, [0.0, 1.0], np.eye(2)),
        "Assignment": lambda: grading.load_assignment(ASSIGNMENT),
        "Attempt": lambda: grading.Attempt(grading.SubmissionResult("ann.py", "Signs", ()), ("sign",)),
        "ItemResult": lambda: grading.ItemResult("f", "p", 1.0, 1.0, "right", "right", "", "", "visible"),
        "Derivative": lambda: jacobians.derive("a'*X*b", "X"),
        "Derivative with lines": lambda: jacobians.derive("z = W*x; tanh(z)'*z", "x"),
        "Derivative of code": lambda: jacobians.derive(quadratic, "x", declare={"A": "n×n", "x": "n"}),
        "Form": lambda: jacobians.derive("W*x + b", "W", declare={"W": "h×d", "b": "h"}).matrix(),
        "Steps": lambda: jacobians.derive("x'*A*x", "x").steps,
    }.items()


ASSIGNMENT = Path(__file__).parents[2] / "examples/assignment/assignment.toml"


def quadratic(x: Any, A: Any) -> Any:
    """Return xᵀAx."""
    return x @ A @ x


@functools.cache
def reported() -> report.Report:
    """Return a report of a small network."""
    net = MLP.initialize([3, 4, 2], activation="relu", seed=1)
    return report.report_network(net, np.array([0.3, -0.2, 0.9]))


@functools.cache
def imported() -> jacobians.Function:
    """Return a network that was read from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.json"
        path.write_text('{"input": [2], "layers": [{"kind": "affine", "W": [[1.0, 2.0]]}, {"kind": "tanh"}]}')
        return backprop.from_description(path)


def backward() -> verification.BackwardReport:
    """Return the report on a backward pass."""
    return verification.check_backward(
        lambda x: np.square(x), lambda dout, x: 2 * x * dout, x=np.array([1.0, 2.0])
    )


INSTANCES = dict(_instances())
