"""Mistakes that students handed in, in gradients of plain NumPy layers: each is named, with its place in the code."""

import numpy as np
import pytest

from verification import diagnose, finite_difference_jacobian

RNG = np.random.default_rng(7)


# --- the layers, as courses write them, and the sum of upstream · forward that is differentiated ---------------


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def affine(dout, x, w, b):
    return np.sum(dout * (x.reshape(x.shape[0], -1) @ w + b))


def relu(dout, x):
    return np.sum(dout * np.maximum(x, 0))


def softmax_loss(x, y):
    z = x - np.max(x, axis=1, keepdims=True)
    return -np.mean((z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)))[np.arange(len(y)), y])


def svm_loss(W, X, y, reg):
    s = X @ W
    margins = np.maximum(0, s - s[np.arange(len(y)), y][:, None] + 1)
    return (np.sum(margins) - len(y)) / len(y) + reg * np.sum(W * W)


def batch_norm(dout, x, gamma, beta):
    centred = x - np.mean(x, axis=0)
    variance = np.mean(centred**2, axis=0)
    return np.sum(dout * (gamma * centred / np.sqrt(variance + 1e-5) + beta))


def layer_norm(dout, x, gamma, beta):
    centred = x - np.mean(x, axis=1, keepdims=True)
    variance = np.mean(centred**2, axis=1, keepdims=True)
    return np.sum(dout * (gamma * centred / np.sqrt(variance + 1e-5) + beta))


def dropout(dout, x, u):
    return np.sum(dout * x * ((u < 0.7) / 0.7))


def convolution(dout, x, w, b):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = 0.0
    for n, f, i, j in np.ndindex(dout.shape):
        total = total + dout[n, f, i, j] * (np.sum(padded[n, :, i : i + 3, j : j + 3] * w[f]) + b[f])
    return total


def max_pool(dout, x):
    total = 0.0
    for n, c, i, j in np.ndindex(dout.shape):
        total = total + dout[n, c, i, j] * np.max(x[n, c, i : i + 3, j : j + 3])
    return total


def rnn_step(dout, x, h, Wx, Wh, b):
    return np.sum(dout * np.tanh(x @ Wx + h @ Wh + b))


def rnn(dout, x, h0, Wx, Wh, b):
    h, total = h0, 0.0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        total = total + np.sum(dout[:, t] * h)
    return total


def lstm(dh, dc, x, h, c, Wx, Wh, b):
    H = h.shape[1]
    a = x @ Wx + h @ Wh + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    cell = f * c + i * g
    return np.sum(dh * o * np.tanh(cell)) + np.sum(dc * cell)


def embedding(dout, idx, W):
    return np.sum(dout * W[idx])


def negative_sampling(v, o, U, neg):
    return -np.log(sigmoid(U[o] @ v)) - np.sum(np.log(sigmoid(-U[neg] @ v)))


def attention(dout, Q, K, V):
    return np.sum(dout * (softmax(Q @ K.T / np.sqrt(Q.shape[1])) @ V))


def regularised_net(T1, T2, X, Y, lam):
    m = X.shape[0]
    one = np.ones((m, 1))
    a = sigmoid(np.hstack([one, X]) @ T1.T)
    h = sigmoid(np.hstack([one, a]) @ T2.T)
    loss = np.sum(-Y * np.log(h) - (1 - Y) * np.log(1 - h)) / m
    return loss + lam / (2 * m) * (np.sum(T1[:, 1:] ** 2) + np.sum(T2[:, 1:] ** 2))


def quadratic_net(W1, b1, W2, b2, x, y):
    return 0.5 * np.sum((sigmoid(W2 @ sigmoid(W1 @ x + b1) + b2) - y) ** 2)


# --- wrong derivatives ------------------------------------------------------------------------------------------


def scores_gradient(x, y):
    p = softmax(x)
    p[np.arange(len(y)), y] -= 1
    return p


def svm_gradient(W, X, y, reg, factor):
    n, s = len(y), X @ W
    m = 1.0 * (s - s[np.arange(n), y][:, None] + 1 > 0)
    m[np.arange(n), y] = 0
    m[np.arange(n), y] = -m.sum(1)
    return X.T @ m / n + factor * reg * W


