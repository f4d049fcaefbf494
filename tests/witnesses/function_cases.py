"""The catalogue: functions at points, beside their Jacobians written out entry by entry.

The closed forms are loops over the textbook formula of one entry, never the library's own code. A new function is one
more case here, and inherits every test that runs over the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jacobians as jb
from jacobians import Function
from jacobians.layers.activations import ACTIVATIONS

Array = NDArray[Any]
Truth = Callable[[Array], Array]


@dataclass(frozen=True)
class Case:
    """A function and three points away from its kinks.

    `truth` gives, by the name of an input or parameter, the Jacobian at one point as an (m, n) array; `structure`
    what the Jacobian is and how many numbers it may store at one point.
    """

    name: str
    make: Callable[[Any], Function]
    points: Array
    truth: Mapping[str, Truth] = field(default_factory=dict)
    structure: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def function(self) -> Function:
        """The function with parameters in float64."""
        return self.make(np.float64)

    @property
    def names(self) -> list[str]:
        """What there is to differentiate by."""
        return ["input", *self.function.parameters]


RANDOM = np.random.default_rng(20)


def normal(*shape: int) -> Array:
    """Return random numbers in (−2, 2), none near 0."""
    return RANDOM.uniform(0.2, 2.0, shape) * RANDOM.choice([-1.0, 1.0], shape)


def spread(*shape: int) -> Array:
    """Return random numbers whose sizes are at least 0.1 apart: no ties."""
    sizes = 0.3 + 0.2 * np.arange(prod(shape)) + RANDOM.uniform(0.0, 0.1, prod(shape))
    return (RANDOM.permutation(sizes) * RANDOM.choice([-1.0, 1.0], prod(shape))).reshape(shape)


def inside(*shape: int) -> Array:
    """Return random probabilities away from 0 and 1."""
    return RANDOM.uniform(0.1, 0.9, shape)


def entries(m: int, n: int, entry: Callable[[int, int], float]) -> Array:
    """Return the matrix of an entry formula."""
    return np.array([[entry(i, j) for j in range(n)] for i in range(m)])


def delta(i: int, j: int) -> float:
    """Return Kronecker's δ."""
    return float(i == j)


# --- numbers of the cases --------------------------------------------------------------------------------

W, b, Theta = normal(3, 4), normal(3), normal(3, 5)
A, B, Q, T = normal(3, 4), normal(2, 5), normal(4, 4), normal(3, 2)
SQUARE = normal(3, 3, 3) + 3 * np.eye(3)
gamma, beta, y4, Y32 = normal(4), normal(4), normal(4), normal(3, 2)
binary, weights, maximal = np.array([1.0, 0.0, 1.0, 0.25]), np.array([0.5, 0.0, 0.2, 0.3]), spread(4)
first_layer, second_layer = normal(4, 4), normal(4, 4)


def _softmax(z: Array) -> Array:
    return np.exp(z) / np.exp(z).sum()


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _layer_norm(x: Array) -> Array:
    n, mean = len(x), x.mean()
    s = np.sqrt(((x - mean) ** 2).mean() + 1e-5)
    hat = (x - mean) / s
    return entries(n, n, lambda i, j: gamma[i] / s * (delta(i, j) - 1 / n - hat[i] * hat[j] / n))


def _p_norm(x: Array, p: float) -> Array:
    norm = (np.abs(x) ** p).sum() ** (1 / p)
    return (np.sign(x) * (np.abs(x) / norm) ** (p - 1)).reshape(1, -1)


def _normalize(x: Array) -> Array:
    flat, norm = x.ravel(), np.sqrt((x**2).sum())
    return entries(x.size, x.size, lambda i, j: delta(i, j) / norm - flat[i] * flat[j] / norm**3)


def _gram(F: Array, columns: bool = False) -> Array:
    c, n = F.shape
    J = np.zeros((n, n, c, n) if columns else (c, c, c, n))
    for i, j, k, m in np.ndindex(*J.shape):
        if columns:
            J[i, j, k, m] = delta(i, m) * F[k, j] + delta(j, m) * F[k, i]
        else:
            J[i, j, k, m] = delta(i, k) * F[j, m] + delta(j, k) * F[i, m]
    return J.reshape(-1, c * n)


