"""Notes D, first part: the scalar rules of a 2-3-2 network, and the same as blocks of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.images.gradient_descent import gradient_descent
from backprop.learning.network import MLP
from backprop.learning.training import fit
from backprop.notes.formula import Array, Formula, Slip, Witness
from backprop.notes.witnesses import closed_form, entry_by_entry, exact, finite_differences, symbolic
from jacobians import (
    Affine,
    Concatenate,
    CrossEntropy,
    LogSumExp,
    QuadraticForm,
    Sequential,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    SquaredError,
    Tanh,
)

_RANDOM = np.random.default_rng(41)
W, b = _RANDOM.uniform(-1, 1, (3, 2)), _RANDOM.uniform(-1, 1, 3)
U, c = _RANDOM.uniform(-1, 1, (2, 3)), _RANDOM.uniform(-1, 1, 2)
x, r = np.array([0.8, -0.5]), np.array([0.7, 0.3])
MU = 0.5

Point = Callable[[Any], Any]


def network() -> MLP:
    """Return the 2-3-2 network y = φ(Wx + b), z = φ(Uy + c) with L = −Σ r_i log z_i."""
    return MLP([(W, b), (U, c)], activation="sigmoid", output_activation="sigmoid", loss="cross-entropy")


def phi(z: Any) -> Any:
    """Return the sigmoid in plain NumPy."""
    return 1 / (1 + np.exp(-z))


def plain_loss(x: Any, W: Any, b: Any, U: Any, c: Any) -> Any:
    """Return the loss of the 2-3-2 network in plain NumPy."""
    return -(r * np.log(phi(U @ phi(W @ x + b) + c))).sum()


def plain_loss_of_all(theta: Any) -> Any:
    """Return it as a function of all 17 parameters in one vector, in the order W, b, U, c."""
    return plain_loss(x, theta[:6].reshape(3, 2), theta[6:9], theta[9:15].reshape(2, 3), theta[15:])


PARAMETERS = np.concatenate([W.ravel(), b, U.ravel(), c])


# --- gradient descent and the chain rule -----------------------------------------------------------------

form = np.array([[1.0, 0.6], [-0.2, 0.5]])
start = np.array([1.0, -2.0])


def three_steps(gradient: Callable[[Array], Any]) -> list[Array]:
    """Return the points of three steps x ← x − 0.1 ∇f(x)."""
    points = [start]
    for _ in range(3):
        points.append(points[-1] - 0.1 * np.asarray(gradient(points[-1])))
    return points[1:]


def descended() -> list[Array]:
    """Return the same points from the toolkit."""
    points: list[Array] = []
    gradient_descent(
        QuadraticForm(form), start, step_size=0.1, steps=3, callback=lambda at, _: points.append(at)
    )
    return points


def curve_slope(t: float) -> list[list[float]]:
    """Return dw/dt = Σ ∂f/∂x·dx/dt for w = log(e^x + e^y + e^z) along x = tanh t, y = σ(t), z = log(1 + e^t)."""
    s = 1 / (1 + math.exp(-t))
    place, velocity = (math.tanh(t), s, math.log(1 + math.exp(t))), (1 - math.tanh(t) ** 2, s * (1 - s), s)
    total = sum(math.exp(v) for v in place)
    return [[sum(math.exp(v) / total * dv for v, dv in zip(place, velocity, strict=True))]]


def plain_curve(t: Any) -> Any:
    """Return w(t) in plain NumPy."""
    return np.log(np.exp(np.tanh(t)) + np.exp(phi(t)) + np.exp(np.log(1 + np.exp(t)))).sum()


# --- the scalar rules of the 2-3-2 network ---------------------------------------------------------------


def scalar_rules() -> dict[str, list[float]]:
    """Return every derivative of the notes' 2-3-2 network, one number at a time."""
    x1, x2 = x.tolist()
    r1, r2 = r.tolist()
    (w11, w12), (w21, w22), (w31, w32) = W.tolist()
    b1, b2, b3 = b.tolist()
    (u11, u12, u13), (u21, u22, u23) = U.tolist()
    c1, c2 = c.tolist()

    def f(s: float) -> float:
        return 1 / (1 + math.exp(-s))

    def df(s: float) -> float:
        return f(s) * (1 - f(s))

    y1, y2, y3 = f(w11 * x1 + w12 * x2 + b1), f(w21 * x1 + w22 * x2 + b2), f(w31 * x1 + w32 * x2 + b3)
    z1, z2 = f(u11 * y1 + u12 * y2 + u13 * y3 + c1), f(u21 * y1 + u22 * y2 + u23 * y3 + c2)
    dz1, dz2 = -r1 / z1, -r2 / z2
    # second layer: weight update
    du11 = dz1 * df(u11 * y1 + u12 * y2 + u13 * y3 + c1) * y1
    du12 = dz1 * df(u11 * y1 + u12 * y2 + u13 * y3 + c1) * y2
    du13 = dz1 * df(u11 * y1 + u12 * y2 + u13 * y3 + c1) * y3
    dc1 = dz1 * df(u11 * y1 + u12 * y2 + u13 * y3 + c1)
    du21 = dz2 * df(u21 * y1 + u22 * y2 + u23 * y3 + c2) * y1
    du22 = dz2 * df(u21 * y1 + u22 * y2 + u23 * y3 + c2) * y2
    du23 = dz2 * df(u21 * y1 + u22 * y2 + u23 * y3 + c2) * y3
    dc2 = dz2 * df(u21 * y1 + u22 * y2 + u23 * y3 + c2)
    # error propagation
    dy1 = dc1 * u11 + dc2 * u21
    dy2 = dc1 * u12 + dc2 * u22
    dy3 = dc1 * u13 + dc2 * u23
    # first layer: weight update
    dw11 = dy1 * df(w11 * x1 + w12 * x2 + b1) * x1
    dw12 = dy1 * df(w11 * x1 + w12 * x2 + b1) * x2
    db1 = dy1 * df(w11 * x1 + w12 * x2 + b1)
    dw21 = dy2 * df(w21 * x1 + w22 * x2 + b2) * x1
    dw22 = dy2 * df(w21 * x1 + w22 * x2 + b2) * x2
    db2 = dy2 * df(w21 * x1 + w22 * x2 + b2)
    dw31 = dy3 * df(w31 * x1 + w32 * x2 + b3) * x1
    dw32 = dy3 * df(w31 * x1 + w32 * x2 + b3) * x2
    db3 = dy3 * df(w31 * x1 + w32 * x2 + b3)
    # input update
    dx1 = db1 * w11 + db2 * w21 + db3 * w31
    dx2 = db1 * w12 + db2 * w22 + db3 * w32
    return {
        "0.W": [dw11, dw12, dw21, dw22, dw31, dw32],
        "0.b": [db1, db2, db3],
        "2.W": [du11, du12, du13, du21, du22, du23],
        "2.b": [dc1, dc2],
        "y": [dy1, dy2, dy3],
        "x": [dx1, dx2],
    }


