"""Slips of backward passes as courses write them, with the words that the first sentence must have."""

import numpy as np
import pytest

from verification import check, check_backward

RNG = np.random.default_rng(42)


def normal(*shape, scale=1.0):
    return RNG.normal(size=shape) * scale


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logistic(z):
    return 1 / (1 + np.exp(-z))


# --- recurrent ---------------------------------------------------------------------------------------------


def rnn(x, h0, Wx, Wh, b):
    h, states = h0, [h0]
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        states.append(h)
    return np.stack(states[1:], axis=1), (x, states, Wx, Wh)


def rnn_backward(slip):
    def backward(dh, cache):
        x, h, Wx, Wh = cache
        dx, dWx, dWh, db, carried = 0 * x, 0 * Wx, 0 * Wh, np.zeros(len(Wh)), np.zeros_like(h[0])
        for t in reversed(range(x.shape[1])):
            g = dh[:, t] + (0 if slip == "no carry" else carried)
            dz = g * (1 - h[t if slip == "slope before" else t + 1] ** 2)
            dx[:, t] = dz @ Wx.T
            dWx += x[:, t].T @ dz
            dWh += h[t + 1 if slip == "h_t" else t].T @ dz
            db += dz.sum(axis=0)
            carried = (g if slip == "carry without slope" else dz) @ (Wh if slip == "transposed" else Wh.T)
        return dx, carried, dWx, dWh, db

    return backward


RNN = {
    "x": normal(3, 4, 5), "h0": normal(3, 4), "Wx": normal(5, 4, scale=0.5), "Wh": normal(4, 4, scale=0.5),
    "b": normal(4),
}  # fmt: skip


@pytest.mark.parametrize(
    ("slip", "by", "words"),
    [
        ("h_t", "Wh", "h_t for h_{t−1}"),
        ("slope before", "Wx", "1 − f² is taken of the step before"),
        ("carry without slope", "x", "the derivative of tanh is left out on the way to"),
        ("no carry", "Wx", "a term of the product rule is left out: by the result of tanh"),
        ("transposed", "x", "Wh is transposed at @"),
    ],
)
def test_recurrent_nets(slip, by, words):
    assert check_backward(rnn, rnn_backward(""), **RNN).passed
    row = check_backward(rnn, rnn_backward(slip), **RNN)[by]
    assert row.verdict == "wrong"
    assert words in row.diagnosis.sentence


def lstm(x, h, c, Wx, Wh, b):
    a, n = x @ Wx + h @ Wh + b, h.shape[1]
    i, f, o, g = (*(logistic(a[:, k * n : (k + 1) * n]) for k in range(3)), np.tanh(a[:, 3 * n :]))
    cell = f * c + i * g
    return o * np.tanh(cell), cell, (x, h, c, Wx, Wh, i, f, o, g, cell)


def lstm_backward(slip):
    def backward(dh, dc, cache):
        x, h, c, Wx, Wh, i, f, o, g, cell = cache
        dcell = dc + dh * o * (1 - np.tanh(cell) ** 2)
        do = dh * (cell if slip == "cell for tanh" else np.tanh(cell))
        df = dcell * (cell if slip == "next cell" else c)
        da = np.hstack([dcell * g * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dcell * i * (1 - g**2)])
        return da @ Wx.T, da @ Wh.T, dcell * f, x.T @ da, h.T @ da, da.sum(axis=0)

    return backward


LSTM = {
    "x": normal(3, 5), "h": normal(3, 4), "c": normal(3, 4), "Wx": normal(5, 16, scale=0.5),
    "Wh": normal(4, 16, scale=0.5), "b": normal(16),
}  # fmt: skip


@pytest.mark.parametrize(("slip", "by"), [("cell for tanh", "b"), ("next cell", "Wx")])
def test_gates_that_take_another_value(slip, by):
    assert check_backward(lstm, lstm_backward(""), **LSTM).passed
    row = check_backward(lstm, lstm_backward(slip), gradients=None, **LSTM)[by]
    assert row.verdict == "wrong"
    assert "the result of +" in row.diagnosis.sentence
    assert "stands for" in row.diagnosis.sentence


# --- layers ------------------------------------------------------------------------------------------------


def convolution(x, w):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(x), *x.shape[1:]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = np.sum(padded[:, i : i + 3, j : j + 3] * w, axis=(1, 2))
    return out, (padded, w)


def convolution_backward(dout, cache):
    padded, w = cache
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            dx[:, i : i + 3, j : j + 3] = dout[:, i, j, None, None] * w
            dw += np.sum(dout[:, i, j, None, None] * padded[:, i : i + 3, j : j + 3], axis=0)
    return dx[:, 1:-1, 1:-1], dw


def test_windows_that_overlap_are_assigned():
    report = check_backward(convolution, convolution_backward, x=normal(2, 4, 4), w=normal(3, 3))
    assert report["w"].verdict == "right"
    assert (
        "that overlap are assigned, the last of them stays, expected added" in report["x"].diagnosis.sentence
    )


def layer_norm(x, g):
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = x.std(axis=1, keepdims=True)
    return g * centred / deviation, (centred / deviation, deviation, g)


