"""Notes D, second part: shapes and directions, layers of one's own, and derivatives by the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.images.gradient_descent import gradient_descent
from backprop.images.saliency import maximize_input, saliency
from backprop.images.style import style_gradient
from backprop.learning.network import MLP
from backprop.notes.d_blocks import MU, U, W, b, c, network, phi, plain_loss, r, scalar_rules, x
from backprop.notes.formula import Array, Formula, Witness
from backprop.notes.witnesses import entry_by_entry, exact, finite_differences, symbolic
from jacobians import (
    Affine,
    Determinant,
    Function,
    Jacobian,
    LogDeterminant,
    LogSumExp,
    Maximum,
    MaxPool,
    Reshape,
    Sequential,
    Softmax,
    Tanh,
    Trace,
)
from jacobians.function import INPUT
from jacobians.structures import Dense, Diagonal

_RANDOM = np.random.default_rng(43)

Point = Callable[[Any], Any]
Kind = Callable[[Point, Any], Witness]

# --- shapes and directions -------------------------------------------------------------------------------

slopes, shifts = np.array([0.5, -1.2, 2.0]), np.array([0.1, 0.4, -0.3])
direction = np.array([0.6, -0.8, 0.0])
A, X = _RANDOM.standard_normal((3, 2)), _RANDOM.standard_normal((2, 3))
M, N = np.array([[2.0, 0.5], [-0.3, 1.0]]), np.array([[0.2, -1.0], [0.7, 0.4]])
T0 = 0.7


def with_shapes(matrices: Sequence[Any]) -> Array:
    """Return matrices of several shapes in one vector: each as rows, columns and its entries row by row."""
    return np.concatenate([np.concatenate([np.shape(matrix), np.ravel(matrix)]) for matrix in matrices])


def toolkit_shapes() -> Array:
    """Return a vector by a scalar, a scalar by a vector, a vector by a vector and a scalar by matrices."""
    curve = Sequential(Reshape((1,)), Affine(slopes[:, None], shifts), Tanh())
    return with_shapes([
        curve.jacobian(T0).matrix(),
        LogSumExp().jacobian(slopes).matrix(),
        Softmax().jacobian(slopes).matrix(),
        Trace(A).jacobian(X).tensor(),
        Determinant().jacobian(M).tensor(),
    ])  # fmt: skip


def shapes_by_formulas() -> Array:
    """Return the same in closed form."""
    powers = np.exp(slopes) / np.exp(slopes).sum()
    return with_shapes([
        [[(1 - math.tanh(w * T0 + s) ** 2) * w] for w, s in zip(slopes, shifts, strict=True)],
        [powers],
        [[p * (float(i == j) - q) for j, q in enumerate(powers)] for i, p in enumerate(powers)],
        A,
        [[M[1, 1], -M[0, 1]], [-M[1, 0], M[0, 0]]],
    ])  # fmt: skip


def shapes_by(kind: Kind) -> Array:
    """Return the same by a kind of witness; those by a matrix are transposed against it."""
    by_t = kind(lambda t: np.tanh(slopes * t + shifts), T0)
    by_x = [
        kind(lambda v: np.log(np.exp(v).sum()), slopes),
        kind(lambda v: np.exp(v) / np.exp(v).sum(), slopes),
    ]
    by_X = [kind(lambda v: (A.T * v).sum(), X), kind(lambda v: v[0, 0] * v[1, 1] - v[0, 1] * v[1, 0], M)]
    transposed = [found.value().reshape(at.shape).T for found, at in zip(by_X, (X, M), strict=True)]
    return with_shapes([by_t.value(), *(found.value() for found in by_x), *transposed])


def directional_derivatives() -> list[Any]:
    """Return ∇_u f and ∇_Y f: applied unexpanded, then as (∂f/∂x)·u and tr(∂f/∂X · Y) with the full forms."""
    by_x, by_X = LogSumExp().jacobian(slopes), LogDeterminant().jacobian(M)
    full = by_x.dense()[0] @ direction, np.trace(by_X.tensor() @ N)
    return [by_x.directional(direction), by_X.directional(N), *full]


def directions_by_formulas() -> list[float]:
    """Return them in closed form: Σ p_i u_i, and tr(adj(M) N)/det M."""
    powers = [math.exp(s) for s in slopes]
    by_u = sum(p * u for p, u in zip(powers, direction, strict=True)) / sum(powers)
    adjugate = [[M[1, 1], -M[0, 1]], [-M[1, 0], M[0, 0]]]
    trace = sum(adjugate[i][j] * N[j, i] for i in range(2) for j in range(2))
    return 2 * [by_u, trace / (M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0])]


def directions_by_quotients() -> list[float]:
    """Return them as central difference quotients along u and along Y."""

    def f(v: Array) -> float:
        return float(np.log(np.exp(v).sum()))

    def g(v: Array) -> float:
        return math.log(v[0, 0] * v[1, 1] - v[0, 1] * v[1, 0])

    h = 1e-5
    by_u = (f(slopes + h * direction) - f(slopes - h * direction)) / (2 * h)
    return 2 * [by_u, (g(M + h * N) - g(M - h * N)) / (2 * h)]


# --- a layer of one's own, and the maximum ---------------------------------------------------------------


class Swish(Function):
    """y = x·σ(βx) entry by entry, a layer of one's own: a forward pass and its derivatives by x and by β.

    Parameters
    ----------
    beta : float
        A parameter like any other: it can be trained.

    Examples
    --------
    >>> layer = Swish(1.0)
    >>> layer.jacobian([0.0, 1.0]).d.round(6)
    array([0.5     , 0.927671])
    >>> layer.jacobian([0.0, 1.0], wrt="beta").dense().round(6)
    array([[0.      ],
           [0.196612]])
    """

    parameter_names = ("beta",)

    def __init__(self, beta: float) -> None:
        self.beta = self.parameter(beta, "beta", ndim=0)

    def forward(self, x: Any) -> Any:
        """Return x/(1 + e^−βx)."""
        return x / (1 + np.exp(-self.beta * x))

    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian:
        """Return diag(s + βx s(1 − s)) with s = σ(βx), or the column x² s(1 − s)."""
        s = 1 / (1 + np.exp(-self.beta * x))
        if wrt == "beta":
            return Dense((x * x * s * (1 - s))[:, None], in_shape=())
        return Diagonal(s + self.beta * x * s * (1 - s))


BETA = 1.5
with_swish = Sequential(Affine(W, b), Swish(BETA), Affine(U, c))


def swish_by(kind: Kind) -> Array:
    """Return the derivatives of U·swish(Wx + b) + c by x, W and β, side by side, by a kind of witness."""

    def f(x: Any, W: Any, beta: Any) -> Any:
        z = W @ x + b
        return U @ (z * phi(beta * z)) + c

    blocks = (
        kind(lambda v: f(v, W, BETA), x),
        kind(lambda v: f(x, v, BETA), W),
        kind(lambda v: f(x, W, v), BETA),
    )
    return np.hstack([block.value() for block in blocks])


left, right = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
image = np.array([[1.0, 5.0, 2.0, 2.0], [0.0, 3.0, 2.0, 1.0], [4.0, 4.0, 0.0, 0.5], [4.0, 1.0, 0.3, 0.9]])
"""Ties: 2 = 2 in the maximum; 2, 2, 2 and 4, 4, 4 in two windows."""


def toolkit_maxima() -> Array:
    """Return ∂max(x, y)/∂x, ∂max(x, y)/∂y and the Jacobian of max pooling over 2×2 windows, row by row."""
    maximum = Maximum(right)
    parts = (maximum.jacobian(left), maximum.jacobian(left, wrt="y"), MaxPool((2, 2)).jacobian(image))
    return np.concatenate([part.dense().ravel() for part in parts])


def maxima_by_cases() -> Array:
    """Return the same by the notes' cases: 1 where x ≥ y, else 0; in a window to the first that no other exceeds."""
    by_x = [[float(i == j and left[i] >= right[i]) for j in range(3)] for i in range(3)]
    by_y = [[float(i == j and left[i] < right[i]) for j in range(3)] for i in range(3)]
    pooled = np.zeros((4, 16))
    for window, (row, column) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        best = (row, column)
        for place in ((row, column + 1), (row + 1, column), (row + 1, column + 1)):
            best = best if image[best] >= image[place] else place
        pooled[window, 4 * best[0] + best[1]] = 1
    return np.concatenate([np.ravel(by_x), np.ravel(by_y), pooled.ravel()])


