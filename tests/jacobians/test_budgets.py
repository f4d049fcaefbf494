"""What would not fit in memory is refused with its exact size before it is made, and class numbers need no square."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import backprop
import jacobians as jb
from jacobians import MemoryBudgetError
from jacobians.layers.losses import one_hot

CLASSES = 50_000


def most_bytes(call: Callable[[], Any]) -> int:
    """Return the most memory that a call held at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- class numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [jb.SoftmaxCrossEntropy, jb.CrossEntropy])
def test_a_loss_of_a_class_number_takes_memory_like_its_prediction(loss: Any) -> None:
    x = np.full(CLASSES, 1 / CLASSES)
    f = loss(7)
    assert_allclose(f(x), np.log(CLASSES), rtol=1e-12)
    weights = np.zeros(CLASSES)
    weights[7] = 1.0
    assert_array_equal(f.jacobian(x).dense(), loss(weights).jacobian(x).dense())
    assert most_bytes(lambda: [f(x), f.jacobian(x), f(x[None], batched=True)]) < 20 * x.nbytes


@pytest.mark.parametrize("loss", [jb.SoftmaxCrossEntropy, jb.CrossEntropy])
def test_losses_of_labels_take_memory_like_their_targets(loss: Any) -> None:
    target = loss.from_labels([3, CLASSES - 1], CLASSES).target
    assert_array_equal(np.argwhere(target), [[0, 3], [1, CLASSES - 1]])
    assert_array_equal(target.sum(axis=1), [1.0, 1.0])
    assert most_bytes(lambda: loss.from_labels([3, CLASSES - 1], CLASSES)) < 10 * target.nbytes


def test_networks_with_many_classes_take_memory_like_their_outputs() -> None:
    net = backprop.MLP([(np.full((CLASSES, 1), 0.5), None)])
    x, y = np.ones((2, 1)), np.array([1, CLASSES - 1])
    assert_allclose(net.loss(x, y), np.log(CLASSES), rtol=1e-12)
    gradient = net.gradients(x, y)["0.W"]
    expected = np.full((CLASSES, 1), 1 / CLASSES)
    expected[y] -= 0.5
    assert_allclose(gradient, expected, rtol=1e-9)
    outputs = 8 * 2 * CLASSES
    assert most_bytes(lambda: [net.loss(x, y), net.gradients(x, y), net.accuracy(x, y)]) < 30 * outputs
    assert most_bytes(lambda: [net.loss(x[0], 1), net.deltas(x[0], 1)]) < 30 * outputs


@pytest.mark.parametrize("kind", ["int8", "int64", "uint8", "uint64"])
def test_rows_of_the_identity(kind: Any) -> None:
    labels = np.array([2, 0, 4, 2], dtype=kind)
    assert_array_equal(one_hot(labels, 5), np.eye(5)[labels.astype(int)])
    assert one_hot(labels, 5).dtype == np.float64


# --- what is refused -------------------------------------------------------------------------------------


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "rows of the identity": (
        lambda: jb.CrossEntropy.from_labels(np.zeros(10_000, int), 10**6),
        r"^the rows of the identity at the labels \(10000×1000000\) would take 74\.51 GiB "
        r"\(80,000,000,000 bytes\), more than max_bytes = 2 GiB; take fewer points at a time$",
    ),
    "a layer": (
        lambda: backprop.MLP.initialize([10**6, 10**6]),
        r"^the weights of layer 0 \(1000000×1000000\) would take 7\.28 TiB \(8,000,000,000,000 "
        r"bytes\), more than max_bytes = 2 GiB; take smaller sizes\[0\] or sizes\[1\]$",
    ),
    "a layer behind a small one": (
        lambda: backprop.MLP.initialize([2, 10**5, 10**5, 3], dtype=np.float32),
        r"^the weights of layer 1 \(100000×100000\) would take",
    ),
    "windows": (
        lambda: jb.MaxPool(1000, stride=1)(np.zeros((2000, 2000))),
        r"^the windows of MaxPool\(1000, stride=1\) \(1002001×1000000\) would take 7\.29 TiB "
        r"\(8,016,008,000,000 bytes\), more than max_bytes = 2 GiB; take a larger stride, a "
        r"smaller window or fewer points at a time$",
    ),
    "windows of a Jacobian": (
        lambda: jb.MaxPool(1000, stride=1).jacobian(np.zeros((2000, 2000))),
        r"^the windows of MaxPool",
    ),
    "windows of many points": (
        lambda: jb.MaxPool(100, stride=1)(np.zeros((40, 1000, 200)), batched=True),
        r"^the windows of MaxPool\(100, stride=1\) \(40×91001×10000\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_not_fit_is_refused_before_it_is_made(kind: str) -> None:
    call, sentence = REFUSED[kind]

    def refused() -> None:
        with pytest.raises(MemoryBudgetError, match=sentence):
            call()

    assert most_bytes(refused) < 2**28