def normalised(x, axis, ddof=0):
    s = np.sqrt(x.var(axis, keepdims=True, ddof=ddof) + 1e-5)
    return (x - x.mean(axis, keepdims=True)) / s, s


def norm_gradient(g, x, axis, ddof=0, spread=True):
    xh, s = normalised(x, axis, ddof)
    through = xh * (g * xh).mean(axis, keepdims=True) if spread else 0
    return (g - g.mean(axis, keepdims=True) - through) / s


def conv_gradients(dout, x, w, b):
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for n, f, i, j in np.ndindex(dout.shape):
        dxp[n, :, i : i + 3, j : j + 3] += w[f] * dout[n, f, i, j]
        dw[f] += xp[n, :, i : i + 3, j : j + 3] * dout[n, f, i, j]
    return dxp[:, :, 1:-1, 1:-1], dw


def averaged_pool(dout, x):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        dx[n, c, i : i + 3, j : j + 3] += dout[n, c, i, j] / 9
    return dx


def rnn_last_assigned(dout, x, h0, Wx, Wh, b):
    hs = [h0]
    for t in range(x.shape[1]):
        hs.append(np.tanh(x[:, t] @ Wx + hs[-1] @ Wh + b))
    dh = np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        d = (dout[:, t] + dh) * (1 - hs[t + 1] ** 2)
        dh = d @ Wh.T
        found = {"Wx": x[:, t].T @ d, "Wh": hs[t].T @ d, "b": d.sum(0)}
    return found


def lstm_gate(dh, dc, x, h, c, Wx, Wh, b):
    H = h.shape[1]
    a = x @ Wx + h @ Wh + b
    i, f, o = (sigmoid(a[:, k * H : (k + 1) * H]) for k in range(3))
    g = np.tanh(a[:, 3 * H :])
    t = np.tanh(f * c + i * g)
    dc = dc + dh * o * (1 - t * t)
    slope = 1 - np.tanh(g) ** 2
    return x.T @ np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dh * t * o * (1 - o), dc * i * slope])


def assigned(dout, idx, W):
    d = np.zeros_like(W)
    d[idx] += dout
    return d


def sampled(v, o, U, neg, sign):
    return (sigmoid(U[o] @ v) - 1) * U[o] + sign * sigmoid(U[neg] @ v) @ U[neg]


def attended(dout, Q, K, V, scale=True, elementwise=False):
    r = np.sqrt(Q.shape[1])
    P, dP = softmax(Q @ K.T / r), dout @ V.T
    dS = P * (1 - P) * dP if elementwise else P * (dP - (P * dP).sum(1, keepdims=True))
    return dS @ K / (r if scale else 1)


def net_gradients(T1, T2, X, Y, lam, slope=True, part=np.s_[:, 1:], over=None, bias=False):
    m = len(X)
    a1 = np.hstack([np.ones((m, 1)), X])
    a2 = np.hstack([np.ones((m, 1)), sigmoid(a1 @ T1.T)])
    d3 = sigmoid(a2 @ T2.T) - Y
    d2 = (d3 @ T2)[part] * (a2[:, 1:] * (1 - a2[:, 1:]) if slope else 1)
    r1, r2 = T1.copy(), T2.copy()
    if not bias:
        r1[:, 0] = r2[:, 0] = 0
    over = over or m
    return d2.T @ a1 / over + lam / over * r1, d3.T @ a2 / over + lam / over * r2


def net_with_bias_row(T1, T2, X, Y, lam):
    a1 = np.hstack([np.ones((len(X), 1)), X])
    a2 = np.hstack([np.ones((len(X), 1)), sigmoid(a1 @ T1.T)])
    return ((sigmoid(a2 @ T2.T) - Y) @ T2 * a2 * (1 - a2)).T @ a1 / len(X)


def quadratic_gradients(W1, b1, W2, b2, x, y, outer=lambda h: h * (1 - h), inner=lambda a: a * (1 - a)):
    a = sigmoid(W1 @ x + b1)
    h = sigmoid(W2 @ a + b2)
    d2 = (h - y) * outer(h)
    d1 = W2.T @ d2 * inner(a)
    return {"W1": np.outer(d1, x), "b1": d1, "W2": np.outer(d2, a), "b2": d2}


def sigmoid_slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


def normal(**shapes):
    return {name: RNG.normal(size=shape) for name, shape in shapes.items()}