def with_update(gradient: Array) -> list[Array]:
    """Return a gradient by all 17 parameters, and θ − μ times it."""
    return [gradient, PARAMETERS - MU * gradient]


def scalar_update() -> list[Array]:
    """Return gradient and updated parameters by the scalar rules."""
    rules = scalar_rules()
    return with_update(np.array([*rules["0.W"], *rules["0.b"], *rules["2.W"], *rules["2.b"]]))


def toolkit_update() -> list[Array]:
    """Return gradient and updated parameters by the δ recursion and by one step of `fit`."""
    net = network()
    gradients = net.gradients(x, r)
    fit(net, x[None], r[None], epochs=1, learning_rate=MU)
    return [
        np.concatenate([part.ravel() for part in parts.values()]) for parts in (gradients, net.parameters)
    ]


# --- softmax, quadratic forms ----------------------------------------------------------------------------

logits = np.array([0.4, -1.1])
TARGETS = ((1.0, 0.0), (0.2, 0.5))
"""A first-class target, and weights that don't add up to 1."""


def softmax_losses() -> list[Array]:
    """Return ∂L/∂z for both targets, fused and as a chain of softmax and cross entropy."""
    fused = [SoftmaxCrossEntropy(target).jacobian(logits).dense()[0] for target in TARGETS]
    chained = [Sequential(Softmax(), CrossEntropy(target)).jacobian(logits).dense()[0] for target in TARGETS]
    return [*fused, *chained]


