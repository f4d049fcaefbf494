"""Writes to what a forward pass reads, float32 inside, layers with several inputs, and points that f doesn't take."""

import re
import time

import numpy as np
import pytest

from verification import check, check_backward, layer_functions

RNG = np.random.default_rng(12)


def test_a_backward_pass_that_updates_parameters_around_it_is_caught():
    """The later calls see them as they were."""
    weights = {"w": RNG.normal(size=(3, 2))}
    before = weights["w"].copy()

    def forward(x):
        return x @ weights["w"], x

    def backward(dout, x):
        by_x = dout @ weights["w"].T
        weights["w"] -= 0.1 * x.T @ dout
        return by_x

    report = check_backward(forward, backward, RNG.normal(size=(4, 3)))
    assert report.writes == ("backward writes to w, which forward reads",)
    assert not report.passed
    assert report["x"].verdict == "right"
    np.testing.assert_array_equal(weights["w"], before)


def test_a_backward_pass_that_uses_what_it_updated_is_wrong_and_hides_nothing():
    w = RNG.normal(size=(3, 2))

    def forward(x):
        return x @ w, x

    def backward(dout, x):
        np.subtract(w, 0.1 * x.T @ dout, out=w)
        return dout @ w.T

    report = check_backward(forward, backward, RNG.normal(size=(4, 3)))
    assert report.writes == ("backward writes to w, which forward reads",)
    assert report["x"].verdict == "wrong"
    assert not report.notes


@pytest.mark.parametrize("back", [np.float32, np.float64])
def test_float32_inside_of_a_forward_pass_is_noticed(back):
    def forward(x, w):
        return (x.astype(np.float32) @ w.astype(np.float32)).astype(back), (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout

    report = check_backward(forward, backward, RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)))
    assert report.passed
    assert len(report.notes) == 1
    assert report.notes[0].startswith("the forward pass computes in float32")


def test_float32_inside_of_a_backward_pass_is_noticed():
    def backward(dout, cache):
        x, w = cache
        return (dout.astype(np.float32) @ w.T.astype(np.float32)).astype(float), x.T @ dout

    report = check_backward(
        lambda x, w: (x @ w, (x, w)), backward, RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))
    )
    assert report.notes == ("backward computes in float32: the gradient by x",)


def test_numbers_that_float32_holds_anyway_are_no_sign_of_it():
    x = np.array([[1.0, -2.0], [0.5, 4.0]])
    assert check_backward(lambda x: (2 * x, None), lambda dout, _: 2 * dout, x, upstream=x).notes == ()


def test_a_gradient_of_another_size_is_not_explained_by_an_update():
    def backward(dout, cache):
        _, w, _ = cache
        return dout @ w.T, dout, dout.sum(axis=0)

    report = check_backward(
        lambda x, w, b: (x @ w + b, (x, w, b)),
        backward,
        RNG.normal(size=(4, 3)),
        RNG.normal(size=(3, 5)),
        RNG.normal(size=5),
    )
    assert "updated" not in str(report["w"].diagnosis)


# --- layers ----------------------------------------------------------------------------------------------------


class Recurrent:
    def __init__(self):
        self.W = np.zeros((3, 3))

    def forward(self, x, h):
        self.h, self.new = h, np.tanh(x + h @ self.W)
        return self.new

    def backward(self, delta):
        slope = delta * (1 - self.new**2)
        self.dW = self.h.T @ slope
        return slope, slope @ self.W.T


class Product:
    def compute(self, a, b):
        return a * b

    def gradient(self, out_grad, node):
        a, b = node.inputs
        return out_grad * b, out_grad * a


class Squares:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return np.mean((A - Y) ** 2)

    def backward(self):
        return 2 * (self.A - self.Y) / self.A.size


def test_a_layer_of_several_inputs_is_checked_by_their_names():
    x, h, W = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=(3, 3))
    report = check_backward(*layer_functions(Recurrent, {"W": "dW"}), x, h, W=W)
    assert [(row.name, row.verdict) for row in report.rows] == [
        ("x", "right"),
        ("h", "right"),
        ("W", "right"),
    ]


def test_a_backward_pass_that_takes_a_node_gets_its_inputs():
    passes = layer_functions(Product, forward="compute", backward="gradient")
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    assert [row.name for row in check_backward(*passes, a, b).rows] == ["a", "b"]
    assert check_backward(*passes, a, b).passed


def test_a_loss_whose_backward_pass_takes_nothing_is_checked():
    a, y = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    assert check_backward(*layer_functions(Squares), a, y, gradients=["A"]).passed


def test_a_forward_pass_that_a_layer_has_not_is_refused():
    with pytest.raises(TypeError, match="forward: found 'run', expected the name of a method of what make"):
        layer_functions(Product, forward="run")


# --- points ----------------------------------------------------------------------------------------------------

W = RNG.normal(size=(3, 4))
X = RNG.normal(size=(6, 4))


def of_points():
    return np.array([np.diag(1 - np.tanh(W @ x) ** 2) @ W for x in X])


@pytest.mark.parametrize(
    ("candidate", "hint"),
    [
        (
            lambda J: J.sum(axis=0),
            r"; the sum or the mean over them is asked about by batched='sum' or 'mean'",
        ),
        (lambda J: J.transpose(0, 2, 1), r"; each may be transposed \(denominator layout"),
        (
            lambda J: np.zeros((18, 24)),
            r"; the Jacobian of all of them by all inputs is checked without batched",
        ),
    ],
)
def test_another_shape_of_the_jacobians_of_points_says_the_way_out(candidate, hint):
    report = check(lambda X: np.tanh(X @ W.T), X, candidate(of_points()), batched=True)
    assert report.verdict == "wrong"
    assert re.search(hint, report.reason)


def test_plain_code_of_one_point_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"f takes one point of shape \(4,\) but not all of shape \(6, 4\)"):
        check(lambda x: np.tanh(W @ x), X, of_points(), batched=True)
    report = check(lambda X: np.array([np.tanh(W @ x) for x in X]), X, of_points(), batched=True)
    assert report.passed


def test_plain_code_that_adds_points_up_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="f that adds the points up itself is checked without batched"):
        check(lambda X: np.tanh(X @ W.T).sum(axis=0), X, of_points(), batched=True)


def test_a_large_gradient_that_is_wrong_takes_few_evaluations_and_says_what_ones_would_hide():
    weights = np.random.default_rng(5).normal(size=(200, 2))
    calls = []

    def forward(x):
        calls.append(1)
        time.sleep(0.001)  # so that differences by all 10,000 entries would pass the budget
        return x @ weights

    def backward(dout, cache):
        return np.broadcast_to(dout.mean() * weights.sum(axis=1), (50, 200)).copy()

    report = check_backward(forward, backward, x=np.random.default_rng(6).normal(size=(50, 200)))
    assert report["x"].verdict == "wrong"
    assert "an upstream gradient of ones would hide what is wrong by x" in str(report)
    assert len(calls) < 2_000
    other = check_backward(forward, lambda dout, cache: dout @ weights.T * 2, x=np.ones((50, 200)))
    assert other["x"].verdict == "wrong"
    assert "would hide" not in str(other)
    short = check_backward(forward, lambda dout, cache: (dout @ weights.T)[:-1], x=np.ones((50, 200)))
    assert "found shape (49, 200), expected (50, 200)" in short["x"].reason
    assert len(calls) < 4_000
