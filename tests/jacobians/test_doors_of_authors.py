"""What a user's layer gives back, names that others use, operands that are none: each is refused in words of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop
from backprop import MLP, compare
from jacobians import Affine, CrossEntropy, Elementwise, Function, Sequential, Softmax, Softplus, Tanh
from jacobians.layers.activations import ACTIVATIONS, activation
from jacobians.structures import Dense, Diagonal, Identity, Zero, stack


class Written(Function):
    """A layer whose two methods are given."""

    def __init__(self, forward: Callable[[Any], Any], derivative: Any = None) -> None:
        self._forward_given, self._derivative_given = forward, derivative

    def forward(self, x: Any) -> Any:
        return self._forward_given(x)

    def derivative(self, x: Any, wrt: str = "input") -> Any:
        return self._derivative_given


X = [1.0, 2.0]
GIVEN: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: None, "Written.forward: found None, expected an array of real numbers"),
    (lambda x: x * 1j, "Written.forward: found dtype complex128, expected real numbers"),
    (lambda x: x[None].view(np.matrix), "Written.forward: found np.matrix"),
    (lambda x: np.array([x, None], dtype=object), "Written.forward: found ndarray of dtype object"),
    (lambda x: [[1.0], [1.0, 2.0]], "Written.forward: found a ragged sequence"),
    (lambda x: "3", "Written.forward: found str of dtype"),
]


@pytest.mark.parametrize(("forward", "sentence"), GIVEN)
@pytest.mark.parametrize("inside", [False, True])
def test_what_forward_gives_back_passes_a_door(
    forward: Callable[[Any], Any], sentence: str, inside: bool
) -> None:
    layer = Written(forward, np.eye(2))
    function = Sequential(layer, Tanh()) if inside else layer
    with pytest.raises(TypeError) as error:
        function(X)
    assert str(error.value).startswith(sentence)
    with pytest.raises(TypeError) as error:
        function.linearize(X)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    "derivative", [Dense(np.ones((2, 3))), Identity(3), (Identity(2), Dense(np.ones((2, 3))))]
)
def test_a_derivative_of_the_wrong_sizes_is_refused_as_a_structure_too(derivative: Any) -> None:
    layer = Written(lambda x: x, derivative)
    for function in (layer, Sequential(layer, Tanh()), Sequential(Tanh(), layer)):
        with pytest.raises(
            ValueError, match=r"Written\.derivative by input: found shape .* expected \(2, 2\)"
        ):
            function.jacobian(X)
    with pytest.raises(ValueError, match=r"Written\.derivative by input: found shape"):
        layer.jacobian([X, X], batched=True)


@pytest.mark.parametrize("inside", [False, True])
def test_a_layer_that_writes_to_its_input_is_told_so(inside: bool) -> None:
    def doubled(x: Any) -> Any:
        x *= 2
        return x

    layer = Written(doubled, np.eye(2))
    function = Sequential(Tanh(), layer) if inside else layer
    with pytest.raises(TypeError, match=r"Written\.forward: found that it writes to its input x"):
        function(X)


LOG: dict[str, Any] = {"f": np.log, "df": np.reciprocal}


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"domain": "abc"}, TypeError, "domain: found 'abc', expected a pair of numbers"),
        ({"domain": (1.0, 0.0)}, ValueError, "domain: found (1.0, 0.0), expected the smaller one first"),
        ({"kinks": (math.nan,)}, ValueError, "kinks[0]: found nan, expected a finite number"),
        ({"kinks": 0}, TypeError, "kinks: found 0, expected the numbers where f has a kink"),
        ({"step": "no"}, TypeError, "step: found 'no', expected True or False"),
        ({"f": 3}, TypeError, "f: found 3, expected a function of an array"),
    ],
)
def test_options_of_an_elementwise_function_are_checked(
    options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        Elementwise("log", **{**LOG, **options})
    assert str(caught.value).startswith(sentence)


def test_an_elementwise_function_gives_a_real_number_for_each_entry() -> None:
    with pytest.raises(ValueError, match=r"f of n: found values of shape \(\) for x of shape \(2,\)"):
        Elementwise("n", np.sum, np.cos)(X)
    with pytest.raises(ValueError, match="df of n: found values of shape"):
        Elementwise("n", np.sin, np.sum).jacobian(X)
    with pytest.raises(TypeError, match="df of n: found dtype complex128, expected real numbers"):
        Elementwise("n", np.sin, lambda z: z * 1j).jacobian(X)


def test_a_domain_is_kept_at_the_door() -> None:
    log = Elementwise("log", **LOG, domain=(0, math.inf))
    for x in ([-1.0, 1.0], [0.0, 1.0]):
        with pytest.raises(ValueError, match="expected numbers between 0 and inf, the domain of log"):
            log(x)
    assert log([1.0]) == 0
    assert np.isnan(log([np.nan]))
    assert (log.has_domain, Tanh().has_domain) == (True, False)


J = Diagonal([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: J * 10**400, ValueError, "factor: found an integer of 1329 bits"),
        (lambda: J / 10**400, ValueError, "divisor: found an integer of 1329 bits"),
        (lambda: J * "a", TypeError, "factor: found 'a', expected a real number"),
        (lambda: J + 1.0 * np.ones(2), TypeError, "other: found array([1., 1.]), expected a Jacobian"),
        (lambda: J[0], TypeError, "key: found 0, expected no index"),
        (lambda: J.reshaped(5), TypeError, "out_shape: found 5, expected a tuple of integers"),  # type: ignore[arg-type]
        (lambda: J.broadcast_batch(3), TypeError, "batch_shape: found 3, expected a tuple of"),  # type: ignore[arg-type]
        (lambda: stack(3), TypeError, "jacobians: found 3, expected a list of Jacobians"),  # type: ignore[arg-type]
        (lambda: Identity(True), TypeError, "n: found True, expected an integer"),
        (lambda: Zero(2, True), TypeError, "n: found True, expected an integer"),
        (lambda: J.matrix(vec=np.ones(2)), TypeError, "vec: found array([1., 1.]), expected one of 'row'"),  # type: ignore[arg-type]
    ],
)
def test_an_operand_that_is_none_is_refused_by_name(
    call: Callable[[], Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(sentence)


def test_a_jacobian_is_divided_by_a_number() -> None:
    np.testing.assert_array_equal((J / 2).dense(), [[0.5, 0.0], [0.0, 1.0]])


def test_zero_times_infinity_is_named_without_a_warning() -> None:
    with pytest.raises(ValueError, match=r"^x: layer 1, CrossEntropy\(\), .* expected SoftmaxCrossEntropy"):
        Sequential(Softmax(), CrossEntropy(1)).jacobian([1000.0, -1000.0])


class Model:
    """Like a model of scikit-learn's."""

    coefs_ = (np.ones((2, 3)),)
    intercepts_ = (np.ones(3),)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: MLP.initialize([2, 3, 4], loss="mse"), "did you mean 'mean-squared-error'?"),
        (lambda: MLP.initialize([2, 3, 4], activation="logistic"), "did you mean 'sigmoid'?"),
        (lambda: MLP.initialize([2, 3, 4], activation="tahn"), "did you mean 'tanh'?"),
        (
            lambda: MLP.initialize([2, 3], output_activation="linear"),
            "expected None for an affine last layer",
        ),
        (lambda: compare(Tanh()), "Chain.from_network(network, x)"),
        (lambda: MLP(3), "weights: found 3, expected a list of pairs (W, b)"),  # type: ignore[arg-type]
        (lambda: MLP(Model()), "scikit-learn stores (inputs, outputs)"),  # type: ignore[arg-type]
        (lambda: Affine(np.ones((2, 3)), np.ones(3)), "found (2, 3): is W.T meant?"),
        (lambda: MLP([(np.ones((4, 5)), None), (np.ones((5, 3)), None)]), "is W.T meant?"),
        (lambda: MLP.initialize([2, 3]).loss_function(np.zeros(32, int)), "int64, expected (3,)"),
        (lambda: MLP.initialize([2, 3]).loss_function(np.zeros(32, int)), "need batched=True"),
        (
            lambda: MLP.initialize([2, 3]).jacobian([1.0, 2.0], wrt={"0.W", "0.b"}),
            "wrt: found a set, which has no order",
        ),  # type: ignore[arg-type]
        (lambda: MLP.initialize([2, 3]).update([1]), "parameters: found [1], expected arrays by name"),  # type: ignore[arg-type]
        (lambda: Tanh().replace(3), "parameters: found 3, expected arrays by name"),  # type: ignore[arg-type]
    ],
)
def test_what_others_write_is_answered_with_what_is_meant(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "given", [stack([Dense(np.eye(2))] * 3), (Dense(np.eye(2)), stack([Diagonal(X)] * 3))]
)
def test_a_derivative_at_one_point_has_no_batch(given: Any) -> None:
    layer = Written(lambda x: x, given)
    for call in (layer.jacobian, layer.linearize, Sequential(Tanh(), layer).jacobian):
        with pytest.raises(
            ValueError, match=r"^Written\.derivative by input: found .* of batch \(3,\), expected no batch"
        ):
            call(X)