def softmax_losses_by(witness: Callable[[Point, Array], Witness]) -> list[Array]:
    """Return the same by a kind of witness."""
    functions = [lambda z, t=t: -(np.array(t) * np.log(np.exp(z) / np.exp(z).sum())).sum() for t in TARGETS]
    return 2 * [witness(function, logits).value()[0] for function in functions]


def softmax_entry(row: int, i: int) -> float:
    """Return (Σ r) r̂_i − r_i with scalars."""
    target, powers = TARGETS[row % 2], [math.exp(z) for z in logits]
    return sum(target) * powers[i] / sum(powers) - target[i]


def form_by(witness: Callable[[Point, Array], Witness]) -> Array:
    """Return the derivatives of xᵀAx by x, then by A, by a kind of witness."""
    by_x = witness(lambda v: v @ form @ v, start).value()
    return np.concatenate([by_x, witness(lambda A: start @ A @ start, form).value().reshape(2, 2)])


# --- blocks ----------------------------------------------------------------------------------------------

V, v = _RANDOM.uniform(-1, 1, (3, 2)), _RANDOM.uniform(-1, 1, 3)
POINTS = tuple((_RANDOM.standard_normal((2, *k)), _RANDOM.standard_normal((3, *k))) for k in ((), (4,)))
"""X and the target of Z, for a vector and for a matrix of four columns."""


def _joined(blocks: list[Any]) -> Array:
    return np.concatenate([np.ravel(block) for block in blocks])


def toolkit_blocks() -> Array:
    """Return ∂L/∂X, ∂L/∂Y, ∂L/∂W and ∂L/∂b in numerator layout of L = ½‖φ(WX + b1ᵀ) − T‖², for both X."""
    blocks = []
    for X, T in POINTS:
        layer, rest = Affine(V, v), Sequential(Tanh(), SquaredError(T, scale=0.5))
        whole = Sequential(layer, rest)
        blocks += [whole.jacobian(X).tensor(), rest.jacobian(layer(X)).tensor()]
        blocks += [whole.jacobian(X, wrt=name).tensor() for name in ("0.W", "0.b")]
    return _joined(blocks)


def block_formulas(slope_at: str) -> Array:
    """Return the notes' blocks, with φ′ taken at "Y" or, as printed, at "Z"."""
    blocks = []
    for X, T in POINTS:
        Y = (V @ X).T + v  # a row a column of X
        Z = np.tanh(Y)
        by_Z = Z - T.T  # numerator layout, as all that follow
        slope = 1 - np.tanh({"Y": Y, "Z": Z}[slope_at]) ** 2
        by_Y = by_Z @ np.diag(slope) if X.ndim == 1 else slope * by_Z
        by_W = np.outer(X, by_Y) if X.ndim == 1 else X @ by_Y
        blocks += [by_Y @ V, by_Y, by_W, by_Y if X.ndim == 1 else by_Y.sum(axis=0)]
    return _joined(blocks)


