"""Junk at every public door is answered by a sentence of ours: never by Python's or NumPy's own words."""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from public_names import INSTANCES, MODULES, NAMES
from pydantic import BaseModel

import backprop
import jacobians
import verification
from backprop import MLP, Chain, DivergenceError
from backprop.compiling.compiled import compile_network
from jacobians import structures
from jacobians.numerics.arrays import MemoryBudgetError
from verification import TracingError


class TheirError(Exception):
    """What code of a user's raises: it goes through as it is."""


class Broken:
    """What answers every question about itself with an error of its own."""

    def __repr__(self) -> str:
        raise TheirError("no text")

    def __len__(self) -> int:
        raise TheirError("no length")


def failing(*anything: Any) -> None:
    """Raise, as code of a user's may."""
    raise TheirError("no value")


class Colour(enum.Enum):
    RED = 1


JUNK: list[Any] = [
    None,
    True,
    np.False_,
    0,
    -1,
    3,
    3.0,
    2.5,
    float("nan"),
    float("inf"),
    10**400,
    -(10**400),
    1j,
    "",
    "3",
    "input",
    b"x",
    [],
    (),
    {},
    set(),
    {"0.W", "0.b"},
    [1, [2, 3]],
    [[1.0], [1.0, 2.0]],
    ["a", "b"],
    [None],
    {"W": 1.0},
    {1: 2},
    np.ones(3),
    np.ones((2, 3)),
    np.ones((0, 2)),
    np.ones(2, complex),
    np.array(["a"]),
    np.array([None, 1]),
    np.array(7),
    np.ones((1, 2)).view(np.matrix),
    np.ma.array([1.0, 2.0], mask=[0, 1]),
    np.array([True, False]),
    (True, 2),
    (3.0, 2),
    ("3", 2),
    (-1, 2),
    object(),
    object,
    id,
    failing,
    lambda *anything: None,
    (number for number in range(3)),
    range(2),
    slice(1, 2),
    Broken(),
    Colour.RED,
    np.float64,
    np.datetime64("2020-01-01"),
    jacobians.Tanh,
    jacobians.Tanh(),
    jacobians.Affine([[1.0, 2.0]]),
    structures.Diagonal([1.0, 2.0]),
    MLP([([[1.0, 2.0]], None)], loss="squared-error"),
]

THEIRS = re.compile(
    r"has no attribute|too large to convert|ambiguous|is not iterable|setting an array element|ufunc|"
    r"broadcast together|"
    r"unhashable|not subscriptable|cannot be interpreted|unsupported operand|not callable|out of bounds|inhomogeneous|"
    r"not supported between|could not convert|unexpected keyword|positional argument|must be|invalid literal|unpack|"
    r"can't multiply|has no len|object is not"
)


