"""Forward costs of layers against counts on scalars that count themselves."""

import numpy as np
import pytest

import jacobians as jb
from backprop import MLP, NetworkShape, layer_costs


class Counting:
    """A number that counts what is done with it; zeros of paddings are numbers, too."""

    multiplications = additions = 0

    def __mul__(self, other):
        Counting.multiplications += 1
        return self

    def __add__(self, other):
        Counting.additions += 1
        return self

    __rmul__, __radd__ = __mul__, __add__


def convolved(W, b, shape, padding):
    """Count a convolution tap by tap."""
    Counting.multiplications = Counting.additions = 0
    outputs, channels, high, wide = W.shape
    for _ in range(outputs * (shape[1] + 2 * padding - high + 1) * (shape[2] + 2 * padding - wide + 1)):
        terms = [Counting() * Counting() for _ in range(channels * high * wide)]
        total = terms[0]
        for term in terms[1:] + ([Counting()] if b is not None else []):
            total = total + term
    return jb.Cost(Counting.multiplications, Counting.additions)


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_costs_what_its_taps_do(bias):
    W, b = np.ones((3, 2, 2, 3)), np.ones(3) if bias else None
    (row,) = layer_costs(jb.Convolution(W, b, padding=1), np.ones((2, 4, 5))).layers
    assert row.forward == convolved(W, b, (2, 4, 5), 1)
    assert row.parameters == W.size + (3 if bias else 0)


def test_a_perceptron_costs_what_its_shape_says():
    net = MLP.initialize([64, 32, 16, 10], seed=0)
    costs = layer_costs(net, np.zeros(64))
    shape = NetworkShape((64, 32, 16, 10))
    assert costs.forward == shape.forward
    assert costs.parameters == shape.parameters == net.parameter_count
    # δ·xᵀ, entry by entry, as the backward pass of other libraries forms it
    assert [layer.dense.multiplications for layer in costs.layers] == [64 * 32, 0, 32 * 16, 0, 16 * 10]
    assert costs.layers[1].forward is None, "a tanh is an evaluation"
    assert "total" in str(costs)
    assert costs.to_markdown().count("\n") == 7
    assert costs.to_latex().count(r" \\") == 7


def test_layers_of_a_graph_are_shown_with_what_joins_them():
    net = jb.LayerGraph([
        (jb.Sequential(jb.Affine(np.ones((3, 3))), jb.Tanh()), (-1,)),
        ("sum", (-1, 0)), ("product", (0, 1)), ("concatenate", (1, 2)), (jb.ChannelScale(np.ones(6), np.ones(6)), (3,)),
    ])  # fmt: skip
    costs = layer_costs(net, np.ones(3))
    assert [(layer.name, layer.kind) for layer in costs.layers] == [
        ("0.0", "Affine"), ("0.1", "Tanh"), ("1", "Sum"), ("2", "Product"), ("3", "Concatenate"), ("4", "ChannelScale"),
    ]  # fmt: skip
    assert costs.forward == jb.Cost(9 + 3 + 6, 6 + 3 + 6)
    assert costs.layers[4].shape == (6,)
    assert costs.activation_elements == 3 + 3 + 3 + 3 + 6 + 6


A, B, SHARED = np.ones((3, 4)), np.ones((2, 3)), jb.Affine(np.ones((3, 3)), np.ones(3))
COMPOSED = {
    "residual": (jb.Residual(jb.Sequential(jb.Affine(A.T, np.ones(4)), jb.Affine(A, None))), (3,)),
    "residual within": (
        jb.Sequential(jb.Affine(A), jb.Residual(jb.Residual(SHARED)), jb.Affine(B, np.ones(2))), (4,)),
    "residual of a graph": (jb.Residual(jb.LayerGraph([(SHARED, (-1,)), ("product", (-1, 0))])), (3,)),
    "sum of three": (jb.Sum(jb.Affine(A), jb.Affine(A, np.ones(3)), jb.LinearMap(A)), (4,)),
    "product of three": (jb.Product(SHARED, jb.Residual(SHARED), SHARED), (3,)),
    "concatenated": (jb.Sequential(jb.Concatenate(SHARED, jb.Affine(B)), jb.Affine(np.ones((2, 5)))), (3,)),
    "matrix between two": (jb.LinearMap(B, A.T), (3, 4)),
    "matrix from the right": (jb.Sequential(jb.LinearMap(None, A.T), jb.Transpose(), jb.Gram()), (2, 4)),
    "gram of columns": (jb.Gram(columns=True), (2, 3)),
    "quadratic form": (jb.QuadraticForm(np.ones((4, 4))), (4,)),
    "squares": (jb.Sequential(jb.Reshape((6,)), jb.SquaredNorm()), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_the_total_is_what_the_forward_pass_does_to_scalars_that_count(name):
    net, shape = COMPOSED[name]
    costs = layer_costs(net, np.ones(shape))
    Counting.multiplications = Counting.additions = 0
    net.forward(np.full(shape, Counting(), dtype=object))
    assert costs.forward == jb.Cost(Counting.multiplications, Counting.additions)
    assert costs.forward.additions > 0
    assert all(layer.forward is not None for layer in costs.layers)
    assert costs.parameters == net.parameter_count


def test_an_augmented_layer_multiplies_by_its_unit_too():
    Counting.multiplications = Counting.additions = 0
    np.ones((3, 5)) @ np.full((5, 2), Counting(), dtype=object)
    (row,) = layer_costs(jb.AugmentedAffine(np.ones((3, 5))), np.ones((4, 2))).layers
    assert row.forward == jb.Cost(Counting.multiplications, Counting.additions)


def test_a_residual_is_shown_by_its_parts_and_the_addition():
    costs = layer_costs(
        jb.Sequential(jb.Tanh(), jb.Residual(jb.Sequential(SHARED, jb.Tanh())), SHARED), np.ones(3)
    )
    assert [(layer.name, layer.kind, layer.parameters) for layer in costs.layers] == [
        ("0", "Tanh", 0), ("1.0.0", "Affine", 12), ("1.0.1", "Tanh", 0), ("1", "Residual", 0), ("2", "Affine", 0),
    ]  # fmt: skip
    assert costs.layers[3].forward == jb.Cost(0, 3)
    assert [(layer.name, layer.kind) for layer in layer_costs(jb.Residual(SHARED), np.ones(3)).layers] == [
        ("0", "Affine"), ("0", "Residual")]  # fmt: skip
