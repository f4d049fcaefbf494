"""What the package makes leaves its process and comes back equal, by pickle and by deepcopy."""

import copy
import dataclasses
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

import backprop
from backprop import (
    MLP,
    Chain,
    Descent,
    Plan,
    compile_gradients,
    fit,
    gradient_descent,
    maximize_input,
    saliency,
)
from backprop.report.collect import collect_network
from jacobians import Function, Jacobian, Sequential, SoftmaxCrossEntropy, Spec, SquaredError, Tanh
from jacobians.planning.trees import flat, nested
from jacobians.structures import Dense, Diagonal
from verification import check

X, Y = np.random.default_rng(0).standard_normal((4, 3)), [0, 1, 1, 0]
SPECS = [
    Spec.dense(4, 3),
    Spec.diagonal(3),
    Spec.kronecker(Spec.identity(3), Spec.dense(1, 2)),
    Spec.dense(6, 1),
]


def network() -> MLP:
    return MLP.initialize([3, 4, 2], activation="relu", seed=1)


@pytest.fixture(
    params=[lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def returned(request):
    return request.param


def alike(one, other) -> bool:
    """Return whether two values have the same type and the same parts, to the bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, Jacobian):
        return one.spec == other.spec and alike(dict(one.flatten()), dict(other.flatten()))
    if isinstance(one, Function):
        return repr(one) == repr(other) and alike(dict(one.parameters), dict(other.parameters))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, Plan | Chain):
        return one == other
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(alike(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


RESULTS = {
    "epochs": lambda: fit(network(), X, Y, epochs=2, learning_rate=0.1).history,
    "TrainingResult": lambda: fit(network(), X, Y, epochs=2, learning_rate=0.1, momentum=0.5),
    "TrainingState": lambda: fit(network(), X, Y, epochs=2, learning_rate=0.1, validation=(X, Y)).state,
    "Report": lambda: collect_network(network(), X[0], SoftmaxCrossEntropy(1)),
    "Execution": lambda: Chain.from_network(network(), X[0]).plan().execute(),
    "Saliency": lambda: saliency(network(), X[0], 1),
    "MaximizedInput": lambda: maximize_input(network(), 1, step_size=0.1, steps=3),
    "Descent": lambda: gradient_descent(SquaredError([1.0, 2.0]), [0.0, 0.0], step_size=0.1, steps=3),
    "MLP": network,
    "LiveUnits": lambda: Chain([np.ones((2, 3)), Diagonal([1.0, 0.0, 2.0]), np.ones((3, 2))]).live_units,
    "Digits": backprop.load_digits,
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS.keys())
def test_results_come_back_with_the_same_parts(make, returned):
    value = make()
    found = returned(value)
    assert found is not value
    assert alike(found, value)
    assert str(found) == str(value)


def read_only(value):
    """Yield of each array in a result, at whatever depth, whether it is read-only."""
    if isinstance(value, np.ndarray):
        yield not value.flags.writeable
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from read_only(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Chain):
        for field in dataclasses.fields(value):
            yield from read_only(getattr(value, field.name))


@pytest.mark.parametrize(
    "make",
    [
        *(
            RESULTS[name]
            for name in ("TrainingState", "Saliency", "MaximizedInput", "Descent", "Digits", "Report")
        ),
        lambda: check(np.sin, X[0], np.diag(np.cos(X[0]))),
    ],
)
def test_arrays_of_results_are_read_only_after_pickle_and_copy_as_before(make, returned):
    value = make()
    before = list(read_only(value))
    assert any(before)
    assert list(read_only(returned(value))) == before


# --- plans and chains ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["left", "right", "optimal", (0, ((1, 2), 3))])
def test_plans_from_specs_come_back_equal(strategy, returned):
    plan = Chain.from_specs(SPECS, names=["A", "D", "K", "B"]).plan(strategy)
    text = str(plan)  # its steps are kept, and stay at home
    found = returned(plan)
    assert found == plan
    assert hash(found) == hash(plan)
    assert (found.tree, found.steps, str(found)) == (plan.tree, plan.steps, text)


DEEP = nested((0, *(part for factor in range(1, 5000) for part in (factor, -1))))


@pytest.mark.parametrize(
    "strategy", ["left", "right", "optimal", DEEP], ids=["left", "right", "optimal", "given"]
)
def test_plans_of_thousands_of_factors_come_back_equal(strategy, returned):
    plan = Chain.from_shapes([(2, 2)] * 5000).plan(strategy)
    found = returned(plan)
    assert found == plan
    assert hash(found) == hash(plan)
    assert found.bracketing == plan.bracketing
    assert len(found.steps) == 4999


def test_plans_that_differ_in_their_brackets_alone_are_not_equal():
    chain = Chain.from_shapes([(2, 2)] * 4)
    assert chain.plan(((0, 1), (2, 3))) != chain.plan((((0, 1), 2), 3))
    assert chain.plan("left") != chain.plan("right")
    assert chain.plan() != 3


@pytest.mark.parametrize("dead_units", [False, True])
def test_plans_of_numbers_come_back_with_their_product(dead_units, returned):
    plan = Chain.from_network(network(), X[0]).plan(dead_units=dead_units)
    found = returned(plan)
    assert found == plan
    np.testing.assert_array_equal(found.execute().jacobian.dense(), plan.execute().jacobian.dense())
    assert found.saved == plan.saved


def test_comparisons_come_back_equal_and_share_one_chain(returned):
    for chain in (Chain.from_specs(SPECS), Chain.from_network(network(), X[0])):
        comparison = backprop.compare(chain)
        found = returned(comparison)
        assert found == comparison
        assert str(found) == str(comparison)
        assert found.to_dict() == comparison.to_dict()
        assert all(plan.chain is found.chain for plan in found.plans)


def test_chains_are_equal_where_names_specs_and_numbers_are():
    ones = np.ones((2, 2))
    assert Chain([ones, ones]) == Chain([ones.copy(), ones.copy()])
    assert Chain([ones * np.nan]) == Chain([ones * np.nan])
    for other in (
        Chain([ones, 2 * ones]),
        Chain([ones, ones], names=["a", "b"]),
        Chain([ones, Diagonal([1.0, 1.0])]),
        Chain([ones, ones.astype("float32")]),
        Chain([ones]),
        Chain.from_shapes([(2, 2), (2, 2)]),
        Dense(ones),
    ):
        assert Chain([ones, ones]) != other
    assert hash(Chain([ones])) == hash(Chain([ones.copy()]))


def test_bracketings_of_any_depth_are_written_down_flat():
    deep = 0
    for factor in range(1, 20_000):
        deep = (deep, factor) if factor % 3 else (factor, deep)
    parts = flat(deep)
    assert len(parts) == 2 * 20_000 - 1
    assert flat(nested(parts)) == parts
    assert nested(flat(((3, 1), (0, 2)))) == ((3, 1), (0, 2))
    assert nested(flat(4)) == 4


# --- compiled code ---------------------------------------------------------------------------------------

COMPILED = {
    "scalars": ({}, X[0]),
    "arrays": ({"form": "arrays"}, X[0]),
    "by a parameter": ({"by": "0.W"}, X[0]),
    "a loss": ({"loss": SoftmaxCrossEntropy(1)}, X[0]),
    "a batch": ({"batched": True, "shape": (4, 3)}, X),
    "blocks": ({"batched": True, "shape": (4, 3), "block": 3}, X),
    "float32": ({"dtype": np.float32}, X[0].astype(np.float32)),
}


@pytest.mark.parametrize(("options", "x"), COMPILED.values(), ids=COMPILED.keys())
def test_compiled_jacobians_come_back_with_their_code(options, x, returned):
    compiled = backprop.compile(network(), **options)
    found = returned(compiled)
    assert (found.source, repr(found), found.block) == (compiled.source, repr(compiled), compiled.block)
    assert found.dtype is compiled.dtype  # calls look for this object
    assert alike(found.constants, compiled.constants)
    assert alike(found(x), compiled(x))


def test_compiled_gradients_come_back_with_their_network(returned):
    net = network()
    compiled = compile_gradients(net, 4)
    again, found = returned((net, compiled))
    assert found.source == compiled.source
    assert alike(found(X, Y), compiled(X, Y))
    fit(again, X, Y, epochs=1, learning_rate=0.5)  # what was pickled together stays together
    for name, value in again.gradients(X, Y).items():
        np.testing.assert_allclose(found(X, Y)[name], value, rtol=1e-12, atol=1e-15)


def test_a_run_that_left_its_process_goes_on(returned):
    options = {"learning_rate": 0.3, "batch_size": 2, "momentum": 0.5}
    whole = fit(network(), X, Y, epochs=6, **options)
    half = returned(fit(network(), X, Y, epochs=3, **options))
    rest = fit(network(), X, Y, epochs=6, resume=half, **options)
    assert alike(rest.state, whole.state)


def test_pickles_hold_no_code():
    text = pickle.dumps(backprop.compile(Sequential(Tanh(), Tanh()), shape=(3,)), protocol=0)
    assert b"def " not in text
    assert b"import" not in text


# --- doors of chains -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["0.w", "", "W", None, 3, np.ones(2)])
def test_chains_name_their_own_argument(by):
    with pytest.raises(
        (TypeError, ValueError),
        match=r"^by: found .*, expected one of 'input', '0\.W', '0\.b', '2\.W', '2\.b'",
    ):
        Chain.from_network(network(), X[0], by=by)


@pytest.mark.parametrize("shape", [(True, 2), (2, True), (np.True_, 2)])
def test_booleans_are_no_sizes(shape):
    with pytest.raises(TypeError, match=r"^shapes\[0\]: found .*, expected a pair of integers"):
        Chain.from_shapes([shape])


def test_a_descent_is_one_of_its_class(returned):
    found = returned(RESULTS["MaximizedInput"]())
    assert isinstance(found, Descent)
    assert found.steps == 3
