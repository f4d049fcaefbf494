"""Slips in the windows of loops, in arguments of several terms, and where sentences say that something stands."""

import re

import numpy as np
import pytest

from verification import check_backward

RNG = np.random.default_rng(8)


def convolution(stride, border):
    def forward(x, w, b):
        points, _, height, width = x.shape
        filters, _, size, _ = w.shape
        padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
        rows, columns = ((n + 2 * border - size) // stride + 1 for n in (height, width))
        out = np.zeros((points, filters, rows, columns))
        for n in range(points):
            for f in range(filters):
                for i in range(rows):
                    for j in range(columns):
                        window = padded[n, :, i * stride : i * stride + size, j * stride : j * stride + size]
                        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
        return out, (x, padded, w)

    return forward


def backward_of(stride, border, taken=None, points=None, from_x=False):
    """Return the backward pass; `taken` is the stride it uses, `points` those that dw sums over."""
    step = taken or stride

    def backward(dout, cache):
        x, padded, w = cache
        size = w.shape[2]
        dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
        for n, f, i, j in np.ndindex(*dout.shape):
            part = np.s_[n, :, i * step : i * step + size, j * step : j * step + size]
            window = (x if from_x else padded)[part]
            if points is None or n in points:
                dw[f][:, : window.shape[1], : window.shape[2]] += window * dout[n, f, i, j]
            dpadded[part] += w[f] * dout[n, f, i, j]
        dx = dpadded[:, :, border : border + x.shape[2], border : border + x.shape[3]]
        return dx, dw, dout.sum(axis=(0, 2, 3))

    return backward


def report_of(forward, backward, size=4):
    x, w, b = RNG.normal(size=(2, 2, size, size)), RNG.normal(size=(2, 2, 3, 3)), RNG.normal(size=2)
    return check_backward(forward, backward, x=x, w=w, b=b)


@pytest.mark.parametrize("by", ["x", "w"])
def test_another_stride_of_the_windows_is_named(by):
    row = report_of(convolution(2, 0), backward_of(2, 0, taken=1), size=5)[by]
    assert re.match(r"the windows of .* have the stride 1, expected 2 \(line \d+\)", row.diagnosis.sentence)


def test_windows_of_the_input_without_its_border_are_named():
    row = report_of(convolution(1, 1), backward_of(1, 1, from_x=True))["w"]
    assert "begin 1 too late along axes 2, 3, as without the border" in row.diagnosis.sentence


@pytest.mark.parametrize(("points", "which"), [((1,), "last"), ((0,), "first")])
def test_one_point_alone_in_a_gradient_by_the_filters_is_named(points, which):
    row = report_of(convolution(1, 1), backward_of(1, 1, points=points))["w"]
    assert row.diagnosis.sentence.startswith(
        f"only the {which} of 2 indices along axis 0 of the result of pad"
    )


def test_a_right_convolution_of_two_strides_gets_no_name():
    report = report_of(convolution(2, 0), backward_of(2, 0), size=5)
    assert report.passed
    assert all(row.diagnosis is None for row in report.rows)


def test_one_step_of_a_window_along_a_signal_is_named():
    def forward(x, w):
        return np.array([np.sum(x[3 * k : 3 * k + 3] * w) for k in range(3)]), (x, w)

    def backward(dout, cache):
        x, w = cache
        dx = np.zeros_like(x)
        for k in range(3):
            dx[k : k + 3] += w * dout[k]
        return dx, sum(dout[k] * x[k : k + 3] for k in range(3))

    report = check_backward(forward, backward, x=RNG.normal(size=9), w=RNG.normal(size=3))
    for row in report.rows:
        assert row.diagnosis.sentence.startswith("the windows of x have the stride 1, expected 3")


# --- arguments of several terms ------------------------------------------------------------------------------


def gelu(x):
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inner)), (x, np.tanh(inner))


def test_the_derivative_of_an_argument_that_is_left_out_is_named():
    def backward(dout, cache):
        x, t = cache
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2))

    row = check_backward(gelu, backward, x=RNG.normal(size=(4, 3)))["x"]
    assert re.match(
        r"the derivative of the result of \* in line \d+ by x is left out", row.diagnosis.sentence
    )


def test_powers_that_are_not_divided_by_their_sum_are_named():
    def forward(x):
        top = x.max(axis=1, keepdims=True)
        return np.log(np.exp(x - top).sum(axis=1)) + top[:, 0], x

    def backward(dout, x):
        return dout[:, None] * np.exp(x)

    row = check_backward(forward, backward, x=RNG.normal(size=(4, 3)))["x"]
    assert "the softmax is not divided by its sum" in row.diagnosis.sentence


# --- places --------------------------------------------------------------------------------------------------