def _cofactors(X: Array) -> Array:
    n = len(X)
    return np.array(
        [
            (-1.0) ** (i + j) * np.linalg.det(np.delete(np.delete(X, i, 0), j, 1))
            for i in range(n)
            for j in range(n)
        ]
    ).reshape(1, n * n)


def _inverse(X: Array) -> Array:
    n, Y = len(X), np.linalg.inv(X)
    return entries(n * n, n * n, lambda r, c: -Y[r // n, c // n] * Y[c % n, r % n])


def _carried(x: Array) -> Array:
    J = np.zeros((4, 15))
    for i in range(3):
        J[i + 1, 5 * i : 5 * i + 5] = x
    return J


def _pick(places: list[int], n: int) -> Array:
    return np.eye(n)[places]


kernel = np.random.default_rng(41).normal(size=(2, 2, 3))
kernels = np.random.default_rng(42).normal(size=(3, 2, 2, 2))


def _taps(shape: tuple[int, ...], W: Array, stride: Any, padding: Any, dilation: Any) -> Any:
    """Yield (output, its place, channel, the entry of the kernel, the place in x) where x is met."""
    space, window = shape[1:], W.shape[2:]
    dilation = dilation or (1,) * len(space)
    counts = [
        (n + 2 * p - (w - 1) * d - 1) // s + 1
        for n, w, s, p, d in zip(space, window, stride, padding, dilation, strict=True)
    ]
    for o in range(W.shape[0]):
        for at in np.ndindex(*counts):
            for c in range(W.shape[1]):
                for k in np.ndindex(*window):
                    place = tuple(
                        a * s - p + i * d
                        for a, s, p, i, d in zip(at, stride, padding, k, dilation, strict=True)
                    )
                    if all(0 <= i < n for i, n in zip(place, space, strict=True)):
                        yield (o, *at), (c, *place), (o, c, *k), (W.shape[0], *counts)


def _convolution(x: Array, W: Array, stride: Any, padding: Any, dilation: Any = None) -> Array:
    """Return ∂y/∂x, tap by tap."""
    J: Any = None
    for out, place, tap, shape in _taps(x.shape, W, stride, padding, dilation):
        J = np.zeros((*shape, *x.shape)) if J is None else J
        J[(*out, *place)] += W[tap]
    return J.reshape(-1, x.size)


def _convolution_by_weights(x: Array, W: Array, stride: Any, padding: Any) -> Array:
    """Return ∂y/∂W, tap by tap."""
    J: Any = None
    for out, place, tap, shape in _taps(x.shape, W, stride, padding, None):
        J = np.zeros((*shape, *W.shape)) if J is None else J
        J[(*out, *tap)] += x[place]
    return J.reshape(-1, W.size)


def _grouped(x: Array, W: Array) -> Array:
    """Return ∂y/∂x of a signal whose channels are filtered apart, one zero before each."""
    channels, n = x.shape
    outputs = n + 1 - W.shape[2] + 1
    J = np.zeros((channels, outputs, channels, n))
    for c in range(channels):
        for at in range(outputs):
            for k in range(W.shape[2]):
                if 0 <= at + k - 1 < n:
                    J[c, at, c, at + k - 1] = W[c, 0, k]
    return J.reshape(channels * outputs, -1)


def _with_gaps(x: Array) -> list[int]:
    """Return the place of the larger of the entries 0 and 2, 1 and 3, 2 and 4 of each row."""
    pairs = [(5 * row + start, 5 * row + start + 2) for row in range(2) for start in (0, 1, 2)]
    return [max(pair, key=lambda place: x.ravel()[place]) for pair in pairs]


def _pooled(x: Array, how: Any) -> Array:
    """Return ∂y/∂x of maxima or means over windows of 2 × 2, one step apart, with a frame that doesn't count."""
    channels, height, width = x.shape
    J = np.zeros((channels, height + 1, width + 1, *x.shape))
    for c, i, j in np.ndindex(channels, height + 1, width + 1):
        inside = [(a, b) for a in (i - 1, i) for b in (j - 1, j) if 0 <= a < height and 0 <= b < width]
        if how is np.max:
            a, b = max(inside, key=lambda at: x[(c, *at)])
            J[c, i, j, c, a, b] = 1
        else:
            for a, b in inside:
                J[c, i, j, c, a, b] = 1 / len(inside)
    return J.reshape(-1, x.size)


def _windows(x: Array, corners: list[tuple[int, int]], h: int, w: int) -> Array:
    rows = []
    for i, j in corners:
        window = [((i + di), (j + dj)) for di in range(h) for dj in range(w)]
        best = max(window, key=lambda place: x[place])
        rows.append(best[0] * x.shape[1] + best[1])
    return _pick(rows, x.size)


def _layer_graph(x: Array) -> Array:
    h = np.tanh(first_layer @ x)
    slope = np.diag(1 - h**2) @ first_layer
    return np.diag(x + h) @ slope + np.diag(h) @ (np.eye(4) + slope)


def _residual(x: Array) -> Array:
    slope = 1 - np.tanh(first_layer @ x) ** 2
    return entries(4, 4, lambda i, j: delta(i, j) + slope[i] * first_layer[i, j])


def _twice(x: Array) -> Array:
    # z = W tanh(W x): ∂z_i/∂w_jk = δ_ij tanh(Wx)_k + w_ij (1 − tanh²(Wx)_j) x_k
    h = np.tanh(first_layer @ x)
    return entries(
        4,
        16,
        lambda i, c: delta(i, c // 4) * h[c % 4] + first_layer[i, c // 4] * (1 - h[c // 4] ** 2) * x[c % 4],
    )


def _weights_shared(dtype: Any) -> Function:
    layer = jb.Affine(first_layer.astype(dtype))
    return jb.Sequential(layer, jb.Tanh(), layer)


def _shared_in_depth(dtype: Any) -> Function:
    layer = jb.Affine(first_layer.astype(dtype), y4.astype(dtype))
    block = jb.Residual(jb.Sequential(layer, jb.Tanh()))
    return jb.Sequential(block, jb.Product(layer, jb.Sum(block, layer)), jb.Concatenate(layer, jb.Sigmoid()))


def _row(values: Any) -> Array:
    return np.reshape(values, (1, -1))


def _kron(left: Array, right: Array) -> Array:
    (p, r), (q, s) = left.shape, right.shape
    return entries(p * q, r * s, lambda i, j: left[i // q, j // s] * right[i % q, j % s])


# --- the cases -------------------------------------------------------------------------------------------

I3, I5 = np.eye(3), np.eye(5)

CASES: list[Case] = [
    # layers ----------------------------------------------------------------------------------------------
    Case(
        "Affine",
        lambda t: jb.Affine(W.astype(t), b.astype(t)),
        normal(3, 4),
        {"input": lambda x: W, "W": lambda x: _kron(I3, x[None]), "b": lambda x: I3},
        {"input": ("Dense", 12), "W": ("Kronecker", 4), "b": ("Identity", 0)},
    ),
    Case(
        "Affine of a matrix",
        lambda t: jb.Affine(W.astype(t), b.astype(t)),
        normal(3, 4, 2),
        {
            "input": lambda X: _kron(W, np.eye(2)),
            "W": lambda X: _kron(I3, X.T),
            "b": lambda X: _kron(I3, np.ones((2, 1))),
        },
        {"input": ("Kronecker", 12), "W": ("Kronecker", 8), "b": ("Kronecker", 2)},
    ),
    Case(
        "AugmentedAffine",
        lambda t: jb.AugmentedAffine(Theta.astype(t)),
        normal(3, 4),
        {"input": lambda x: Theta[:, 1:], "Theta": lambda x: _kron(I3, np.r_[1.0, x][None])},
        {"input": ("Dense", 12), "Theta": ("Kronecker", 5)},
    ),
    Case(
        "AugmentedAffine of a matrix",
        lambda t: jb.AugmentedAffine(Theta.astype(t)),
        normal(3, 4, 2),
        {
            "input": lambda X: _kron(Theta[:, 1:], np.eye(2)),
            "Theta": lambda X: _kron(I3, np.vstack([np.ones(2), X]).T),
        },
        {"input": ("Kronecker", 12), "Theta": ("Kronecker", 10)},
    ),
    Case(
        "AugmentedAffine that carries the unit",
        lambda t: jb.AugmentedAffine(Theta.astype(t), carry_unit=True),
        normal(3, 5),
        {"input": lambda x: np.vstack([[1.0, 0, 0, 0, 0], Theta]), "Theta": _carried},
        {"input": ("Dense", 20), "Theta": ("Kronecker", 9)},
    ),
    Case(
        "AugmentedAffine that carries a row of units",
        lambda t: jb.AugmentedAffine(Theta.astype(t), carry_unit=True),
        normal(3, 5, 2),
        {"input": lambda X: _kron(np.vstack([[1.0, 0, 0, 0, 0], Theta]), np.eye(2))},
        {"input": ("Kronecker", 20), "Theta": ("Kronecker", 14)},
    ),
    Case(
        "AddUnit",
        lambda t: jb.AddUnit(),
        normal(3, 3),
        {"input": lambda x: np.eye(4)[:, 1:]},
        {"input": ("Selection", 4)},
    ),
    Case(
        "DropUnit",
        lambda t: jb.DropUnit(),
        normal(3, 3, 2),
        {"input": lambda x: np.eye(6)[2:]},
        {"input": ("Selection", 4)},
    ),
    Case(
        "PassUnit",
        lambda t: jb.PassUnit(jb.Tanh()),
        normal(3, 4),
        {"input": lambda x: np.diag(np.r_[1.0, 1 - np.tanh(x[1:]) ** 2])},
        {"input": ("Diagonal", 4)},
    ),
    # elementwise -----------------------------------------------------------------------------------------
    *(
        Case(type(make()).__name__, lambda t, make=make: make(), normal(3, 4), {}, {"input": ("Diagonal", 4)})
        for make in ACTIVATIONS.values()
    ),
    Case("Tanh of a matrix", lambda t: jb.Tanh(), normal(3, 2, 2), {}, {"input": ("Diagonal", 4)}),
    Case("Tanh of a scalar", lambda t: jb.Tanh(), normal(3), {"input": lambda x: _row(1 - np.tanh(x) ** 2)}),
    Case("Elementwise", lambda t: jb.Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2), normal(3, 4)),
    # softmax ---------------------------------------------------------------------------------------------
    Case(
        "Softmax",
        lambda t: jb.Softmax(),
        normal(3, 4),
        {"input": lambda z: entries(4, 4, lambda i, j: _softmax(z)[i] * (delta(i, j) - _softmax(z)[j]))},
        {"input": ("DiagonalPlusLowRank", 12)},
    ),
    Case(
        "LogSoftmax",
        lambda t: jb.LogSoftmax(),
        normal(3, 4),
        {"input": lambda z: entries(4, 4, lambda i, j: delta(i, j) - _softmax(z)[j])},
    ),
    Case("LogSumExp", lambda t: jb.LogSumExp(), normal(3, 4), {"input": lambda z: _row(_softmax(z))}),
    # norms -----------------------------------------------------------------------------------------------
    Case("Norm", lambda t: jb.Norm(), normal(3, 4), {"input": lambda x: _p_norm(x, 2)}),
    Case("Norm 1", lambda t: jb.Norm(1), normal(3, 4), {"input": lambda x: _row(np.sign(x))}),
    Case("Norm 3", lambda t: jb.Norm(3), normal(3, 4), {"input": lambda x: _p_norm(x, 3)}),
    Case("Norm 1.5", lambda t: jb.Norm(1.5), normal(3, 4), {"input": lambda x: _p_norm(x, 1.5)}),
    Case(
        "Norm ∞",
        lambda t: jb.Norm(np.inf),
        spread(3, 4),
        {"input": lambda x: _row(np.sign(x) * (np.abs(x) == np.abs(x).max()))},
        {"input": ("Selection", 2)},
    ),
    Case("Norm fro", lambda t: jb.Norm("fro"), normal(3, 3, 2), {"input": lambda X: _p_norm(X.ravel(), 2)}),
    Case("SquaredNorm", lambda t: jb.SquaredNorm(), normal(3, 4), {"input": lambda x: _row(2 * x)}),
    Case(
        "Normalize",
        lambda t: jb.Normalize(),
        normal(3, 4),
        {"input": _normalize},
        {"input": ("DiagonalPlusLowRank", 12)},
    ),
    Case("Normalize a matrix", lambda t: jb.Normalize(), normal(3, 2, 2), {"input": _normalize}),
    Case(
        "LayerNorm",
        lambda t: jb.LayerNorm(gamma.astype(t), beta.astype(t)),
        normal(3, 4),
        {
            "input": _layer_norm,
            "gamma": lambda x: np.diag((x - x.mean()) / np.sqrt(x.var() + 1e-5)),
            "beta": lambda x: np.eye(4),
        },
        {"input": ("DiagonalPlusLowRank", 20), "gamma": ("Diagonal", 4), "beta": ("Identity", 0)},
    ),
    Case("LayerNorm without parameters", lambda t: jb.LayerNorm(eps=0.0), normal(3, 5)),
    # losses ----------------------------------------------------------------------------------------------
    Case(
        "SquaredError",
        lambda t: jb.SquaredError(y4, scale=0.5),
        normal(3, 4),
        {"input": lambda a: _row(a - y4)},
    ),
    Case(
        "MeanSquaredError of a vector",
        lambda t: jb.MeanSquaredError(y4),
        normal(3, 4),
        {"input": lambda a: _row((a - y4) / 2)},
    ),
    Case(
        "MeanSquaredError of a matrix",
        lambda t: jb.MeanSquaredError(Y32, scale=0.5),
        normal(3, 3, 2),
        {"input": lambda a: _row((a - Y32) / 3)},
    ),
    Case(
        "BinaryCrossEntropy",
        lambda t: jb.BinaryCrossEntropy(binary),
        inside(3, 4),
        {"input": lambda p: _row(((1 - binary) / (1 - p) - binary / p) / 4)},
    ),
    Case(
        "SigmoidBinaryCrossEntropy",
        lambda t: jb.SigmoidBinaryCrossEntropy(binary),
        normal(3, 4),
        {"input": lambda z: _row((_sigmoid(z) - binary) / 4)},
    ),
    Case(
        "SigmoidBinaryCrossEntropy of a scalar",
        lambda t: jb.SigmoidBinaryCrossEntropy(1.0),
        normal(3),
        {"input": lambda z: _row(_sigmoid(z) - 1)},
    ),
    Case(
        "CrossEntropy",
        lambda t: jb.CrossEntropy(weights),
        inside(3, 4),
        {"input": lambda p: _row(-weights / p)},
    ),
    Case("CrossEntropy of a class", lambda t: jb.CrossEntropy(2), inside(3, 4)),
    Case(
        "SoftmaxCrossEntropy",
        lambda t: jb.SoftmaxCrossEntropy(2 * weights),
        normal(3, 4),
        {"input": lambda z: _row(2 * _softmax(z) - 2 * weights)},
    ),
    Case(
        "SoftmaxCrossEntropy of a class",
        lambda t: jb.SoftmaxCrossEntropy(1),
        normal(3, 4),
        {"input": lambda z: _row(_softmax(z) - np.eye(4)[1])},
    ),
    # matrix functions ------------------------------------------------------------------------------------
    Case(
        "LinearMap",
        lambda t: jb.LinearMap(A.astype(t), B.astype(t)),
        normal(3, 4, 2),
        {
            "input": lambda X: _kron(A, B.T),
            "A": lambda X: _kron(I3, (X @ B).T),
            "B": lambda X: _kron(A @ X, I5),
        },
        {"input": ("Kronecker", 22), "A": ("Kronecker", 20), "B": ("Kronecker", 6)},
    ),
    Case(
        "LinearMap A x",
        lambda t: jb.LinearMap(A.astype(t)),
        normal(3, 4),
        {"input": lambda x: A, "A": lambda x: _kron(I3, x[None])},
        {"input": ("Dense", 12), "A": ("Kronecker", 4)},
    ),
    Case(
        "LinearMap A X",
        lambda t: jb.LinearMap(A.astype(t)),
        normal(3, 4, 2),
        {"input": lambda X: _kron(A, np.eye(2)), "A": lambda X: _kron(I3, X.T)},
        {"input": ("Kronecker", 12), "A": ("Kronecker", 8)},
    ),
    Case(
        "LinearMap X B",
        lambda t: jb.LinearMap(B=B.astype(t)),
        normal(3, 4, 2),
        {"input": lambda X: _kron(np.eye(4), B.T), "B": lambda X: _kron(X, I5)},
        {"input": ("Kronecker", 10), "B": ("Kronecker", 8)},
    ),
    Case(
        "QuadraticForm",
        lambda t: jb.QuadraticForm(Q.astype(t)),
        normal(3, 4),
        {"input": lambda x: _row(x @ Q + Q @ x), "A": lambda x: _row(np.outer(x, x))},
        {"A": ("Kronecker", 8)},
    ),
    Case(
        "Trace of A X",
        lambda t: jb.Trace(A.astype(t)),
        normal(3, 4, 3),
        {"input": lambda X: _row(A.T), "A": lambda X: _row(X.T)},
    ),
    Case("Trace", lambda t: jb.Trace(), normal(3, 3, 3), {"input": lambda X: _row(np.eye(3))}),
    Case("Determinant", lambda t: jb.Determinant(), SQUARE, {"input": _cofactors}),
    Case(
        "LogDeterminant", lambda t: jb.LogDeterminant(), SQUARE, {"input": lambda X: _row(np.linalg.inv(X).T)}
    ),
    Case("Inverse", lambda t: jb.Inverse(), SQUARE, {"input": _inverse}, {"input": ("Kronecker", 18)}),
    Case("Gram", lambda t: jb.Gram(), normal(3, 3, 2), {"input": _gram}),
    Case(
        "Gram of columns",
        lambda t: jb.Gram(columns=True),
        normal(3, 3, 2),
        {"input": lambda F: _gram(F, True)},
    ),
    Case(
        "GramLoss",
        lambda t: jb.GramLoss(Q[:3, :3]),
        normal(3, 3, 2),
        {"input": lambda F: _row(2 * ((F @ F.T - Q[:3, :3]) + (F @ F.T - Q[:3, :3]).T) @ F)},
    ),
    Case(
        "Transpose",
        lambda t: jb.Transpose(),
        normal(3, 3, 2),
        {"input": lambda X: _pick([0, 2, 4, 1, 3, 5], 6)},
        {"input": ("Selection", 6)},
    ),
    Case(
        "Transpose of three axes",
        lambda t: jb.Transpose((2, 0, 1)),
        normal(2, 3, 1, 2),
        {"input": lambda X: _pick([0, 2, 4, 1, 3, 5], 6)},
        {"input": ("Selection", 6)},
    ),
    Case(
        "Reshape",
        lambda t: jb.Reshape((3, 2)),
        normal(3, 6),
        {"input": lambda X: np.eye(6)},
        {"input": ("Identity", 0)},
    ),
    Case("Flatten", lambda t: jb.Flatten(), normal(3, 3, 2), {}, {"input": ("Identity", 0)}),
    # maxima ----------------------------------------------------------------------------------------------
    Case(
        "Maximum",
        lambda t: jb.Maximum(maximal.astype(t)),
        maximal + np.array([[1, 1, -1, 1], [-1, -1, -1, 1], [1, -1, 1, -1]]),
        {"input": lambda x: np.diag(1.0 * (x > maximal)), "y": lambda x: np.diag(1.0 * (x < maximal))},
        {"input": ("Selection", 4), "y": ("Selection", 4)},
    ),
    Case(
        "Maximum of two halves",
        lambda t: jb.Maximum(),
        spread(3, 6),
        {"input": lambda x: _pick([i if x[i] > x[i + 3] else i + 3 for i in range(3)], 6)},
        {"input": ("Selection", 3)},
    ),
    Case(
        "MaxPool of a vector",
        lambda t: jb.MaxPool(2),
        spread(3, 7),
        {"input": lambda x: _windows(x[None], [(0, 0), (0, 2), (0, 4)], 1, 2)},
        {"input": ("Selection", 3)},
    ),
    Case(
        "MaxPool of a matrix",
        lambda t: jb.MaxPool((2, 3), stride=(1, 2)),
        spread(3, 3, 5),
        {"input": lambda X: _windows(X, [(0, 0), (0, 2), (1, 0), (1, 2)], 2, 3)},
        {"input": ("Selection", 4)},
    ),
    # channels: convolutions, pooling, scales -----------------------------------------------------------------
    Case(
        "Convolution of a signal",
        lambda t: jb.Convolution(kernel.astype(t), beta[:2].astype(t)),
        normal(3, 2, 5),
        {
            "input": lambda x: _convolution(x, kernel, (1,), (0,)),
            "W": lambda x: _convolution_by_weights(x, kernel, (1,), (0,)),
            "b": lambda x: np.kron(np.eye(2), np.ones((3, 1))),
        },
        {"W": ("Kronecker", 18), "b": ("Kronecker", 3)},
    ),
    Case(
        "Convolution of an image with padding and steps",
        lambda t: jb.Convolution(kernels.astype(t), None, stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        normal(3, 2, 4, 4),
        {"input": lambda x: _convolution(x, kernels, (2, 1), (1, 0), (1, 2))},
    ),
    Case(
        "Convolution in groups",
        lambda t: jb.Convolution(kernel[:, :1].astype(t), beta[:2].astype(t), groups=2, padding=((1, 0),)),
        normal(3, 2, 4),
        {
            "input": lambda x: _grouped(x, kernel[:, :1]),
        },
    ),
    Case(
        "ChannelMaxPool",
        lambda t: jb.ChannelMaxPool(2, 1, padding=1),
        spread(3, 2, 3, 2),
        {"input": lambda x: _pooled(x, np.max)},
        {"input": ("Selection", 24)},
    ),
    Case(
        "ChannelMaxPool with gaps",
        lambda t: jb.ChannelMaxPool(2, 1, dilation=2),
        spread(2, 2, 5),
        {"input": lambda x: _pick(_with_gaps(x), 10)},
        {"input": ("Selection", 6)},
    ),
    Case(
        "ChannelMeanPool without its padding",
        lambda t: jb.ChannelMeanPool(2, 1, padding=1, count_padding=False),
        normal(3, 2, 3, 2),
        {"input": lambda x: _pooled(x, np.mean)},
    ),
    Case(
        "ChannelMeanPool",
        lambda t: jb.ChannelMeanPool((1, 2)),
        normal(3, 2, 2, 4),
        {"input": lambda x: np.kron(np.eye(8), [[0.5, 0.5]])},
    ),
    Case(
        "ChannelScale of an image",
        lambda t: jb.ChannelScale(gamma[:3].astype(t), beta[:3].astype(t)),
        normal(3, 3, 2, 2),
        {
            "input": lambda x: np.diag(np.repeat(gamma[:3], 4)),
            "scale": lambda x: np.kron(np.eye(3), np.ones((4, 1))) * x.reshape(12, 1),
            "shift": lambda x: np.kron(np.eye(3), np.ones((4, 1))),
        },
        {"input": ("Diagonal", 12), "scale": ("Selection", 24), "shift": ("Kronecker", 4)},
    ),
    Case(
        "ChannelScale of a vector",
        lambda t: jb.ChannelScale(gamma.astype(t)),
        normal(3, 4),
        {"input": lambda x: np.diag(gamma), "scale": np.diag},
        {"input": ("Diagonal", 4), "scale": ("Diagonal", 4)},
    ),
    # compositions ----------------------------------------------------------------------------------------
    Case(
        "Sequential",
        lambda t: jb.Sequential(jb.Affine(W.astype(t), b.astype(t)), jb.Tanh(), jb.Affine(T.T.astype(t))),
        normal(3, 4),
        {},
        {"0.W": ("Kronecker", 10)},
    ),
    Case(
        "Sequential with one layer twice",
        _weights_shared,
        normal(3, 4),
        {
            "input": lambda x: first_layer @ np.diag(1 - np.tanh(first_layer @ x) ** 2) @ first_layer,
            "0.W": _twice,
        },
    ),
    Case(
        "Residual",
        lambda t: jb.Residual(jb.Sequential(jb.Affine(first_layer.astype(t)), jb.Tanh())),
        normal(3, 4),
        {"input": _residual},
        {"0.0.W": ("Kronecker", 8)},
    ),
    Case(
        "LayerGraph",
        lambda t: jb.LayerGraph(
            [
                (jb.Affine(first_layer.astype(t)), (-1,)),
                (jb.Tanh(), (0,)),
                ("sum", (-1, 1)),
                ("product", (1, 2)),
            ]
        ),
        normal(3, 4),
        {"input": _layer_graph},
    ),
    Case(
        "Residual of a diagonal",
        lambda t: jb.Residual(jb.Tanh()),
        normal(3, 4),
        {"input": lambda x: np.diag(2 - np.tanh(x) ** 2)},
        {"input": ("Diagonal", 4)},
    ),
    Case(
        "Sum",
        lambda t: jb.Sum(jb.Tanh(), jb.Affine(first_layer.astype(t)), jb.Affine(second_layer.astype(t))),
        normal(3, 4),
        {
            "input": lambda x: np.diag(1 - np.tanh(x) ** 2) + first_layer + second_layer,
            "2.W": lambda x: _kron(np.eye(4), x[None]),
        },
        {"1.W": ("Kronecker", 4)},
    ),
    Case(
        "Product",
        lambda t: jb.Product(jb.Sigmoid(), jb.Tanh(), jb.Affine(first_layer.astype(t))),
        normal(3, 4),
        {
            "input": lambda x: (
                np.diag(_sigmoid(x) * (1 - _sigmoid(x)) * np.tanh(x) * (first_layer @ x))
                + np.diag(_sigmoid(x) * (1 - np.tanh(x) ** 2) * (first_layer @ x))
                + np.diag(_sigmoid(x) * np.tanh(x)) @ first_layer
            ),
            "2.W": lambda x: _kron(np.diag(_sigmoid(x) * np.tanh(x)), x[None]),
        },
        {"2.W": ("Kronecker", 8)},
    ),
    Case(
        "Concatenate",
        lambda t: jb.Concatenate(jb.Tanh(), jb.Affine(W.astype(t), b.astype(t))),
        normal(3, 4),
        {
            "input": lambda x: np.vstack([np.diag(1 - np.tanh(x) ** 2), W]),
            "1.W": lambda x: np.vstack([np.zeros((4, 12)), _kron(I3, x[None])]),
            "1.b": lambda x: np.vstack([np.zeros((4, 3)), I3]),
        },
        {"input": ("BlockColumn", 16), "1.W": ("Kronecker", 11), "1.b": ("Selection", 7)},
    ),
    Case("Concatenate matrices", lambda t: jb.Concatenate(jb.Transpose(), jb.Gram()), normal(3, 3, 3)),
    Case("weights shared in depth", _shared_in_depth, normal(3, 4)),
]
