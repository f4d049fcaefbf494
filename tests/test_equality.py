"""What leaves its process comes back equal, to the bit; and what differs in anything isn't equal."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from public_names import INSTANCES, MODULES, NAMES

import backprop
import jacobians as jb
import verification
from backprop import MLP, Chain
from jacobians.equality import ByValue, by_value, same
from jacobians.structures import Dense, Diagonal, Kronecker, Scatter, SumOfTerms

WAYS = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
A_LAMBDA_INSIDE = ("Elementwise", "from_numpy", "Slip", "Witness of a formula")
"""Of these pickle is refused by name: see test_pickles_of_functions."""


def classes() -> list[type]:
    """Return the public classes of which there are instances, exceptions aside."""
    found = [
        getattr(importlib.import_module(module), name)
        for module, name in NAMES
        if inspect.isclass(getattr(importlib.import_module(module), name))
    ]
    return [kind for kind in found if not issubclass(kind, BaseException) and not inspect.isabstract(kind)]


def test_every_public_class_has_an_instance_here() -> None:
    assert len(MODULES) == 8
    missing = set(classes()) - {type(make()) for make in INSTANCES.values()}
    assert not missing


@each_way
@pytest.mark.parametrize("which", INSTANCES)
def test_everything_public_comes_back_equal(which: str, way: Callable[[Any], Any]) -> None:
    if which in A_LAMBDA_INSIDE and way is WAYS["pickle"]:
        way = copy.deepcopy
    value = INSTANCES[which]()
    for found in (way(value), way(way(value))):
        assert (found == value) is True
        assert (value == found) is True
        assert (found != value) is False
        assert hash(found) == hash(value)
        assert {found: 1}[value] == 1


@pytest.mark.parametrize("which", INSTANCES)
def test_everything_public_is_unequal_to_other_things(which: str) -> None:
    value = INSTANCES[which]()
    arrays = [np.ones(2), np.ones((3, 3))] if isinstance(value, jb.Function | jb.Jacobian) else []
    for other in [None, 3, "a", (), object(), Dense(np.full((1, 1), 77.0)), *arrays]:
        assert (value == other) is False
        assert (other == value) is False
        assert (value != other) is True


@pytest.mark.parametrize("kind", jb.__all__)
def test_errors_come_back_with_their_words(kind: str) -> None:
    thing = getattr(jb, kind)
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        found = pickle.loads(pickle.dumps(thing("x: found 3, expected 4")))
        assert (type(found), str(found)) == (thing, "x: found 3, expected 4")


# --- numbers to the bit ------------------------------------------------------------------------------------

HOLDERS: dict[str, Callable[[float], Any]] = {
    "Diagonal": lambda v: Diagonal([2.0, v]),
    "a part": lambda v: Kronecker(Diagonal([1.0]), [[v, 3.0]]),
    "Affine": lambda v: jb.Affine([[v]]),
    "inside a network": lambda v: jb.Sequential(jb.Tanh(), jb.Residual(jb.LayerNorm([v, 1.0]))),
    "Chain": lambda v: Chain([np.full((1, 2), v), np.ones((2, 1))]),
    "Plan": lambda v: Chain([np.full((1, 2), v), np.ones((2, 1))]).plan(),
    "MLP": lambda v: MLP([([[v, 1.0]], None)], loss="squared-error"),
    "ClassScore": lambda v: backprop.ClassScore(MLP([([[v, 1.0], [1.0, 2.0]], None)]), 1),
    "Linearization": lambda v: jb.Linearization((np.array([v]),), (Diagonal([v]),)),
    "RichardsonResult": lambda v: verification.RichardsonResult(
        np.array([[v]]), np.zeros((1, 1)), np.zeros((1, 1))
    ),
    "Worst": lambda v: verification.Worst((0, 0), (0,), (0,), v, 1.0),
    "a float": lambda v: [v],
    "an object": lambda v: np.array([v, "a"], dtype=object),
    "a complex": lambda v: np.array([complex(v, 1.0)]),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0, True),
        (1.0, np.nextafter(1.0, 2.0), False),
        (float("nan"), -float("nan"), True),
        (0.0, -0.0, False),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (5e-324, 0.0, False),
    ],
)
def test_numbers_are_compared_to_the_bit(holder: str, one: float, other: float, equal: bool) -> None:
    left, right = HOLDERS[holder](float(one)), HOLDERS[holder](float(other))
    assert same(left, right) is equal
    if isinstance(left, ByValue | tuple):
        assert (left == right) is equal
        assert (left != right) is not equal
        assert not equal or hash(left) == hash(right)


def test_precision_shapes_and_batches_tell_jacobians_apart() -> None:
    J = Diagonal([1.0, 2.0])
    others = [
        J.astype("float32"),
        J.reshaped(out_shape=(2, 1)),
        J.reshaped(in_shape=(1, 2)),
        J.broadcast_batch((3,)),
        Dense(np.diag([1.0, 2.0])),
        Scatter([0, 1], 2),
        SumOfTerms([J, J]),
        Diagonal([[1.0, 2.0]]),
    ]
    assert all(other != J for other in others)
    assert all(one == other for one, other in zip(others, copy.deepcopy(others), strict=True))


def test_the_answer_is_one_bool_beside_arrays() -> None:
    J = Dense(np.ones((2, 2)))
    for other in (np.ones((2, 2)), np.ones(2), np.float64(1.0), J.dense()):
        assert (other == J) is False
        assert (other == J) is False
    assert (Dense(np.ones((2, 2))) == J) is True
    assert J in [1, Dense(np.ones((2, 2)))]


# --- functions ---------------------------------------------------------------------------------------------


def cube(z: Any) -> Any:
    """Return z³."""
    return z**3


def slope(z: Any, n: int = 2) -> Any:
    """Return 3zⁿ."""
    return 3 * z**n


class Remembering(jb.Tanh):
    """Keeps what it likes."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what = what


