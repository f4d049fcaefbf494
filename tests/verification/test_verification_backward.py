"""Backward passes as notebooks of courses write them: right ones pass, of wrong ones input and mistake are named."""

import numpy as np
import pytest

from verification import assert_backward, check_backward, layer_functions

RNG = np.random.default_rng(23)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# --- an affine layer ---------------------------------------------------------------------------------------------


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


AFFINE = {"x": RNG.normal(size=(4, 2, 3)), "w": RNG.normal(size=(6, 3)), "b": RNG.normal(size=3)}


def test_a_right_affine_layer_in_every_form_of_the_answer():
    assert check_backward(affine_forward, affine_backward, **AFFINE).passed
    assert check_backward(affine_forward, lambda d, c: list(affine_backward(d, c)), *AFFINE.values()).passed
    names = ("dx", "dw", "db")
    as_dict = lambda d, c: dict(zip(names, affine_backward(d, c), strict=True))  # noqa: E731
    report = check_backward(affine_forward, as_dict, **AFFINE)
    assert [(row.name, row.verdict) for row in report.rows] == [
        ("x", "right"),
        ("w", "right"),
        ("b", "right"),
    ]
    assert report.verdict == "right"
    assert bool(report)


def test_passes_without_a_cache():
    x, w = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))
    assert check_backward(lambda x, w: x @ w, lambda dout, x, w: (dout @ w.T, x.T @ dout), x=x, w=w).passed
    assert check_backward(lambda x: np.tanh(x), lambda dout: dout * (1 - np.tanh(x) ** 2), x=x).passed


@pytest.mark.parametrize(
    ("spoil", "name", "mistake", "words"),
    [
        (
            lambda dx, dw, db: (dx, db * 0 + dw.mean() * np.ones_like(dw), db),
            "w",
            "unknown",
            "no known mistake",
        ),
        (lambda dx, dw, db: (dx, -dw, db), "w", "sign", "−J"),
        (lambda dx, dw, db: (dx, dw.T, db), "w", "transposed", "(3, 6)"),
        (lambda dx, dw, db: (dx.reshape(4, 6), dw, db), "x", "shape", "(4, 6)"),
        (lambda dx, dw, db: (dx, dw, db[None]), "b", "shape", "(1, 3)"),
        (lambda dx, dw, db: (dx, dw / 4, db), "w", "factor", "0.25·J"),
    ],
)
def test_the_wrong_gradient_alone_is_wrong_and_its_mistake_is_named(spoil, name, mistake, words):
    report = check_backward(affine_forward, lambda d, c: spoil(*affine_backward(d, c)), **AFFINE)
    assert report.verdict == "wrong"
    assert [row.name for row in report.rows if row.verdict == "wrong"] == [name]
    assert report[name].diagnosis.name == mistake
    assert words in str(report[name])


def test_the_gradient_by_another_input_is_told_as_such():
    x, w = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    report = check_backward(lambda x, w: (x @ w, (x, w)), lambda d, c: (d @ c[1].T, d @ c[1].T), x=x, w=w)
    assert "it is the answer by x, expected the one by w" in report["w"].diagnosis.sentence


# --- what is written to ------------------------------------------------------------------------------------------


def test_a_backward_pass_that_writes_into_dout_is_caught():
    def backward(dout, cache):
        dout *= cache > 0
        return dout

    report = check_backward(lambda x: (np.maximum(x, 0), x), backward, x=RNG.normal(size=(3, 4)))
    assert report["x"].verdict == "right"
    assert report.writes == ("backward writes to dout",)
    assert (report.verdict, report.passed) == ("wrong", False)
    with pytest.raises(AssertionError, match="backward writes to dout"):
        assert_backward(lambda x: (np.maximum(x, 0), x), backward, x=RNG.normal(size=(3, 4)))


def test_a_backward_pass_that_writes_into_its_cache_is_caught():
    def backward(dout, cache):
        mask, _ = cache
        mask *= dout
        return mask

    report = check_backward(lambda x: (np.maximum(x, 0), (1.0 * (x > 0), x)), backward, x=RNG.normal(size=5))
    assert report.writes == ("backward writes to the cache ([0])",)


