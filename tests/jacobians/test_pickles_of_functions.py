"""Functions and networks come back from pickle and deepcopy equal, read-only and shared as they were."""

from __future__ import annotations

import copy
import functools
import io
import operator
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pickle import PicklingError
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from function_cases import CASES, Case
from numpy.testing import assert_array_equal

import backprop
import jacobians as jb
from backprop.learning.targets import LOSSES
from jacobians import Elementwise, Function
from jacobians.layers.activations import ACTIVATIONS
from jacobians.structures import Diagonal

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda f: pickle.loads(pickle.dumps(f)),
    "the oldest protocol": lambda f: pickle.loads(pickle.dumps(f, protocol=0)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


def cube(z: Any) -> Any:
    return z**3


def slope(z: Any) -> Any:
    return 3 * z**2


class Scratch(Function):
    """y = a·x, with an array that it writes to, and a lock-like thing that its state leaves out."""

    parameter_names = ("a",)

    def __init__(self, a: Any) -> None:
        self.a = self.parameter(a, "a", ndim=0)
        self.buffer = np.zeros(2)
        self.calls = lambda: None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "calls"}

    def forward(self, x: Any) -> Any:
        self.buffer[...] = self.a * x
        return self.buffer.copy()

    def derivative(self, x: Any, wrt: str = "input") -> Any:
        return Diagonal(np.full(2, self.a))


def named(f: Function) -> Function:
    """Return f, with its functions at the top level of a module."""
    return Elementwise("cube", cube, slope) if type(f) is Elementwise else f


def read_only_arrays(value: Any, place: str = "") -> dict[str, bool]:
    """Return, for each array that a value holds, whether it is read-only."""
    if isinstance(value, np.ndarray):
        return {place: not value.flags.writeable}
    if isinstance(value, dict):
        parts = [(f"{place}.{name}", part) for name, part in value.items()]
    elif isinstance(value, tuple | list):
        parts = [(f"{place}[{number}]", part) for number, part in enumerate(value)]
    elif isinstance(value, Function):
        parts = [(place, vars(value))]
    else:
        return {}
    return {key: answer for name, part in parts for key, answer in read_only_arrays(part, name).items()}


# --- what comes back -------------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_values_jacobians_and_parameters(case: Case, way: Callable[[Any], Any]) -> None:
    f = named(case.function)
    found = way(f)
    assert type(found) is type(f)
    assert vars(found).keys() == vars(f).keys()
    assert repr(found) == repr(f)
    assert found.parameters.keys() == f.parameters.keys()
    for name, value in f.parameters.items():
        assert_array_equal(found.parameters[name], value)
    for x in case.points:
        assert_array_equal(found(x), f(x))
        for name in case.names:
            assert_array_equal(found.jacobian(x, wrt=name).dense(), f.jacobian(x, wrt=name).dense())
    assert_array_equal(found(case.points, batched=True), f(case.points, batched=True))


@each_way
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_read_only_still_is(case: Case, way: Callable[[Any], Any]) -> None:
    f = named(case.function)
    assert read_only_arrays(way(f)) == read_only_arrays(f)


@each_way
def test_arrays_that_a_function_writes_to_stay_writeable(way: Callable[[Any], Any]) -> None:
    f = Scratch(2.0)
    found = way(f)
    assert_array_equal(found([1.0, 2.0]), [2.0, 4.0])
    assert f.buffer.flags.writeable
    assert not hasattr(found, "calls")


@pytest.mark.parametrize("way", list(WAYS.values())[:3], ids=list(WAYS)[:3])
def test_shared_layers_stay_shared(way: Callable[[Any], Any]) -> None:
    layer = jb.Affine(np.full((2, 2), 0.5), np.ones(2))
    block = jb.Residual(jb.Sequential(layer, jb.Tanh()))
    net = way(jb.Sequential(block, layer, jb.Sum(block, layer)))
    assert net.layers[1] is not layer
    assert net.layers[0].layers[0].layers[0] is net.layers[1]
    assert net.layers[2].layers[0] is net.layers[0]
    assert len(net.parameters) == 2
    first, second = way((layer, jb.Sequential(layer, layer)))
    assert second.layers[0] is second.layers[1] is first


