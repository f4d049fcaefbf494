"""Notes A: what a derivative by a vector or by a matrix looks like, and I ⊗ x."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.learning.network import MLP
from backprop.learning.training import fit
from backprop.notes.formula import Array, Formula, Slip, Witness
from backprop.notes.witnesses import closed_form, entry_by_entry, exact, finite_differences, symbolic
from jacobians import (
    Affine,
    LinearMap,
    LogSumExp,
    MeanSquaredError,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    SquaredError,
    Tanh,
)
from jacobians.structures import Dense, Identity, Kronecker

_RANDOM = np.random.default_rng(840)
A, b = _RANDOM.standard_normal((3, 2)), _RANDOM.standard_normal(3)
x = np.array([0.6, -1.1])


def then(witness: Witness, change: Callable[[Array], Any]) -> Witness:
    """Return the witness of something that is made of what another one finds."""
    return Witness(witness.name, lambda: change(witness.value()), witness.tolerance)


def laid_out(*arrays: Any) -> Array:
    """Return several arrays as one vector of shape, entries, shape, entries, …, so that a wrong shape differs."""
    parts = [part for array in arrays for part in (np.shape(array), np.ravel(array))]
    return np.concatenate([np.asarray(part, dtype=float) for part in parts])


# --- A1, A2: the loss over m points and a step of gradient descent ---------------------------------------

POINTS, EPSILON = 4, 0.3
X, Y = _RANDOM.standard_normal((POINTS, 2)), _RANDOM.standard_normal((POINTS, 2))
W1, W2 = _RANDOM.standard_normal((3, 2)), _RANDOM.standard_normal((2, 3))
b1, b2 = _RANDOM.standard_normal(3), _RANDOM.standard_normal(2)
theta = np.concatenate([W1.ravel(), b1, W2.ravel(), b2])


def network() -> MLP:
    """Return f(·; θ) with tanh between two affine layers, new each time because training changes it."""
    return MLP([(W1, b1), (W2, b2)], activation="tanh", loss="squared-error")


def plain_network(parameters: Any, point: Any) -> Any:
    """Return f(x; θ) in plain NumPy for all parameters in one vector."""
    hidden = np.tanh(parameters[:6].reshape(3, 2) @ point + parameters[6:9])
    return parameters[9:15].reshape(2, 3) @ hidden + parameters[15:]


def plain_loss(parameters: Any) -> Any:
    """Return 1/(2m) Σ ‖f(x_k; θ) − y_k‖² in plain NumPy."""
    total = 0
    for point, target in zip(X, Y, strict=True):
        difference = plain_network(parameters, point) - target
        total = total + (difference * difference).sum()
    return total / (2 * POINTS)


def number_by_number() -> tuple[float, list[float]]:
    """Return L(θ) and the parameters after a step, with scalars alone."""
    loss, slopes = 0.0, [0.0] * 17
    for (p, q), target in zip(X.tolist(), Y.tolist(), strict=True):
        a = [math.tanh(W1[i, 0] * p + W1[i, 1] * q + b1[i]) for i in range(3)]
        f = [W2[i, 0] * a[0] + W2[i, 1] * a[1] + W2[i, 2] * a[2] + b2[i] for i in range(2)]
        e = [f[i] - target[i] for i in range(2)]
        loss += (e[0] ** 2 + e[1] ** 2) / (2 * POINTS)
        d = [(e[0] * W2[0, i] + e[1] * W2[1, i]) * (1 - a[i] ** 2) for i in range(3)]
        of_point = (
            [d[i] * v for i in range(3) for v in (p, q)] + d + [e[i] * v for i in range(2) for v in a] + e
        )
        slopes = [slope + own / POINTS for slope, own in zip(slopes, of_point, strict=True)]
    return loss, [value - EPSILON * slope for value, slope in zip(theta.tolist(), slopes, strict=True)]


def losses() -> list[float]:
    """Return L(θ) as the loss of a network and as a loss of all predictions."""
    net = network()
    return [net.loss(X, Y), float(MeanSquaredError(Y, scale=0.5)(net(X, batched=True)))]


def step_by_training() -> Array:
    """Return all parameters after one epoch of gradient descent over all points."""
    net = network()
    fit(net, X, Y, epochs=1, learning_rate=EPSILON)
    return np.concatenate([value.ravel() for value in net.parameters.values()])


def step_by_jacobians() -> Array:
    """Return the same from ∂L/∂W in numerator layout (A5), transposed to the shape of W."""
    after = []
    for name, value in network().parameters.items():
        slope = np.zeros(value.shape)
        for point, target in zip(X, Y, strict=True):
            of_point = Sequential(network(), SquaredError(target, scale=0.5 / POINTS))
            slope += of_point.jacobian(point, wrt=f"0.{name}").tensor("numerator").T
        after.append((value - EPSILON * slope).ravel())
    return np.concatenate(after)


# --- A3, A4: vector by vector, scalar by vector, vector by scalar, matrix by scalar ----------------------


def softmax_layer_entry(i: int, j: int) -> float:
    """Return ∂p_i/∂x_j = p_i (a_ij − Σ_k p_k a_kj) of p = softmax(Ax + b)."""
    e = [math.exp(A[k, 0] * x[0] + A[k, 1] * x[1] + b[k]) for k in range(3)]
    p = [value / sum(e) for value in e]
    return p[i] * (A[i, j] - sum(p[k] * A[k, j] for k in range(3)))


def plain_softmax_layer(point: Any) -> Any:
    """Return softmax(Ax + b) in plain NumPy."""
    e = np.exp(A @ point + b)
    return e / e.sum()


t = 0.4
curve = Sequential(Reshape((1,)), Affine(A[:, :1], b), Tanh())
"""y(x) = tanh(a x + b) of a scalar x: a curve in R³."""

left, right = np.array([[0.5], [-1.0], [2.0]]), np.array([[1.0, -0.3]])
surface = Sequential(Reshape((1, 1)), LinearMap(left, right), Sigmoid())
"""Y(x) = σ(l x r) of a scalar x, with a column l and a row r: a 3×2 matrix."""


def surface_entry(i: int, j: int) -> float:
    """Return ∂y_ij/∂x = σ′(l_i r_j x) l_i r_j."""
    speed = left[i, 0] * right[0, j]
    s = 1 / (1 + math.exp(-speed * t))
    return s * (1 - s) * speed


# --- A5, A6: by a matrix ---------------------------------------------------------------------------------

M = np.array([[0.2, -0.7, 1.1], [0.9, 0.4, -0.5]])
"""The matrix X of the notes with n = 2 and m = 3."""
P, Q, C = _RANDOM.standard_normal((4, 2)), _RANDOM.standard_normal((3, 1)), _RANDOM.standard_normal((4, 1))
squares = Sequential(LinearMap(P, Q), SquaredError(C))
"""y(X) = ‖PXQ − C‖²."""
outputs = Sequential(LinearMap(P, Q), Reshape((4,)), Tanh())
"""y(X) = tanh(PXq), N = 4 outputs."""


def plain_squares(matrix: Any) -> Any:
    """Return ‖PXQ − C‖² in plain NumPy."""
    difference = P @ matrix @ Q - C
    return (difference * difference).sum()


def plain_outputs(matrix: Any) -> Any:
    """Return tanh(PXq) in plain NumPy."""
    return np.tanh(P @ matrix @ Q)[:, 0]


def residual(r: int) -> float:
    """Return entry r of PXQ − C."""
    return sum(P[r, k] * M[k, c] * Q[c, 0] for k in range(2) for c in range(3)) - C[r, 0]


def output_entry(i: int, j: int, k: int) -> float:
    """Return ∂y_i/∂x_kj = (1 − y_i²) p_ik q_j."""
    return (1 - math.tanh(residual(i) + C[i, 0]) ** 2) * P[i, k] * Q[j, 0]


def printed_stack(last: int) -> Array:
    """Return the slices ∂y_1/∂X, …, ∂y_last/∂X, one upon the other.

    Raises
    ------
    ValueError
        If there is no y_last.
    """
    if last > 4:
        raise ValueError(f"there is no y_{last}: y has 4 entries")
    return np.array([[[output_entry(i, j, k) for k in range(2)] for j in range(3)] for i in range(last)])


# --- A7, A8: I ⊗ x and ∂(Wx + b)/∂W ----------------------------------------------------------------------

H, D = 3, 2
layer = Affine(A, b)


def unit_columns() -> list[Array]:
    """Return I_h ⊗ x as a Kronecker product, and as the layer's derivative by W in denominator layout."""
    product = Kronecker(Identity(H), Dense(x[:, None]))
    return [product.dense(), layer.jacobian(x, wrt="W").matrix(layout="denominator")]