def test_passes_that_write_to_their_inputs_are_caught():
    def forward(x):
        x *= 2
        return x.copy(), None

    assert "forward writes to x" in check_backward(forward, lambda d, _: 2 * d, x=RNG.normal(size=3)).writes

    def backward(dout, x):
        x += 1
        return dout * 2

    given = RNG.normal(size=3)
    kept = given.copy()
    assert "backward writes to x" in check_backward(lambda x: 2 * x, backward, x=given).writes
    assert np.array_equal(given, kept)


# --- batch normalisation -----------------------------------------------------------------------------------------


def batchnorm_forward(x, gamma, beta, bn_param):
    mean, var = x.mean(axis=0), x.var(axis=0)
    xhat = (x - mean) / np.sqrt(var + bn_param["eps"])
    running = bn_param.get("running_mean", np.zeros(x.shape[1]))
    bn_param["running_mean"] = 0.9 * running + 0.1 * mean
    return gamma * xhat + beta, (xhat, gamma, var + bn_param["eps"])


def batchnorm_backward(dout, cache):
    xhat, gamma, var = cache
    g = dout * gamma
    dx = (g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)) / np.sqrt(var)
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


NORM = {"x": RNG.normal(size=(5, 3)), "gamma": RNG.normal(size=3), "beta": RNG.normal(size=3)}


def test_batch_normalisation_whose_options_are_written_to_in_each_call():
    options = {"eps": 1e-5}
    assert check_backward(batchnorm_forward, batchnorm_backward, **NORM, bn_param=options).passed
    assert options == {"eps": 1e-5}


def test_statistics_held_constant_are_named_and_dout_of_ones_would_hide_the_mean():
    def constant(dout, cache):
        xhat, gamma, var = cache
        return dout * gamma / np.sqrt(var), (dout * xhat).sum(axis=0), dout.sum(axis=0)

    report = check_backward(batchnorm_forward, constant, **NORM, bn_param={"eps": 1e-5})
    assert [row.verdict for row in report.rows] == ["wrong", "right", "right"]
    assert report["x"].diagnosis.sentence.startswith("statistics are held constant: mean in line")
    assert report.notes == ()

    def without_variance(dout, cache):
        xhat, gamma, var = cache
        g = dout * gamma
        return (g - g.mean(axis=0)) / np.sqrt(var), (dout * xhat).sum(axis=0), dout.sum(axis=0)

    report = check_backward(batchnorm_forward, without_variance, **NORM, bn_param={"eps": 1e-5})
    assert report["x"].diagnosis.name == "missing-path"
    assert report.notes == ("an upstream gradient of ones would hide what is wrong by x",)


# --- a convolution -----------------------------------------------------------------------------------------------