def maxima_by_differences() -> Array:
    """Return the same by central differences where every tie is broken for the first by a little."""
    lower, later = right - 1e-3, image - 1e-3 * np.arange(16).reshape(4, 4)
    parts = (
        finite_differences(lambda v: np.maximum(v, lower), left),
        finite_differences(lambda v: np.maximum(left, v), lower),
        finite_differences(lambda v: v.reshape(2, 2, 2, 2).max(axis=(1, 3)), later),
    )
    return np.concatenate([part.value().ravel() for part in parts])


# --- derivatives by the input ----------------------------------------------------------------------------

CLASS, PENALTY = 1, 0.05
scores = MLP([(W, b), (U, c)], activation="sigmoid")
"""The 2-3-2 network with its last layer affine only: its outputs are class scores."""


def plain_score(v: Any) -> Any:
    """Return S_c(I) in plain NumPy."""
    return (U @ phi(W @ v + b) + c)[CLASS]


def score_slopes(point: Any) -> list[float]:
    """Return ∂S_c/∂I with scalars: Σ_i u_ci φ′(α_i) w_ij."""
    values = [1 / (1 + math.exp(-(W[i, 0] * point[0] + W[i, 1] * point[1] + b[i]))) for i in range(3)]
    return [sum(U[CLASS, i] * values[i] * (1 - values[i]) * W[i, j] for i in range(3)) for j in range(2)]