def test_options_names_and_classes_tell_functions_apart() -> None:
    A = jb.Affine([[1.0, 2.0]])
    different = [
        A,
        jb.Affine([[1.0, 2.0]], [0.0]),
        jb.Affine(np.array([[1.0, 2.0]], "f4")),
        jb.LinearMap([[1.0, 2.0]]),
        jb.AugmentedAffine([[1.0, 2.0]]),
        jb.LeakyReLU(0.1),
        jb.LeakyReLU(0.2),
        jb.Norm(1),
        jb.Norm(),
        jb.MaxPool(2),
        jb.MaxPool(2, 1),
        jb.Elementwise("cube", cube, slope),
        jb.Elementwise("cube", cube, partial(slope, n=2)),
        jb.Elementwise("cube", cube, partial(slope, n=3)),
        jb.Elementwise("cube", cube, slope, kinks=(0.0,)),
        jb.Sequential(A),
        jb.Sequential(A, jb.Tanh()),
        jb.Residual(jb.Tanh()),
        Remembering(1),
        Remembering(np.ones(2)),
        Remembering({"a": [np.ones(2), None]}),
        Remembering({"a": [np.ones(3), None]}),
        Remembering(np.random.default_rng(0)),
        Remembering(np.random.default_rng(1)),
    ]
    again = copy.deepcopy(different)
    for place, one in enumerate(different):
        assert [one == other for other in again] == [place == k for k in range(len(again))], one


@each_way
def test_shared_layers_are_shared_in_both(way: Callable[[Any], Any]) -> None:
    layer = jb.Affine(np.eye(2))
    shared, apart = jb.Sequential(layer, jb.Tanh(), layer), jb.Sequential(layer, jb.Tanh(), copy.copy(layer))
    inner = jb.Sequential(jb.Sequential(layer, jb.Tanh()), layer)
    copied = jb.Sequential(inner.layers[0], copy.copy(layer))
    for one in (shared, apart, inner, copied):
        assert way(one) == one
    for one, other in ((shared, apart), (inner, copied)):
        assert one != other
        assert other != one
        assert len(one.parameters) != len(other.parameters)
    tanh = jb.Tanh()  # no parameter is shared, so that nothing differs
    assert jb.Sequential(tanh, layer, tanh) == jb.Sequential(jb.Tanh(), layer, jb.Tanh())


@each_way
def test_what_a_function_was_used_for_changes_nothing(way: Callable[[Any], Any]) -> None:
    x = np.array([0.3, -0.2])
    net = MLP.initialize([2, 3, 2], seed=1)
    fresh = way(net)
    chain = Chain.from_network(net, x)
    unused, derivative = way(chain), jb.derive("x'*A*x", "x")
    compiled, plan = backprop.compile(net), jb.trace(np.sin, x).plan()
    before = way((compiled, plan, derivative))
    net.jacobian(x, wrt=["0.W", "input"])
    net.gradients(x, 1)
    assert (chain.plan(), chain.live_units) != (None, 3)
    derivative.matrix(), derivative.tensor(), derivative.code()
    compiled(x), plan.execute(), plan.steps
    assert fresh == net
    assert unused == chain
    assert before == (compiled, plan, derivative)


def test_training_makes_unequal_and_keeps_the_hash() -> None:
    net = MLP.initialize([2, 3, 2], seed=1)
    before, kept = copy.deepcopy(net), {net: "this"}
    net.update({"0.W": net.parameters["0.W"] + 1.0})
    assert net != before
    assert hash(net) == hash(before)
    assert kept[net] == "this"
    net.update({"0.W": before.parameters["0.W"]})
    assert net == before