AFFINE = normal(dout=(4, 3), x=(4, 2, 3), w=(6, 3), b=3)
RELU = normal(dout=(4, 3), x=(4, 3))
LOSS = {"x": RNG.normal(size=(4, 3)), "y": np.array([0, 2, 1, 2])}
SVM = {**normal(W=(3, 4), X=(5, 3)), "y": np.array([0, 2, 1, 2, 3]), "reg": 0.1}
NORM = normal(dout=(5, 3), x=(5, 3), gamma=3, beta=3)
DROPOUT = {**normal(dout=(4, 5), x=(4, 5)), "u": RNG.uniform(size=(4, 5))}
CONV = normal(dout=(2, 3, 4, 4), x=(2, 2, 4, 4), w=(3, 2, 3, 3), b=3)
POOL = normal(dout=(1, 2, 3, 3), x=(1, 2, 5, 5))
STEP = normal(dout=(3, 4), x=(3, 2), h=(3, 4), Wx=(2, 4), Wh=(4, 4), b=4)
RNN = normal(dout=(2, 3, 4), x=(2, 3, 2), h0=(2, 4), Wx=(2, 4), Wh=(4, 4), b=4)
LSTM = normal(dh=(2, 3), dc=(2, 3), x=(2, 2), h=(2, 3), c=(2, 3), Wx=(2, 12), Wh=(3, 12), b=12)
EMBEDDING = {**normal(dout=(2, 3, 2), W=(5, 2)), "idx": np.array([[0, 2, 2], [4, 0, 2]])}
SAMPLING = {**normal(v=3, U=(6, 3)), "o": 1, "neg": np.array([0, 3, 3, 5])}
ATTENTION = normal(dout=(3, 2), Q=(3, 4), K=(5, 4), V=(5, 2))
NET = {**normal(T1=(4, 4), T2=(2, 5), X=(5, 3)), "Y": RNG.integers(0, 2, (5, 2)) * 1.0, "lam": 0.7}
QUADRATIC = normal(W1=(4, 3), b1=4, W2=(2, 4), b2=2, x=3, y=2)

NO_SLOPE = {"outer": np.ones_like}
OF_VALUES = {"outer": sigmoid_slope, "inner": sigmoid_slope}