def optimised_inputs() -> list[Array]:
    """Return one step down the loss, and three steps up S_c(I) − λ‖I‖², from the toolkit."""
    loss = Sequential(network(), network().loss_function(r))
    down = gradient_descent(loss, x, step_size=MU, steps=1)
    return [down.x, maximize_input(scores, CLASS, x, steps=3, step_size=MU, penalty=PENALTY).x]


def inputs_by(loss_slopes: Sequence[float], slopes_at: Callable[[Any], Any]) -> list[Array]:
    """Return the same steps with derivatives from elsewhere."""
    up = x
    for _ in range(3):
        up = up + MU * (np.asarray(slopes_at(up)) - 2 * PENALTY * up)
    return [x - MU * np.asarray(loss_slopes), up]


def inputs_by_differences() -> list[Array]:
    """Return the same steps with derivatives by central differences."""
    slopes_of_loss = finite_differences(lambda v: plain_loss(v, W, b, U, c), x).value()[0]
    return inputs_by(slopes_of_loss, lambda v: finite_differences(plain_score, v).value()[0])


def salient() -> list[float]:
    """Return w and b of S_c(I) ≈ wI + b from the toolkit."""
    found = saliency(scores, x, CLASS)
    return [*found.w, found.b]


def with_offset(w: Any) -> list[float]:
    """Return w and S_c(I₀) − wI₀."""
    return [*w, float(plain_score(x)) - float(np.dot(w, x))]


features = _RANDOM.uniform(-1, 1, (2, 3))
STYLES = (np.array([[1.0, 0.2], [0.2, 0.5]]), np.array([[1.0, 0.9], [-0.4, 0.5]]))
"""G₀, symmetric and not."""


def style_entry(case: int, k: int, n: int) -> float:
    """Return one entry of 2(D + Dᵀ)F with D = FFᵀ − G₀, by sums; for the symmetric G₀ of 4(FFᵀ − G₀)F."""
    G0 = STYLES[case]
    D = [
        [sum(features[i, m] * features[j, m] for m in range(3)) - G0[i, j] for j in range(2)]
        for i in range(2)
    ]
    if case == 0:
        return 4 * sum(D[k][j] * features[j, n] for j in range(2))
    return 2 * sum((D[k][j] + D[j][k]) * features[j, n] for j in range(2))