class Together(Function):
    """Takes the points of a batch together, and forgets some of them."""

    vectorized = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        return x

    def derivative(self, x: Any, wrt: str = "input", batch_ndim: int = 0) -> Any:
        return stack([Diagonal(X)] * 2) if batch_ndim else Diagonal(X)


def test_a_derivative_at_other_points_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Together\.derivative by input: .* expected the batch \(3,\)"):
        Together().jacobian([X] * 3, batched=True)


@pytest.mark.parametrize(
    "given",
    [
        Dense(np.eye(6), out_shape=(6, 1), in_shape=(1, 6)),
        Dense(np.eye(6)),
        np.eye(6),
        (Dense(np.eye(6)), Identity(6, out_shape=(6, 1))),
    ],
)
def test_a_jacobian_has_the_shapes_of_value_and_input_whatever_a_derivative_says(given: Any) -> None:
    layer = Written(lambda x: x.T, given)
    x = np.ones((2, 3))
    chain = backprop.Chain.from_network(layer, x)
    ends = chain.jacobians[0].out_shape, chain.jacobians[-1].in_shape
    J = layer.jacobian(x)
    assert ends == (J.out_shape, J.in_shape) == ((3, 2), (2, 3))
    assert J.tensor().shape == (3, 2, 3, 2)


@pytest.mark.parametrize("row", [3, Tanh(), lambda: 3, dict, Affine, None])
def test_a_row_of_the_table_of_activations_that_is_none_is_told(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, "odd", row)
    with pytest.raises(
        TypeError, match=r"^ACTIVATIONS\['odd'\]: found .*, expected a class of Elementwise that"
    ):
        MLP.initialize([3, 2, 1], activation="odd", seed=0)


@pytest.mark.parametrize("name", ["Bent", "my-own", "None"])
def test_an_activation_is_found_by_the_name_that_its_row_has(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, name, Softplus)
    assert isinstance(activation(name), Softplus)
    assert repr(MLP.initialize([3, 2, 2], activation=name, seed=0).layers[1]) == "Softplus()"