# forward, arguments, by what, wrong gradient, name, words of the sentence
CASES = {
    "x not flattened": (
        affine,
        AFFINE,
        "w",
        lambda dout, x, w, b: x.T @ dout,
        "shape",
        "reshape the transpose",
    ),
    "dx flat": (affine, AFFINE, "x", lambda dout, x, w, b: dout @ w.T, "shape", "stand in order"),
    "divided by N": (affine, AFFINE, "b", lambda dout, x, w, b: dout.mean(0), "factor", "0.25·J"),
    "not summed": (affine, AFFINE, "b", lambda dout, x, w, b: dout, "not-summed", "over axis 0"),
    "axis kept": (
        affine,
        AFFINE,
        "b",
        lambda dout, x, w, b: dout.sum(0, keepdims=True),
        "shape",
        "expected (3,)",
    ),
    "dw transposed": (
        affine,
        AFFINE,
        "w",
        lambda dout, x, w, b: dout.T @ x.reshape(4, -1),
        "transposed",
        "(3, 6)",
    ),
    "mask of dout": (
        relu,
        RELU,
        "x",
        lambda dout, x: np.where(dout > 0, dout, 0),
        "wrong-point",
        "maximum is taken at dout",
    ),
    "no dout": (
        relu,
        RELU,
        "x",
        lambda dout, x: 1.0 * (x > 0),
        "missing-factor",
        "the factor dout is left out (relu,",
    ),
    "not divided by N": (
        softmax_loss,
        LOSS,
        "x",
        scores_gradient,
        "factor",
        "the 1/4 of mean is left out (softmax_loss",
    ),
    "no one-hot": (
        softmax_loss,
        LOSS,
        "x",
        lambda x, y: softmax(x) / len(y),
        "missing-constant",
        "the target",
    ),
    "sign": (softmax_loss, LOSS, "x", lambda x, y: -scores_gradient(x, y) / len(y), "sign", "−J"),
    "half regularisation": (
        svm_loss,
        SVM,
        "W",
        lambda *a: svm_gradient(*a, 1),
        "regularisation",
        "0.1 times W is missing",
    ),
    "no regularisation": (
        svm_loss,
        SVM,
        "W",
        lambda *a: svm_gradient(*a, 0),
        "regularisation",
        "0.2 times W is missing",
    ),
    "statistics constant": (
        batch_norm,
        NORM,
        "x",
        lambda dout, x, gamma, beta: dout * gamma / normalised(x, 0)[1],
        "missing-path",
        "statistics are held constant: mean in line",
    ),
    "variance constant": (
        batch_norm,
        NORM,
        "x",
        lambda dout, x, gamma, beta: norm_gradient(dout * gamma, x, 0, spread=False),
        "missing-path",
        "** in line",
    ),
    "no gamma": (
        batch_norm,
        NORM,
        "x",
        lambda dout, x, gamma, beta: norm_gradient(dout, x, 0),
        "missing-factor",
        "the factor gamma is left out",
    ),
    "x for x̂": (
        batch_norm,
        NORM,
        "gamma",
        lambda dout, x, gamma, beta: (dout * x).sum(0),
        "wrong-value",
        "x stands for what gamma is multiplied by",
    ),
    "ddof = 1": (
        batch_norm,
        NORM,
        "x",
        lambda dout, x, gamma, beta: norm_gradient(dout * gamma, x, 0, ddof=1),
        "wrong-value",
        "ddof = 1",
    ),
    "axis kept, bn": (
        batch_norm,
        NORM,
        "beta",
        lambda dout, x, gamma, beta: dout.sum(0)[:, None],
        "shape",
        "(3, 1)",
    ),
    "wrong axis": (
        layer_norm,
        NORM,
        "gamma",
        lambda dout, x, gamma, beta: (dout * normalised(x, 1)[0]).sum(1),
        "wrong-axis",
        "summed over axis 1",
    ),
    "no mask": (dropout, DROPOUT, "x", lambda dout, x, u: dout / 0.7, "missing-factor", "mask"),
    "no 1/p": (
        dropout,
        DROPOUT,
        "x",
        lambda dout, x, u: dout * (u < 0.7),
        "factor",
        "scale 1.42857 of the mask",
    ),
    "kernel turned": (
        convolution,
        CONV,
        "x",
        lambda dout, x, w, b: conv_gradients(dout, x, w[:, :, ::-1, ::-1], b)[0],
        "reversed",
        "180° at *",
    ),
    "dw turned": (
        convolution,
        CONV,
        "w",
        lambda *a: conv_gradients(*a)[1][:, :, ::-1, ::-1],
        "reversed",
        "the answer is turned by 180°",
    ),
    "padding kept": (
        convolution,
        CONV,
        "x",
        lambda *a: np.pad(conv_gradients(*a)[0], ((0, 0), (0, 0), (1, 1), (1, 1))),
        "extra-entries",
        "[:, :, 1:-1, 1:-1]",
    ),
    "average for max": (max_pool, POOL, "x", averaged_pool, "mask", "spread evenly over 9 entries"),
    "no tanh'": (
        rnn_step,
        STEP,
        "x",
        lambda dout, x, h, Wx, Wh, b: dout @ Wx.T,
        "missing-derivative",
        "tanh is left out (rnn_step",
    ),
    "no tanh', bias": (
        rnn_step,
        STEP,
        "b",
        lambda dout, x, h, Wx, Wh, b: dout.sum(0),
        "missing-derivative",
        "tanh is left out (rnn_step",
    ),
    "1 − z²": (
        rnn_step,
        STEP,
        "x",
        lambda dout, x, h, Wx, Wh, b: (dout * (1 - (x @ Wx + h @ Wh + b) ** 2)) @ Wx.T,
        "wrong-point",
        "of the argument of tanh",
    ),
    "Wh not transposed": (
        rnn_step,
        STEP,
        "h",
        lambda dout, x, h, Wx, Wh, b: (dout * (1 - np.tanh(x @ Wx + h @ Wh + b) ** 2)) @ Wh,
        "matrix-transposed",
        "Wh is transposed",
    ),
    "one step, Wx": (
        rnn,
        RNN,
        "Wx",
        lambda *a: rnn_last_assigned(*a)["Wx"],
        "one-use",
        "3 uses of Wx only the first",
    ),
    "one step, Wh": (
        rnn,
        RNN,
        "Wh",
        lambda *a: rnn_last_assigned(*a)["Wh"],
        "one-use",
        "3 uses of Wh only the first",
    ),
    "one step, b": (
        rnn,
        RNN,
        "b",
        lambda *a: rnn_last_assigned(*a)["b"],
        "one-use",
        "3 uses of b only the first",
    ),
    "tanh of g": (lstm, LSTM, "Wx", lstm_gate, "derivative-at-output", "tanh is taken at its value"),
    "index assigned": (
        embedding,
        EMBEDDING,
        "W",
        assigned,
        "repeated-index",
        "assigned, expected added (embedding",
    ),
    "sign of a term": (negative_sampling, SAMPLING, "v", lambda *a: sampled(*a, -1), "sign", "wrong at −"),
    "term left out": (
        negative_sampling,
        SAMPLING,
        "v",
        lambda *a: sampled(*a, 0),
        "missing-path",
        "left out",
    ),
    "no scale": (
        attention,
        ATTENTION,
        "Q",
        lambda *a: attended(*a, scale=False),
        "factor",
        "the divisor 2 is left out (attention",
    ),
    "softmax entry by entry": (
        attention,
        ATTENTION,
        "Q",
        lambda *a: attended(*a, elementwise=True),
        "elementwise",
        "softmax() is taken entry by entry",
    ),
    "dV transposed": (
        attention,
        ATTENTION,
        "V",
        lambda dout, Q, K, V: dout.T @ softmax(Q @ K.T / 2),
        "transposed",
        "(2, 5)",
    ),
    "bias regularised": (
        regularised_net,
        NET,
        "T1",
        lambda *a: net_gradients(*a, bias=True)[0],
        "regularisation",
        "0.14 times the first column of T1",
    ),
    "bias regularised, T2": (
        regularised_net,
        NET,
        "T2",
        lambda *a: net_gradients(*a, bias=True)[1],
        "regularisation",
        "0.14 times the first column of T2",
    ),
    "last column dropped": (
        regularised_net,
        NET,
        "T1",
        lambda *a: net_gradients(*a, part=np.s_[:, :-1])[0],
        "place",
        "the parts of hstack",
    ),
    "no sigmoid'": (
        regularised_net,
        NET,
        "T1",
        lambda *a: net_gradients(*a, slope=False)[0],
        "missing-derivative",
        "sigmoid() is left out",
    ),
    "bias row kept": (
        regularised_net,
        NET,
        "T1",
        net_with_bias_row,
        "extra-entries+regularisation",
        "without its first column is missing",
    ),
    "not divided by m": (
        regularised_net,
        NET,
        "T2",
        lambda *a: net_gradients(*a, over=1)[1],
        "factor",
        "5·J",
    ),
    "no slope of the output": (
        quadratic_net,
        QUADRATIC,
        "W1",
        lambda *a: quadratic_gradients(*a, **NO_SLOPE)["W1"],
        "missing-derivative",
        "sigmoid() is left out",
    ),
    "slopes of the values": (
        quadratic_net,
        QUADRATIC,
        "W1",
        lambda *a: quadratic_gradients(*a, **OF_VALUES)["W1"],
        "derivative-at-output",
        "everywhere",
    ),
    "factor 2": (
        quadratic_net,
        QUADRATIC,
        "W2",
        lambda *a: 2 * quadratic_gradients(*a)["W2"],
        "factor",
        "2·J",
    ),
    "factor 4": (
        quadratic_net,
        QUADRATIC,
        "b1",
        lambda *a: 4 * quadratic_gradients(*a)["b1"],
        "factor",
        "4·J",
    ),
}


def loss_of(forward, arguments, wrt):
    def loss(value):
        return forward(*(value if name == wrt else arguments[name] for name in order))

    order = forward.__code__.co_varnames[: forward.__code__.co_argcount]
    return loss, [arguments[name] for name in order]


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_of_students_is_named_first(case):
    forward, arguments, wrt, wrong, name, words = CASES[case]
    loss, given = loss_of(forward, arguments, wrt)
    x = arguments[wrt]
    right = finite_difference_jacobian(loss, x, method="richardson").reshape(x.shape)
    found = diagnose(wrong(*given), right, f=loss, x=x)
    assert (found.name, words in found.sentence) == (name, True), str(found)
