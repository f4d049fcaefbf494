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