def test_compiled_code_of_other_weights_options_or_points_is_another() -> None:
    net, other = MLP.initialize([2, 3, 2], seed=1), MLP.initialize([2, 3, 2], seed=2)
    assert backprop.compile(net) == backprop.compile(copy.deepcopy(net))
    for compiled in (
        backprop.compile(other),
        backprop.compile(net, by="0.W"),
        backprop.compile(net, form="arrays"),
        backprop.compile(net, dtype="float32"),
    ):
        assert backprop.compile(net) != compiled
    assert backprop.compile_gradients(net, 4) == backprop.compile_gradients(net, 4)
    assert backprop.compile_gradients(net, 4) != backprop.compile_gradients(net, 5)
    compiled = backprop.compile(net)
    net.update({"0.W": 2 * net.parameters["0.W"]})  # it keeps the weights that it was compiled of
    x = [0.5, -1.0]
    assert_array_equal(pickle.loads(pickle.dumps(compiled))(x), compiled(x))
    assert compiled != backprop.compile(net)


def test_derivatives_are_equal_where_formula_and_declarations_are() -> None:
    declare = {"W": "h×d", "b": "h"}
    one, other = (jb.derive("W*x + b", "W", declare=declare) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one.matrix() == other.matrix()
    different = [
        jb.derive("W*x + b", "x", declare=declare),
        jb.derive("W*x - b", "W", declare=declare),
        jb.derive("W*x + b", "W", declare={"W": "k×d", "b": "k"}),
        jb.derive("x'*A*x", "x"),
        jb.derive("x'*A*x", "x", declare={"A": "symmetric"}),
        jb.derive("x'*A*x", "x").derive("x"),
        jb.derive("x'*A*x", "A"),
    ]
    assert all((a == b) is (i == j) for i, a in enumerate(different) for j, b in enumerate(different))
    assert one not in different
    assert jb.derive("h = W*x; h'*h", "x") != jb.derive("h = V*x; h'*h", "x")


# --- the comparison itself ---------------------------------------------------------------------------------


class Itself(ByValue):
    """Holds what may hold it."""

    def __init__(self, *parts: Any) -> None:
        self.parts: Any = parts


def test_what_holds_itself_is_compared() -> None:
    one, other, third = Itself(1), Itself(1), Itself(2)
    for each in (one, other, third):
        each.parts = [each.parts, each]
    assert one == other
    assert one != third


def test_shared_parts_are_looked_at_once() -> None:
    def tower(end: float) -> Itself:
        made = Itself(end)
        for _ in range(200):
            made = Itself(made, made)
        return made

    assert tower(1.0) == tower(1.0)
    assert tower(1.0) != tower(2.0)


def test_depth_is_no_limit() -> None:
    def nest(end: int) -> Any:
        made: Any = Itself(end)
        for _ in range(20_000):
            made = Itself([made])
        return made

    one, other, third = nest(1), nest(1), nest(2)
    assert one == other
    assert one != third
    for each in (one, other, third):  # Python frees what is nested so deeply by recursion
        while each.parts and isinstance(each.parts[0], list):
            each.parts, each = (), each.parts[0][0]


class Ambiguous:
    """Answers == entry by entry, as data frames do."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def __eq__(self, other: object) -> Any:
        return np.array([1, 2]) == 1

    __hash__ = None  # type: ignore[assignment]


class Failing(Ambiguous):
    """Fails when it is compared."""

    def __eq__(self, other: object) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize("kind", [Ambiguous, Failing])
def test_what_has_no_answer_of_its_own_is_compared_by_what_it_holds(kind: type) -> None:
    assert Remembering(kind(1.0, np.nan)) == Remembering(kind(1.0, np.nan))
    assert Remembering(kind(1.0, 2.0)) != Remembering(kind(1.0, 3.0))


@dataclasses.dataclass(frozen=True)
class Noted:
    """Says by == of dataclasses that NaN is not NaN."""

    number: float
    array: Any = None


def test_dataclasses_inside_are_compared_by_their_fields() -> None:
    assert Remembering(Noted(float("nan"))) == Remembering(Noted(-float("nan")))
    assert Remembering(Noted(1.0, np.ones(2))) == Remembering(Noted(1.0, np.ones(2)))
    assert Remembering(Noted(1.0, np.ones(2))) != Remembering(Noted(1.0, np.zeros(2)))
    assert Remembering(Noted(0.0)) != Remembering(Noted(-0.0))


def test_what_pickle_does_not_take_equals_itself_alone() -> None:
    one, other = (number for number in ()), (number for number in ())
    assert Remembering(one) == Remembering(one)
    assert Remembering(one) != Remembering(other)
    assert Remembering(np.sin) != Remembering(np.cos)
    assert Remembering(np.sin) == Remembering(np.sin)
    assert Remembering(lambda: 1) != Remembering(lambda: 1)


def test_named_tuples_compare_their_numbers() -> None:
    @by_value
    class Pair(NamedTuple):
        one: Any
        other: Any

    assert Pair(np.ones(2), np.nan) == Pair(np.ones(2), float("nan"))
    assert Pair(np.ones(2), 1) != Pair(np.zeros(2), 1)
    assert Pair(1, 2) != (1, 2)