@each_way
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_networks(loss: str, activation: str, way: Callable[[Any], Any]) -> None:
    output = "sigmoid" if loss in ("cross-entropy", "binary-cross-entropy") else None
    net = backprop.MLP.initialize([3, 4, 2], activation=activation, output_activation=output, loss=loss)
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    found = way(net)
    assert found.activation is found.layers[1]
    assert found.loss(x, y) == net.loss(x, y)
    for name, gradient in net.gradients(x, y).items():
        assert_array_equal(found.gradients(x, y)[name], gradient)
        assert not found.parameters[name].flags.writeable
    found.update({"0.W": 2 * net.parameters["0.W"]})
    assert not np.array_equal(found.parameters["0.W"], net.parameters["0.W"])


def test_functions_go_to_a_process_that_was_started_anew() -> None:
    net = backprop.MLP.initialize([3, 4, 2], loss="squared-error")
    functions = [jb.Sequential(net, jb.Norm()), jb.Softmax(), jb.LayerNorm(np.ones(3)), jb.Normalize()]
    x = np.array([0.5, -1.0, 2.0])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for f in functions:
            assert_array_equal(pool.submit(operator.call, f, x).result(), f(x))
            assert_array_equal(pool.submit(f.jacobian, x).result().dense(), f.jacobian(x).dense())


# --- what pickle can't take ------------------------------------------------------------------------------


def local_class() -> type[Function]:
    class Local(jb.SquaredError):
        pass

    return Local


REFUSED: dict[str, tuple[Callable[[], Function], str]] = {
    "a function": (
        lambda: Elementwise("cube", lambda z: z**3, slope),
        r"^Elementwise\('cube'\)\.f: found the function <lambda>\S*, expected one that pickle finds by its name; "
        r"define it by def at the top level of a module$",
    ),
    "a derivative": (
        lambda: Elementwise("cube", cube, lambda z: 3 * z**2),
        r"^Elementwise\('cube'\)\.df: found the function",
    ),
    "a part of another function": (
        lambda: Elementwise("cube", functools.partial(lambda n, z: z**n, 3), slope),
        r"^Elementwise\('cube'\)\.f: found the function",
    ),
    "inside a network": (
        lambda: jb.Sequential(jb.Tanh(), jb.Residual(Elementwise("cube", cube, lambda z: 3 * z**2))),
        r"^Elementwise\('cube'\)\.df: found the function",
    ),
    "a loss": (
        lambda: backprop.MLP([(np.eye(2), None)], loss=lambda y: jb.SquaredError(y)),
        r"^MLP\(2-2, .*\.network_loss: found the function <lambda>",
    ),
    "a class": (
        lambda: backprop.MLP([(np.eye(2), None)], loss=local_class()),
        r"\.network_loss: found the class local_class\.<locals>\.Local, expected one that pickle finds by its name; "
        r"define it by class at the top level of a module$",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_name_is_named(kind: str) -> None:
    make, sentence = REFUSED[kind]
    f = make()
    with pytest.raises(PicklingError, match=sentence):
        pickle.dumps(f)
    x = np.array([0.5, 2.0])
    assert_array_equal(copy.deepcopy(f)(x), f(x))
    assert_array_equal(copy.copy(f)(x), f(x))


class ByValue(pickle.Pickler):
    """Pickles functions without a name as the real part."""

    def reducer_override(self, value: Any) -> Any:
        return (
            (operator.attrgetter, ("real",))
            if getattr(value, "__name__", "") == "<lambda>"
            else NotImplemented
        )


def test_picklers_that_take_functions_by_value_decide_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    f = Elementwise("cube", lambda z: z**3, slope)
    monkeypatch.setitem(sys.modules, "vendored.cloudpickle", ModuleType("cloudpickle"))
    with pytest.raises(pickle.PicklingError):  # it is loaded, and not at work
        pickle.dumps(f)
    at_work: dict[str, Any] = {"__name__": "vendored.cloudpickle"}
    exec("def dump(pickler, value): pickler.dump(value)", at_work)
    file = io.BytesIO()
    at_work["dump"](ByValue(file), f)
    assert_array_equal(pickle.loads(file.getvalue())([2.0]), [2.0])