def conv_forward(x, w, b, conv_param):
    pad, stride = conv_param["pad"], conv_param["stride"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = ((x.shape[k] + 2 * pad - w.shape[k]) // stride + 1 for k in (2, 3))
    out = np.zeros((len(x), len(w), height, width))
    for n, f, i, j in np.ndindex(out.shape):
        window = padded[n, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward(dout, cache, turned=False, kept=False):
    x, w, _, conv_param = cache
    pad, stride = conv_param["pad"], conv_param["stride"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for n, f, i, j in np.ndindex(dout.shape):
        place = np.s_[n, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
        dpadded[place] += dout[n, f, i, j] * (w[f, :, ::-1, ::-1] if turned else w[f])
        dw[f] += dout[n, f, i, j] * padded[place]
    dx = dpadded if kept else dpadded[:, :, pad:-pad, pad:-pad]
    return dx, dw, dout.sum(axis=(0, 2, 3))


CONV = {
    "x": RNG.normal(size=(2, 2, 4, 4)), "w": RNG.normal(size=(2, 2, 3, 3)), "b": RNG.normal(size=2),
    "conv_param": {"pad": 1, "stride": 1},
}  # fmt: skip


def test_a_right_convolution():
    assert check_backward(conv_forward, conv_backward, **CONV).passed


def test_a_turned_kernel_and_padding_that_is_kept_are_named():
    report = check_backward(conv_forward, lambda d, c: conv_backward(d, c, turned=True), **CONV)
    assert [row.verdict for row in report.rows] == ["wrong", "right", "right"]
    assert "turned by 180°" in report["x"].diagnosis.sentence
    report = check_backward(conv_forward, lambda d, c: conv_backward(d, c, kept=True), **CONV)
    assert "[:, :, 1:-1, 1:-1]" in report["x"].diagnosis.sentence


# --- an LSTM cell ------------------------------------------------------------------------------------------------


def lstm_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = (sigmoid(a[:, k * H : (k + 1) * H]) for k in range(3))
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_backward(dnext_h, dnext_c, cache, through_h=True):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + (dnext_h * o * (1 - t**2) if through_h else 0)
    da = np.hstack(
        [dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)]
    )
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


LSTM = {
    "x": RNG.normal(size=(2, 3)), "prev_h": RNG.normal(size=(2, 2)), "prev_c": RNG.normal(size=(2, 2)),
    "Wx": RNG.normal(size=(3, 8)), "Wh": RNG.normal(size=(2, 8)), "b": RNG.normal(size=8),
}  # fmt: skip


def test_an_lstm_cell_with_two_outputs():
    report = check_backward(lstm_forward, lstm_backward, **LSTM)
    assert report.passed, str(report)
    assert [one.shape for one in report.upstream] == [(2, 2), (2, 2)]


def test_an_lstm_cell_without_the_path_from_h_to_c():
    report = check_backward(lstm_forward, lambda h, c, k: lstm_backward(h, c, k, through_h=False), **LSTM)
    assert {row.verdict for row in report.rows} == {"wrong"}
    assert report["prev_c"].diagnosis.name == "missing-path"


# --- a two-layer net that returns its loss and gradients ---------------------------------------------------------


def two_layer_loss(W1, b1, W2, b2, X, y, reg, half=False):
    hidden = np.maximum(0, X @ W1 + b1)
    scores = hidden @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    n = len(y)
    loss = -np.mean(np.log(p[np.arange(n), y])) + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    d = p.copy()
    d[np.arange(n), y] -= 1
    d = d / n
    dh = (d @ W2.T) * (hidden > 0)
    c = 1 if half else 2
    grads = {"W2": hidden.T @ d + c * reg * W2, "b2": d.sum(axis=0)}
    grads |= {"W1": X.T @ dh + c * reg * W1, "b1": dh.sum(axis=0)}
    return loss, grads


NET = {
    "W1": RNG.normal(size=(3, 4)), "b1": RNG.normal(size=4), "W2": RNG.normal(size=(4, 3)), "b2": RNG.normal(size=3),
    "X": RNG.normal(size=(5, 3)), "y": np.array([0, 1, 2, 2, 1]), "reg": 0.1,
}  # fmt: skip
WEIGHTS = ["W1", "b1", "W2", "b2"]


def test_a_two_layer_net_that_returns_loss_and_gradients():
    report = check_backward(two_layer_loss, **NET, gradients=WEIGHTS)
    assert report.passed, str(report)
    assert [row.name for row in report.rows] == WEIGHTS


def test_half_a_regularisation_is_named_for_the_weights_alone():
    report = check_backward(two_layer_loss, **NET, half=True, gradients=WEIGHTS)
    assert [row.verdict for row in report.rows] == ["wrong", "right", "wrong", "right"]
    assert {report[name].diagnosis.name for name in ("W1", "W2")} == {"regularisation"}
    assert "0.1 times W1 is missing" in report["W1"].diagnosis.sentence


# --- classes -----------------------------------------------------------------------------------------------------


class Linear:
    def forward(self, A):
        self.A = A
        return A @ self.W.T + self.b

    def backward(self, dLdZ):
        self.dLdW = dLdZ.T @ self.A
        self.dLdb = dLdZ.sum(axis=0) * self.scale
        return dLdZ @ self.W

    scale = 1


class Doubled(Linear):
    scale = 2


LINEAR = {"x": RNG.normal(size=(4, 3)), "W": RNG.normal(size=(2, 3)), "b": RNG.normal(size=2)}


def test_a_class_with_gradients_as_attributes():
    attributes = {"W": "dLdW", "b": "dLdb"}
    assert check_backward(*layer_functions(Linear, attributes), **LINEAR).passed
    report = check_backward(*layer_functions(Doubled, attributes), **LINEAR)
    assert [row.verdict for row in report.rows] == ["right", "right", "wrong"]
    assert "2·J" in report["b"].diagnosis.sentence


# --- precision, kinks, and what can't be judged ------------------------------------------------------------------


def test_float32_inside_is_noticed_and_wrong_is_still_wrong():
    x, w = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))

    def forward(x, w):
        a, b = np.asarray(x, dtype=np.float32), np.asarray(w, dtype=np.float32)
        return a @ b, (a, b)

    def backward(dout, cache):
        return dout @ cache[1].T, cache[0].T @ dout

    report = check_backward(forward, backward, x=x, w=w)
    assert report.passed, str(report)
    assert report.notes == ("the forward pass computes in float32: tolerances follow it",)
    twice = check_backward(forward, lambda d, c: tuple(2 * one for one in backward(d, c)), x=x, w=w)
    assert [row.verdict for row in twice.rows] == ["wrong", "wrong"]


def test_a_random_forward_pass_is_undecided():
    rng = np.random.default_rng(0)
    report = check_backward(lambda x: (x * rng.uniform(), x), lambda d, _: d, x=np.ones(3))
    assert (report.verdict, report["x"].reason) == (
        "undecided",
        "forward is random: two calls give different values; fix its seed",
    )


def test_a_kink_is_undecided_and_does_not_pass():
    report = check_backward(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 0), x=np.array([0.0, 1.0]))
    assert not report.passed
    assert report.verdict == "undecided"


@pytest.mark.parametrize(
    ("backward", "reason"),
    [
        (lambda d, c: None, "backward returned None, expected gradients; is a return missing?"),
        (lambda d, c: (d, d), "backward returned 2 gradients for x, expected 1; name them by gradients=[…]"),
        (lambda d, c: 1 / 0, "backward raised ZeroDivisionError: division by zero"),
        (lambda d, c: {"dy": d}, "there is no gradient by it; is a return missing?"),
        (lambda d, c: d * np.nan, "the candidate has nan in 3 of 3 entries, first at [0, 0]"),
        (lambda d, c: d * 1j, "the gradient by x: found dtype complex128"),
    ],
)
def test_what_is_no_gradient_is_wrong_by_a_sentence(backward, reason):
    row = check_backward(lambda x: (x, None), backward, x=np.arange(3.0))["x"]
    assert row.verdict == "wrong"
    assert reason in row.reason


def test_given_upstream_gradients_are_used():
    seen = []

    def backward(dout, _):
        seen.append(dout.copy())
        return 2 * dout

    assert check_backward(lambda x: (2 * x, None), backward, x=np.ones(2), upstream=[3.0, 4.0]).passed
    assert seen[0].tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: check_backward(3, lambda d: d, x=np.ones(2)), TypeError, "forward: found 3, expected a function"),
        (lambda: check_backward(np.sin, 3, np.ones(2)), TypeError, "backward: found 3, expected a function, or None"),
        (lambda: check_backward(lambda x: x, lambda d: d), TypeError, "arguments: found none, expected those of"),
        (lambda: check_backward(lambda x: x, lambda d: d, x=3), ValueError, "expected an array of floats"),
        (
            lambda: check_backward(lambda x: x, lambda d: d, x=np.ones(2), gradients=["w"]),
            ValueError, "gradients: found 'w', expected one of x",
        ),
        (
            lambda: check_backward(lambda x: x, lambda d: d, x=np.ones(2), upstream=np.ones(3)),
            ValueError, "upstream: found shapes [(3,)], expected [(2,)]",
        ),
        (lambda: check_backward(lambda x: x, x=np.ones(2)), ValueError, "expected (loss, gradients)"),
        (lambda: layer_functions(3), TypeError, "make: found 3, expected a class"),
    ],
)  # fmt: skip
def test_calls_that_make_no_sense_are_refused_by_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert sentence in str(caught.value)