def columns_by_loops() -> Array:
    """Return the hd×h block diagonal with copies of x, filled block by block."""
    made = np.zeros((H * D, H))
    for i in range(H):
        made[i * D : (i + 1) * D, i] = x
    return made


def faces() -> Array:
    """Return ∂z/∂W as it is asked for: tensor, both matrices of row-major vec, both of column-major vec."""
    J = layer.jacobian(x, wrt="W")
    return laid_out(
        J.tensor(), J.matrix(), J.matrix(layout="denominator"),
        J.matrix(vec="column"), J.matrix(vec="column", layout="denominator"),
    )  # fmt: skip


def faces_of(slopes: Callable[[int, int, int], float]) -> Array:
    """Return the same faces from ∂z_i/∂w_jk, put to its place in each by loops."""
    tensor = np.zeros((H, D, H))
    rows, columns = np.zeros((H, H * D)), np.zeros((H, H * D))
    for i in range(H):
        for j in range(H):
            for k in range(D):
                tensor[i, k, j] = rows[i, j * D + k] = columns[i, k * H + j] = slopes(i, j, k)
    return laid_out(tensor, rows, rows.T, columns, columns.T)


def faces_by_kronecker() -> Array:
    """Return the same faces by NumPy's einsum and kron."""
    identity, row, column = np.eye(H), x[None, :], x[:, None]
    tensor = np.einsum("ik,j->ijk", identity, x)
    return laid_out(
        tensor,
        np.kron(identity, row),
        np.kron(identity, column),
        np.kron(row, identity),
        np.kron(column, identity),
    )


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "A1", "the loss over m points", r"L(\theta) = \frac{1}{2m} \sum_{k=1}^m \lVert f(x_k; \theta) - y_k \rVert^2",
        "scalar", "–",
        losses,
        (exact("plain NumPy", lambda: [plain_loss(theta)] * 2), exact("number by number", lambda: [number_by_number()[0]] * 2)),
    ),
    Formula(
        "A2", "gradient descent", r"\theta \leftarrow \theta - \varepsilon\, \partial L/\partial\theta,\; \theta = W_1, b_1, W_2, b_2",
        "3×2, 3, 2×3, 2", "denominator",
        lambda: [step_by_training(), step_by_jacobians()],
        (then(finite_differences(plain_loss, theta), lambda J: [theta - EPSILON * J[0]] * 2),
         then(symbolic(plain_loss, theta), lambda J: [theta - EPSILON * J[0]] * 2),
         exact("number by number", lambda: [number_by_number()[1]] * 2)),
    ),
    Formula(
        "A3", "vector by vector", r"\left(\partial y/\partial x\right)_{ij} = \partial y_i/\partial x_j", "3×2", "numerator",
        lambda: Sequential(layer, Softmax()).jacobian(x).matrix(),
        (finite_differences(plain_softmax_layer, x), symbolic(plain_softmax_layer, x),
         closed_form("softmax(A*x + b)", "x", A=A, x=x, b=b),
         entry_by_entry((3, 2), softmax_layer_entry)),
    ),
    Formula(
        "A3a", "scalar by vector", r"\partial y/\partial x = (\nabla y)^{\mathsf T}", "1×3", "numerator",
        lambda: LogSumExp().jacobian(b).matrix(),
        (finite_differences(lambda v: np.log(np.exp(v).sum()), b), symbolic(lambda v: np.log(np.exp(v).sum()), b),
         closed_form("log(sum(exp(x)))", "x", x=b),
         entry_by_entry((1, 3), lambda i, j: math.exp(b[j]) / sum(math.exp(value) for value in b))),
    ),
    Formula(
        "A3b", "vector by scalar", r"\partial y/\partial x = (\partial y_1/\partial x, \dots, \partial y_m/\partial x)^{\mathsf T}",
        "3×1", "numerator",
        lambda: curve.jacobian(t).matrix(),
        (finite_differences(lambda s: np.tanh(A[:, 0] * s + b), t), symbolic(lambda s: np.tanh(A[:, 0] * s + b), t),
         closed_form("tanh(A[:,0]*t + b)", "t", A=A, b=b, t=t),
         entry_by_entry((3, 1), lambda i, j: (1 - math.tanh(A[i, 0] * t + b[i]) ** 2) * A[i, 0])),
    ),
    Formula(
        "A3c", "a linear map", r"y = Ax:\; \partial y/\partial x = A", "3×2", "numerator",
        lambda: np.stack([LinearMap(A).jacobian(x).matrix(), Affine(A).jacobian(x).matrix()]),
        (then(finite_differences(lambda v: A @ v, x), lambda J: [J, J]), then(symbolic(lambda v: A @ v, x), lambda J: [J, J]),
         then(closed_form("A*x", "x", A=A, x=x), lambda J: [J, J]),
         entry_by_entry((2, 3, 2), lambda _, i, j: float(A[i, j]))),
    ),
    Formula(
        "A4", "matrix by scalar", r"\left(\partial Y/\partial x\right)_{ij} = \partial y_{ij}/\partial x", "3×2", "numerator",
        lambda: surface.jacobian(t).tensor(),
        (finite_differences(lambda s: 1 / (1 + np.exp(-s * left @ right)), t, (3, 2)),
         symbolic(lambda s: 1 / (1 + np.exp(-s * (left @ right))), t, (3, 2)),
         entry_by_entry((3, 2), surface_entry)),
    ),
    Formula(
        "A5", "scalar by matrix", r"\left(\partial y/\partial X\right)_{ij} = \partial y/\partial x_{ji}", "3×2 for X 2×3", "numerator",
        lambda: squares.jacobian(M).tensor("numerator"),
        (entry_by_entry((3, 2), lambda i, j: sum(2 * residual(r) * P[r, j] * Q[i, 0] for r in range(4))),
         then(finite_differences(plain_squares, M), lambda J: J.reshape(2, 3).T),
         then(symbolic(plain_squares, M), lambda J: J.reshape(2, 3).T)),
    ),
    Formula(
        "A6", "vector by matrix", r"\left(\partial y/\partial X\right)_{ijk} = \partial y_i/\partial x_{kj}",
        "4×3×2 for y 4, X 2×3", "numerator",
        lambda: outputs.jacobian(M).tensor("numerator"),
        (entry_by_entry((4, 3, 2), output_entry),
         then(finite_differences(plain_outputs, M), lambda J: [row.reshape(2, 3).T for row in J]),
         then(symbolic(plain_outputs, M), lambda J: [row.reshape(2, 3).T for row in J])),
        Slip(r"\left[\partial y_1/\partial X;\; \dots;\; \partial y_p/\partial X\right]",
             "the stack must end in y_N; p counts no outputs, and with p = 2 two of four slices are lost",
             lambda: printed_stack(2)),
    ),
    Formula(
        "A7", "copies of x in a block diagonal",
        r"I_h \otimes x = \begin{bmatrix} x & & \\ & \ddots & \\ & & x \end{bmatrix}", "6×3", "–",
        unit_columns,
        (exact("block by block", lambda: [columns_by_loops()] * 2), exact("numpy.kron", lambda: [np.kron(np.eye(H), x[:, None])] * 2),
         entry_by_entry((2, H * D, H), lambda _, i, j: x[i % D] if i // D == j else 0.0)),
    ),
    Formula(
        "A8", "the affine layer by its weights",
        r"\frac{\partial z_i}{\partial w_{jk}} = \delta_{ij} x_k:\; T_{ijk} = \delta_{ik} x_j,\;"
        r" I_h \otimes x^{\mathsf T},\; I_h \otimes x;\quad x^{\mathsf T} \otimes I_h \text{ for column-major vec}",
        "3×2×3, 3×6, 6×3", "numerator and denominator, row- and column-major vec",
        faces,
        (exact("entry by entry", lambda: faces_of(lambda i, j, k: x[k] if i == j else 0.0)),
         exact("numpy.kron and einsum", faces_by_kronecker),
         then(finite_differences(lambda W: W @ x + b, A), lambda J: faces_of(lambda i, j, k: J[i, j * D + k])),
         then(closed_form("W*x + b", "W", W=A, x=x, b=b), lambda J: faces_of(lambda i, j, k: J[i, j * D + k])),
         then(symbolic(lambda W: W @ x + b, A), lambda J: faces_of(lambda i, j, k: J[i, j * D + k]))),
    ),
)  # fmt: skip