@pytest.mark.parametrize("scale", [0.3, 1.0, 20.0])
def test_the_answer_divided_by_a_deviation_once_more(scale):
    def backward(dout, cache):
        unit, deviation, g = cache
        d = dout * g
        d = d - d.mean(axis=1, keepdims=True) - unit * (d * unit).mean(axis=1, keepdims=True)
        return d / deviation**2, (dout * unit).sum(axis=0)

    # a point whose variance is near 1 is no normalised one
    rng = np.random.default_rng(3)
    for _ in range(6):
        x = rng.normal(size=(4, 5)) * scale
        row = check_backward(layer_norm, backward, x=x, g=rng.normal(size=5))["x"]
        assert "the variance stands for the standard deviation" in row.diagnosis.sentence


def test_the_gradient_from_above_is_transposed():
    def backward(dout, cache):
        Q, K, V, a = cache
        da = dout @ V.T
        ds = a * (da - (da * a).sum(axis=1, keepdims=True))
        return ds @ K, ds @ Q, a.T @ dout

    def attention(Q, K, V):
        a = softmax(Q @ K.T)
        return a @ V, (Q, K, V, a)

    report = check_backward(attention, backward, Q=normal(4, 3), K=normal(4, 3), V=normal(4, 5))
    assert (report["Q"].verdict, report["V"].verdict) == ("right", "right")
    assert "the gradient from above is transposed at @" in report["K"].diagnosis.sentence


def test_one_class_of_several_counts():
    def forward(v, U):
        p = np.exp(U @ v) / np.exp(U @ v).sum()
        return -np.log(p[2]), (v, U, p)

    def backward(d, cache):
        v, U, p = cache
        return d * U[2] * (p[2] - 1), d * np.outer(p - np.eye(6)[2], v)

    row = check_backward(forward, backward, v=normal(4), U=normal(6, 4))["v"]
    assert "only entry 2 of 6 counts" in row.diagnosis.sentence


# --- losses ------------------------------------------------------------------------------------------------

LABELS = (normal(6) > 0) * 1.0


def cross_entropy(X, w, y):
    p = logistic(X @ w)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


POINTS, WEIGHTS = normal(6, 3), normal(3)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (lambda p: POINTS.T @ (p[:, None] - LABELS) / 6, "was broadcast to (6, 6)"),
        (
            lambda p: POINTS.T @ (p[:, None] - LABELS).mean(axis=1) / 6,
            "was broadcast to (6, 6), then averaged",
        ),
        (lambda p: POINTS.T @ (p[:, None] - LABELS).sum(axis=1) / 6, "was broadcast to (6, 6), then summed"),
        (lambda p: POINTS.T @ p / 6, "y is forgotten: taken as 0"),
    ],
)
def test_a_column_against_a_vector_of_targets_and_targets_that_are_forgotten(slip, words):
    loss = lambda w: cross_entropy(POINTS, w, LABELS)  # noqa: E731
    p = logistic(POINTS @ WEIGHTS)
    assert check(loss, WEIGHTS, POINTS.T @ (p - LABELS) / 6).passed

    def grads(X, w, y):
        return cross_entropy(X, w, y), {"w": slip(logistic(X @ w))}

    row = check_backward(grads, X=POINTS, w=WEIGHTS, y=LABELS, gradients=["w"])["w"]
    assert row.verdict == "wrong"
    assert words in row.diagnosis.sentence


def test_weights_that_were_updated_before_they_are_used():
    def grads(X, W1, W2):
        h = np.tanh(X @ W1)
        d = 2 * (h @ W2 - 1)
        dW2 = h.T @ d
        later = W2 - 0.05 * dW2
        return np.sum((h @ W2 - 1) ** 2), {"W1": X.T @ ((d @ later.T) * (1 - h**2)), "W2": dW2}

    W1, W2 = normal(3, 4), normal(4, 2)
    loss = lambda W: np.sum((np.tanh(POINTS @ W) @ W2 - 1) ** 2)  # noqa: E731
    row = check_backward(grads, X=POINTS, W1=W1, W2=W2, gradients=["W1", "W2"])
    assert row["W2"].verdict == "right"
    found = check(loss, W1, grads(POINTS, W1, W2)[1]["W1"])
    assert found.verdict == "wrong"
    assert found.diagnosis.sentence.startswith("W2 was updated before: W2 − 0.05·∂/∂W2 stands for it at @")


def test_code_that_is_one_helper_is_taken_entry_by_entry():
    def soft(z):
        e = np.exp(z - z.max())
        return e / e.sum()

    z = normal(4)
    p = soft(z)
    found = check(soft, z, np.diag(p * (1 - p))).diagnosis
    assert found.sentence == "soft() is taken entry by entry: only the diagonal of its Jacobian is used"


def test_a_factor_has_no_reason_that_the_code_doesnt_have():
    found = check(lambda x: np.sum(np.sin(x)), np.ones(4), 4 * np.cos(np.ones((1, 4)))).diagnosis
    assert found.sentence == "a constant factor is wrong: the candidate is 4·J"
    found = check(lambda x: np.mean(np.sin(x)), np.ones(4), np.cos(np.ones((1, 4)))).diagnosis
    assert "4·J, as where the 1/4 of mean is left out" in found.sentence