def blocks_by(witness: Callable[[Point, Array], Witness]) -> Array:
    """Return the blocks by a kind of witness, each transposed against its variable."""

    def loss(Y: Any, T: Array) -> Any:
        return ((np.tanh(Y) - T) ** 2).sum() / 2

    def affine(W: Any, X: Any, b: Any) -> Any:
        return (W @ X + b) if X.ndim == 1 else W @ X + b[:, None]

    blocks = []
    for X, T in POINTS:
        for function, at in (
            (lambda X, T=T: loss(affine(V, X, v), T), X),
            (lambda Y, T=T: loss(Y, T), affine(V, X, v)),
            (lambda W, X=X, T=T: loss(affine(W, X, v), T), V),
            (lambda b, X=X, T=T: loss(affine(V, X, b), T), v),
        ):
            blocks.append(witness(function, at).value().reshape(at.shape).T)
    return _joined(blocks)


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "D1", "gradient descent", r"x_{n+1} = x_n - \alpha \nabla f(x_n)", "3 steps × 2", "denominator",
        descended,
        (exact("closed form for xᵀAx: (I − α(A + Aᵀ))ⁿ x₀", lambda: [
            np.linalg.matrix_power(np.eye(2) - 0.1 * (form + form.T), n) @ start for n in (1, 2, 3)]),
         exact("the loop with scalars", lambda: three_steps(
             lambda p: [2 * 1.0 * p[0] + (0.6 - 0.2) * p[1], (0.6 - 0.2) * p[0] + 2 * 0.5 * p[1]])),
         exact("the loop with finite differences", lambda: three_steps(
             lambda p: finite_differences(lambda q: q @ form @ q, p).value()[0]), 1e-6)),
    ),
    Formula(
        "D2", "the chain rule along a curve",
        r"\frac{dw}{dt} = \frac{\partial f}{\partial x}\frac{dx}{dt} + \frac{\partial f}{\partial y}\frac{dy}{dt} + \frac{\partial f}{\partial z}\frac{dz}{dt}",
        "(1×3)(3×1)", "numerator",
        lambda: Sequential(Concatenate(Tanh(), Sigmoid(), Softplus()), LogSumExp()).jacobian([0.3]).dense(),
        (exact("term by term, with scalars", lambda: curve_slope(0.3)),
         finite_differences(plain_curve, [0.3]), symbolic(plain_curve, [0.3])),
    ),
    Formula(
        "D3", "every update rule of a 2-3-2 network",
        r"u_{ij} \leftarrow u_{ij} - \mu \frac{\partial L}{\partial z_i} \varphi'(\beta_i)\, y_j,\quad w_{ij} \leftarrow w_{ij} - \mu \frac{\partial L}{\partial y_i} \varphi'(\alpha_i)\, x_j,\; \dots",
        "17 derivatives, 17 updated parameters", "denominator",
        toolkit_update,
        (exact("the notes' rules, with scalars", scalar_update),
         exact("finite differences", lambda: with_update(finite_differences(plain_loss_of_all, PARAMETERS).value()[0]), 1e-6),
         exact("symbolic", lambda: with_update(symbolic(plain_loss_of_all, PARAMETERS).value()[0]), 1e-9)),
    ),
    Formula(
        "D4", "error propagation",
        r"\frac{\partial L}{\partial y_i} = \sum_j \frac{\partial L}{\partial z_j}\frac{\partial z_j}{\partial y_i}",
        "(1×2)(2×3)", "numerator",
        lambda: (CrossEntropy(r).jacobian(network()(x))
                 @ Sequential(Affine(U, c), Sigmoid()).jacobian(Sequential(Affine(W, b), Sigmoid())(x))).dense(),
        (exact("the notes' sums, with scalars", lambda: [scalar_rules()["y"]]),
         finite_differences(lambda y: -(r * np.log(phi(U @ y + c))).sum(), phi(W @ x + b)),
         symbolic(lambda y: -(r * np.log(phi(U @ y + c))).sum(), phi(W @ x + b))),
    ),
    Formula(
        "D5", "softmax and cross entropy",
        r"L = -\sum_i r_i \log \hat r_i:\quad \frac{\partial L}{\partial z} = \Bigl(\sum_i r_i\Bigr)\hat r - r",
        "1×2, two targets, fused and chained", "numerator",
        softmax_losses,
        (entry_by_entry((4, 2), softmax_entry),
         exact("finite differences", lambda: softmax_losses_by(finite_differences), 1e-6),
         exact("symbolic", lambda: softmax_losses_by(symbolic), 1e-9)),
        Slip(r"\frac{\partial L}{\partial z_1} = -1 + r_1,\; \frac{\partial L}{\partial z_2} = r_2",
             "the target r is printed for the prediction r̂: at the target (1, 0) it would say that there is nothing to learn",
             lambda: 2 * [[-1 + first, second] for first, second in TARGETS]),
    ),
    Formula(
        "D6", "a quadratic form by its vector and by its matrix",
        r"Y = X^{\mathsf T} A X:\; \frac{\partial Y}{\partial X} = X^{\mathsf T}(A + A^{\mathsf T}),\; \frac{\partial Y}{\partial A} = X X^{\mathsf T}",
        "1×2 and 2×2", "numerator",
        lambda: np.concatenate([QuadraticForm(form).jacobian(start).dense(),
                                QuadraticForm(form).jacobian(start, wrt="A").tensor()]),
        (exact("the formulas", lambda: np.vstack([start @ (form + form.T), np.outer(start, start)])),
         exact("closed form with letters for sizes", lambda: np.vstack([
             closed_form("x'*A*x", "x", A=form, x=start).value(),
             closed_form("x'*A*x", "A", A=form, x=start).value().reshape(form.shape)])),
         exact("finite differences", lambda: form_by(finite_differences), 1e-6),
         exact("symbolic", lambda: form_by(symbolic), 1e-9)),
        Slip(r"\Delta Y = \Delta X^{\mathsf T} A X + X^{\mathsf T} \Delta X", "the second term lacks A: X^T A ΔX",
             lambda: np.vstack([start @ form.T + start, np.outer(start, start)])),
    ),
    Formula(
        "D7", "the blocks of a layer",
        r"\left(\tfrac{\partial L}{\partial X}\right)^{\mathsf T} = W^{\mathsf T} \left(\tfrac{\partial L}{\partial Y}\right)^{\mathsf T},\; \left(\tfrac{\partial L}{\partial Y}\right)^{\mathsf T} = \operatorname{diag}(\varphi'(Y)) \left(\tfrac{\partial L}{\partial Z}\right)^{\mathsf T},\; \left(\tfrac{\partial L}{\partial W}\right)^{\mathsf T} = \left(\tfrac{\partial L}{\partial Y}\right)^{\mathsf T} X^{\mathsf T},\; \left(\tfrac{\partial L}{\partial b}\right)^{\mathsf T} = \left(\tfrac{\partial L}{\partial Y}\right)^{\mathsf T}",
        "X 2 and 2×4, Y 3 and 3×4, W 3×2, b 3", "numerator: transposed",
        toolkit_blocks,
        (exact("the notes' blocks in NumPy", lambda: block_formulas("Y")),
         exact("finite differences", lambda: blocks_by(finite_differences), 1e-6),
         exact("symbolic", lambda: blocks_by(symbolic), 1e-9)),
        Slip(r"\left(\tfrac{\partial L}{\partial Y}\right)^{\mathsf T} = \operatorname{diag}(\varphi'(Z)) \left(\tfrac{\partial L}{\partial Z}\right)^{\mathsf T}",
             "φ′ is printed at the output Z of φ, it is taken at its input Y", lambda: block_formulas("Z")),
    ),
    Formula(
        "D8", "the bias of the first layer", r"\frac{\partial L}{\partial b} = \frac{\partial L}{\partial \alpha}", "3", "denominator",
        lambda: network().gradients(x, r)["0.b"],
        (exact("the notes' rules, with scalars", lambda: scalar_rules()["0.b"]),
         finite_differences(lambda bias: plain_loss(x, W, bias, U, c), b, (3,)),
         symbolic(lambda bias: plain_loss(x, W, bias, U, c), b, (3,))),
        Slip(r"\begin{bmatrix} \partial L/\partial b_1 \\ \partial L/\partial b_2 \end{bmatrix} = \begin{bmatrix} \partial L/\partial \beta_1 \\ \partial L/\partial \beta_2 \end{bmatrix}",
             "two entries, and those of the second layer: b has three, and they are ∂L/∂α",
             lambda: scalar_rules()["2.b"]),
    ),
)  # fmt: skip