def _calls(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield what is called: the function or class itself, and the class methods that make one."""
    # a model of an assignment is made by load_assignment, from a file
    of_a_file = inspect.isclass(thing) and issubclass(thing, BaseModel)
    if not inspect.isabstract(thing) and not of_a_file:
        yield "", thing
    if inspect.isclass(thing):
        for name, member in inspect.getmembers(thing, inspect.ismethod):
            of_pydantic = hasattr(BaseModel, name)  # a library's own, which a model has
            if not name.startswith("_") and name != "unchecked" and not of_pydantic:
                yield f".{name}", member


def _arguments(call: Callable[..., Any]) -> list[inspect.Parameter]:
    return [
        parameter
        for parameter in inspect.signature(call).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _filled(
    parameters: list[inspect.Parameter], random: np.random.Generator
) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        value = JUNK[random.integers(len(JUNK))]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += [JUNK[place] for place in random.integers(len(JUNK), size=random.integers(1, 3))]
        elif parameter.default is inspect.Parameter.empty:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        elif random.random() < 0.3 and not any(
            p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters
        ):
            named[parameter.name] = value
    return positional, named


def _is_ours(error: Exception) -> bool:
    """Return whether an error is one of ours: its kind, its form, and none of the words of others."""
    if isinstance(
        error, TheirError | MemoryBudgetError | AssertionError | TracingError | DivergenceError
    ):  # a verdict, and what comes of a point and not of its type, say their reasons
        return True
    if isinstance(error, ImportError):  # an extra that isn't installed
        return str(error).startswith("found no ")
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    kinds = TypeError | ValueError | LookupError | OSError | ZeroDivisionError
    formed = re.match(r"(f returned|[\w⊗⁻ .\[\],()*'-]+?:) .*(found|expected)", text, re.DOTALL)
    return bool(isinstance(error, kinds) and formed and not THEIRS.search(text))


def _faults(name: str, call: Callable[..., Any], random: np.random.Generator, times: int) -> Iterator[str]:
    """Yield what a call says of junk where that isn't in words of ours."""
    parameters = _arguments(call)
    for _ in range(times if parameters else 0):
        positional, named = _filled(parameters, random)
        yield from _faults_of(name, lambda p=positional, n=named: call(*p, **n), positional)


def _faults_of(name: str, call: Callable[[], Any], positional: list[Any]) -> Iterator[str]:
    """Yield what one call says where that isn't in words of ours."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("error")
        try:
            given = call()
        except Exception as error:
            if not _is_ours(error):
                yield f"{name}: {type(error).__name__}: {str(error)[:150]}"
        else:
            if given is NotImplemented and not any(hasattr(value, REFLECTED[name]) for value in positional):
                yield f"{name}: leaves {positional} to Python"


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_junk_is_refused_by_name_or_taken(module: str, name: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    thing = getattr({m.__name__: m for m in MODULES}[module], name)
    random = np.random.default_rng(sum(map(ord, name)))
    wrong = []
    for suffix, call in _calls(thing):
        with contextlib.suppress(ValueError):  # a class of Python's own kind, whose signature isn't told
            wrong += _faults(f"{name}{suffix}", call, random, 150)
    assert not wrong, "\n".join(sorted(set(wrong))[:12])


# --- the methods of what is made -------------------------------------------------------------------------

REFLECTED = {
    "__add__": "__radd__", "__sub__": "__rsub__", "__mul__": "__rmul__", "__rmul__": "__mul__",
    "__truediv__": "__rtruediv__", "__matmul__": "__rmatmul__", "__rmatmul__": "__matmul__",
}  # fmt: skip
OPERATORS = (*REFLECTED, "__getitem__", "__call__")
AUTHORS = {"forward", "derivative", "check_input", "check_values", "smooth_piece"}
"""What authors of layers write: it stands below the doors, and is called with what has passed them."""


def _methods(thing: Any) -> Iterator[str]:
    for name in dir(type(thing)):
        if name.startswith("_") and name not in OPERATORS:
            continue
        if hasattr(BaseModel, name) and isinstance(thing, BaseModel):
            continue  # a library's own
        if inspect.isfunction(inspect.getattr_static(type(thing), name)) and name not in AUTHORS:
            yield name


@pytest.mark.parametrize("which", INSTANCES)
def test_methods_refuse_junk_by_name_or_take_it(which: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    thing = INSTANCES[which]()
    random = np.random.default_rng(sum(map(ord, which)))
    wrong = [fault for name in _methods(thing) for fault in _faults(name, getattr(thing, name), random, 60)]
    assert not wrong, "\n".join(sorted(set(wrong))[:12])


# --- one piece of junk among right arguments -------------------------------------------------------------

X = np.array([0.3, -0.7])
RIGHT = np.diag(np.cos(X))
NET = MLP.initialize([2, 3, 2], activation="tanh", seed=1)
CHAIN = Chain([np.ones((2, 3)), np.ones((3, 2))])
BATCH, LABELS = np.array([[0.3, -0.7], [0.1, 0.2]]), [0, 1]
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "check": (verification.check, {"f": np.sin, "x": X, "jacobian": RIGHT}),
    "check of a function": (verification.check, {"f": NET, "x": X, "wrt": "0.W"}),
    "assert_jacobian": (verification.assert_jacobian, {"f": np.sin, "jacobian": RIGHT, "at": X}),
    "assert_gradient": (verification.assert_gradient, {"f": np.sum, "gradient": np.ones(2), "at": X}),
    "taylor_test": (verification.taylor_test, {"f": np.sin, "x": X, "jacobian": RIGHT}),
    "adjoint_test": (verification.adjoint_test, {"jacobian": structures.Dense(RIGHT)}),
    "finite differences": (verification.finite_difference_jacobian, {"f": np.sin, "x": X}),
    "richardson_jacobian": (verification.richardson_jacobian, {"f": np.sin, "x": X}),
    "symbolic_jacobian": (verification.symbolic_jacobian, {"f": np.sin, "x": X}),
    "certified_jacobian": (verification.certified_jacobian, {"f": np.sin, "x": X}),
    "step_errors": (verification.step_errors, {"f": np.sin, "x": X}),
    "diagnose": (verification.diagnose, {"candidate": RIGHT, "expected": -RIGHT}),
    "check_backward": (
        verification.check_backward,
        {"forward": lambda x: x**2, "backward": lambda dout, x: 2 * x * dout, "x": X},
    ),
    "check_formula": (
        verification.check_formula,
        dict(zip(("formula", "by", "candidate"), ("x'*A*x", "A", "x*x'"), strict=True)),
    ),
    "error_map": (verification.error_map, {"candidate": RIGHT, "expected": -RIGHT}),
    "derive": (jacobians.derive, {"formula": "W*x", "by": "x"}),
    "trace": (lambda f, x, **options: jacobians.trace(f, x, **options), {"f": np.sin, "x": X}),
    "from_numpy": (jacobians.from_numpy, {"forward": np.sin}),
    "compare": (backprop.compare, {"chain": CHAIN}),
    "from_network": (Chain.from_network, {"network": NET, "x": X}),
    "plan": (CHAIN.plan, {}),
    "compile": (compile_network, {"network": NET}),
    "compile_gradients": (backprop.compile_gradients, {"network": NET, "points": 2}),
    "compile_products": (backprop.compile_products, {"network": NET}),
    "initialize": (MLP.initialize, {"sizes": [2, 3, 2]}),
    "fit": (backprop.fit, {"network": NET, "X": BATCH, "Y": LABELS, "epochs": 1, "learning_rate": 0.1}),
    "gradients": (NET.gradients, {"x": BATCH, "y": LABELS}),
    "jacobian": (NET.jacobian, {"x": X}),
    "saliency": (backprop.saliency, {"network": NET, "x": X, "class_": 1}),
    "maximize_input": (backprop.maximize_input, {"network": NET, "class_": 1, "steps": 2}),
    "gradient_descent": (
        backprop.gradient_descent,
        {"function": jacobians.SquaredNorm(), "start": X, "step_size": 0.1, "steps": 2},
    ),
    "sweep": (backprop.sweep, {"family": "mlp", "widths": [2], "depths": [2]}),
    "tangent_kernel": (backprop.tangent_kernel, {"network": NET, "X": BATCH}),
    "layer_costs": (backprop.layer_costs, {"network": NET, "x": X}),
    "formula_costs": (backprop.formula_costs, {"formula": "U*tanh(W*x)", "by": "x"}),
    "picture": (backprop.picture, {"jacobian": NET.jacobian(X)}),
    "Convolution": (jacobians.Convolution, {"W": np.ones((1, 1, 2, 2))}),
    "Elementwise": (jacobians.Elementwise, {"name": "sine", "f": np.sin, "df": np.cos}),
    "SoftmaxCrossEntropy": (jacobians.SoftmaxCrossEntropy, {"target": 1}),
    "LayerNorm": (jacobians.LayerNorm, {}),
    "Selection": (structures.Selection, {"indices": [0], "n": 2}),
}


@pytest.mark.parametrize("which", CALLS)
def test_one_piece_of_junk_among_right_arguments_is_refused_by_name(
    which: str, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    call, right = CALLS[which]
    names = [one.name for one in _arguments(call) if one.kind is not inspect.Parameter.VAR_POSITIONAL]
    assert which == "check_backward" or set(right) <= set(names)
    wrong = []
    for name in names:
        for junk in JUNK:
            given = {**right, name: junk}
            wrong += _faults_of(f"{which}({name}=…)", functools.partial(call, **given), [])
    assert not wrong, "\n".join(sorted(set(wrong))[:20])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: jacobians.Elementwise("f", lambda z, w: z, np.cos),
            r"^f: found <function .*>, which takes \(z, w\), expected a function of an array$",
        ),
        (
            lambda: jacobians.Elementwise("f", np.float64, np.cos),
            r"^f: found .*float64.*, expected a function of an array$",
        ),
        (
            lambda: verification.check(np.sin, X, RIGHT, symbols=["x", "x"]),
            r"^symbols: found \['x', 'x'\], expected distinct symbols of sympy, in the order of x$",
        ),
        (
            lambda: verification.error_map(RIGHT, -RIGHT, worst=3),
            r"^worst: found 3, expected a row and a column$",
        ),
        (
            lambda: verification.error_map(RIGHT, -RIGHT, worst=(1, 2, 3)),
            r"^worst: found \(1, 2, 3\), expected a row and a column$",
        ),
        (
            lambda: INSTANCES["BackwardReport"]()["y"],
            r"name: found 'y', expected one of x",
        ),
        (
            lambda: jacobians.derive("x'*A*x", "x").axes("B"),
            r"^name: found 'B', expected one of ",
        ),
        (
            lambda: verification.check_formula("x'*x", "x", "2*x", seed=np.ones((2, 2))),
            r"^seed: found array\(.*\), expected an integer",
        ),
        (
            lambda: verification.assert_gradient(np.sum, jacobians.Tanh, at=X),
            r"^gradient: found the class Tanh, expected an array or a function of x$",
        ),
        (
            lambda: INSTANCES["Sweep"]().to_parquet("."),
            r"^path: found '\.', expected a file in a directory that is there$",
        ),
    ],
)
def test_what_is_refused_is_named_with_what_was_expected(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError, KeyError), match=sentence):
        call()