def styles_by(kind: Kind) -> list[Array]:
    """Return the derivatives of ‖FFᵀ − G₀‖² by F, in the shape of F, by a kind of witness."""
    functions = [lambda F, G0=G0: ((F @ F.T - G0) ** 2).sum() for G0 in STYLES]
    return [kind(function, features).value().reshape(2, 3) for function in functions]


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "D9", "what a derivative's shape is",
        r"\frac{\partial \mathbf y}{\partial x},\; \frac{\partial y}{\partial \mathbf x},\; \frac{\partial \mathbf y}{\partial \mathbf x},\; \left(\frac{\partial y}{\partial \mathbf X}\right)_{ij} = \frac{\partial y}{\partial x_{ji}}",
        "3×1, 1×3, 3×3, 3×2 by a 2×3 matrix, 2×2", "numerator",
        toolkit_shapes,
        (exact("closed forms", shapes_by_formulas), exact("finite differences", lambda: shapes_by(finite_differences), 1e-6),
         exact("symbolic", lambda: shapes_by(symbolic), 1e-9)),
    ),
    Formula(
        "D10", "the derivative in a direction",
        r"\nabla_u f = \frac{\partial f}{\partial x}\,u,\quad \nabla_Y f = \operatorname{tr}\Bigl(\frac{\partial f}{\partial X}\,Y\Bigr)",
        "two scalars, applied and in full", "numerator",
        directional_derivatives,
        (exact("closed forms", directions_by_formulas), exact("difference quotients", directions_by_quotients, 1e-6)),
    ),
    Formula(
        "D11", "a layer of one's own", r"y = x\,\sigma(\beta x):\quad \text{forward pass},\; \frac{\partial y}{\partial x},\; \frac{\partial y}{\partial \beta}",
        "2×(2 + 6 + 1)", "numerator",
        lambda: with_swish.jacobian(x, wrt=["input", "0.W", "1.beta"]).dense(),
        (exact("finite differences", lambda: swish_by(finite_differences), 1e-6),
         exact("symbolic", lambda: swish_by(symbolic), 1e-9)),
    ),
    Formula(
        "D12", "the maximum, and max pooling",
        r"z = \max(x, y):\quad \frac{\partial z}{\partial x} = \begin{cases} 1 & x \ge y \\ 0 & x < y \end{cases}",
        "3×3, 3×3 and 4×16", "numerator",
        toolkit_maxima,
        (exact("case by case", maxima_by_cases, 0.0), exact("differences, ties broken for the first", maxima_by_differences, 1e-6)),
    ),
    Formula(
        "D13", "optimising the input, all weights fixed",
        r"I \leftarrow I - \mu \frac{\partial L}{\partial I},\quad I \leftarrow I + \mu\Bigl(\frac{\partial S_c}{\partial I} - 2\lambda I\Bigr)",
        "2 inputs × 2", "denominator",
        optimised_inputs,
        (exact("the notes' sums, with scalars", lambda: inputs_by(scalar_rules()["x"], score_slopes)),
         exact("finite differences", inputs_by_differences, 1e-6)),
    ),
    Formula(
        "D14", "saliency",
        r"w = \left.\frac{\partial S_c}{\partial I}\right|_{I_0},\quad S_c(I) \approx wI + b", "w 2, b 1", "denominator",
        salient,
        (exact("sums, with scalars", lambda: with_offset(score_slopes(x))),
         exact("finite differences", lambda: with_offset(finite_differences(plain_score, x).value()[0]), 1e-6),
         exact("symbolic", lambda: with_offset(symbolic(plain_score, x).value()[0]), 1e-9)),
    ),
    Formula(
        "D15", "style by Gram matrix",
        r"\frac{\partial}{\partial F} \lVert F F^{\mathsf T} - G_0 \rVert_F^2 = 2(D + D^{\mathsf T})F,\; D = F F^{\mathsf T} - G_0",
        "2×3, symmetric G₀ and not", "denominator",
        lambda: [style_gradient(features, G0) for G0 in STYLES],
        (entry_by_entry((2, 2, 3), style_entry),
         exact("finite differences", lambda: styles_by(finite_differences), 1e-6),
         exact("symbolic", lambda: styles_by(symbolic), 1e-9)),
    ),
)  # fmt: skip