def test_no_line_of_this_package_stands_in_a_sentence():
    """Σ dout · out is none of the code that is looked at."""

    def forward(x, w, b):
        return x @ w + b, (x, w)

    def backward(dout, cache):
        x, _ = cache
        return dout, x.T @ dout / 4, dout.sum(axis=0) * dout.size

    report = check_backward(
        forward, backward, x=RNG.normal(size=(4, 3)), w=RNG.normal(size=(3, 3)), b=RNG.normal(size=3)
    )
    first = forward.__code__.co_firstlineno
    for row in report.rows:
        told = " ".join([row.diagnosis.sentence, *row.diagnosis.others])
        assert "_call" not in told
        assert {int(line) for line in re.findall(r"line (\d+)", told)} <= {first + 1}


# --- lengths, copies, branches ---------------------------------------------------------------------------------


def of_unit(x):
    n = np.linalg.norm(x, axis=1, keepdims=True)
    return x / n, (x, n)


def rms(x):
    s = np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-6)
    return x / s, (x, s)


def first_name(forward, backward, **arrays):
    """Return the first sentence on the gradient by the last of the arrays."""
    report = check_backward(forward, backward, **arrays)
    row = report.rows[-1]
    assert row.verdict == "wrong"
    return row.diagnosis.sentence


@pytest.mark.parametrize(("forward", "weight"), [(of_unit, 1.0), (rms, 1 / 4)])
def test_slips_in_the_derivative_of_a_division_by_the_length_are_named(forward, weight):
    x = RNG.normal(size=(3, 4))

    def with_sum_over(axis):
        def backward(dout, cache):
            x, s = cache
            along = (dout * x / s).sum(axis=axis, keepdims=True)
            return (dout - weight * x / s * along) / s

        return backward

    begun = "in the derivative of the division by the length "
    assert check_backward(forward, with_sum_over(1), x=x).passed
    for backward, said in (
        (with_sum_over(0), "the sum runs over axis 0, expected axis 1"),
        (with_sum_over((0, 1)), "the sum runs over all entries, expected axis 1"),
    ):
        found = first_name(forward, backward, x=x)
        assert re.match(re.escape(begun + said) + r" \(\w+, line \d+\)$", found)


def test_copies_of_an_entry_that_are_not_added_are_named():
    def forward(x):
        return np.repeat(np.repeat(x, 2, axis=0), 2, axis=1), None

    x = RNG.normal(size=(2, 3))
    assert first_name(forward, lambda d, _: d[::2, ::2], x=x).startswith(
        "of the copies of each entry only the first counts"
    )
    assert first_name(forward, lambda d, _: d[1::2, 1::2], x=x).startswith(
        "of the copies of each entry only the last counts"
    )
    averaged = first_name(forward, lambda d, _: d.reshape(2, 2, 3, 2).mean(axis=(1, 3)), x=x)
    assert "0.25·J, as where what flows back to the 2 copies of each entry is averaged" in averaged


def test_the_value_of_a_branch_for_its_derivative_is_named():
    def forward(x):
        y = np.where(x > 0, x, np.exp(x) - 1)
        return y, (x, y)

    found = first_name(
        forward, lambda d, cache: d * np.where(cache[0] > 0, 1, cache[1]), x=RNG.normal(size=(4, 3))
    )
    assert re.match(r"the result of − in line \d+ stands for the derivative of exp", found)


def test_a_maximum_that_is_left_out_where_it_is_used_too_is_named():
    def forward(x):
        return np.maximum(0, 2 - x) ** 2, x

    found = first_name(forward, lambda d, x: -2 * d * (2 - x), x=np.linspace(0, 4, 8))
    assert found.startswith("maximum is left out: the result of − in line")


def test_the_root_that_is_no_divisor_is_named():
    def forward(y, x):
        return np.sqrt(((x - y) ** 2).sum(axis=1)), (x, y)

    def backward(dout, cache):
        x, y = cache
        by_x = dout[:, None] * (x - y)
        return -by_x, by_x

    found = first_name(forward, backward, y=RNG.normal(size=(5, 3)), x=RNG.normal(size=(5, 3)))
    assert found.startswith("in the derivative of sqrt the division by the root is left out")


def test_the_number_of_a_regularisation_is_that_of_the_code():
    """The gradient from above of a loss multiplies it, and is none of its numbers."""

    def forward(x, w):
        return ((x @ w) ** 2).sum() + 0.1 * (w**2).sum(), (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout * 2 * (x @ w) @ w.T, dout * (2 * x.T @ (x @ w) + 0.1 * w)

    found = first_name(forward, backward, x=RNG.normal(size=(4, 3)), w=RNG.normal(size=(3, 2)))
    assert found == "regularisation: 0.1 times w is missing"


def test_a_product_is_named_before_the_sum_that_says_the_same():
    def forward(x):
        scores = x @ np.array([0.5, -2.0])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights = powers / powers.sum(axis=1, keepdims=True)
        return (weights[..., None] * x).sum(axis=1), weights

    found = first_name(
        forward, lambda d, weights: weights[..., None] * d[:, None], x=RNG.normal(size=(3, 4, 2))
    )
    assert found.startswith("a term of the product rule is left out: by the result of indexing")
