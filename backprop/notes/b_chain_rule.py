"""Notes B: the chain rule, and what a bracketing of its product costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backprop.chain import Chain
from backprop.learning.network import MLP
from backprop.notes.formula import Array, Formula, Slip
from backprop.notes.witnesses import (
    closed_form,
    entry_by_entry,
    exact,
    finite_differences,
    matrix_product,
    symbolic,
    symbolic_matrix,
)
from jacobians import (
    Affine,
    AugmentedAffine,
    BinaryCrossEntropy,
    Elementwise,
    Function,
    Jacobian,
    MeanSquaredError,
    Sequential,
    Sigmoid,
    Spec,
    SquaredNorm,
)
from jacobians.function import INPUT
from jacobians.products import product_cost
from jacobians.structures import Dense

_RANDOM = np.random.default_rng(20)
A1, b1 = _RANDOM.standard_normal((3, 2)), _RANDOM.standard_normal(3)
A2, b2 = _RANDOM.standard_normal((2, 3)), _RANDOM.standard_normal(2)
x, y = np.array([0.7, -1.2]), np.array([0.3, 0.9])
X, Y = _RANDOM.standard_normal((5, 2)), _RANDOM.standard_normal((5, 2))

network = Sequential(Affine(A1, b1), Sigmoid(), Affine(A2, b2), Sigmoid())
"""F = F₂ ∘ F₁ with the activation on the last layer too."""


def sigma(z: Any) -> Any:
    """Return the sigmoid in its text book form."""
    return 1 / (1 + np.exp(-z))


def plain_network(point: Any) -> Any:
    """Return F(x) in plain NumPy, without the toolkit."""
    return sigma(A2 @ sigma(A1 @ point + b1) + b2)


def neuron_by_neuron(point: Array) -> list[float]:
    """Return F(x) with scalars alone."""
    hidden = [1 / (1 + math.exp(-(sum(A1[i, j] * point[j] for j in range(2)) + b1[i]))) for i in range(3)]
    return [1 / (1 + math.exp(-(sum(A2[i, j] * hidden[j] for j in range(3)) + b2[i]))) for i in range(2)]


class NotesF(Function):
    """f(x₁, x₂) = (x₁²x₂, x₁ + x₂), a layer of one's own with Df = [[2x₁x₂, x₁²], [1, 1]].

    Examples
    --------
    >>> NotesF().jacobian([3.0, 2.0]).dense()
    array([[12.,  9.],
           [ 1.,  1.]])
    """

    def forward(self, x: Any) -> Any:
        """Return (x₁²x₂, x₁ + x₂)."""
        return np.stack([x[0] ** 2 * x[1], x[0] + x[1]])

    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian:
        """Return [[2x₁x₂, x₁²], [1, 1]]."""
        return Dense([[2 * x[0] * x[1], x[0] ** 2], [1, 1]])


class NotesG(Function):
    """g(y₁, y₂) = y₁² + y₂³ with Dg = [2y₁, 3y₂²].

    Examples
    --------
    >>> NotesG().jacobian([1.0, 2.0]).dense()
    array([[ 2., 12.]])
    """

    def forward(self, x: Any) -> Any:
        """Return y₁² + y₂³."""
        return x[0] ** 2 + x[1] ** 3

    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian:
        """Return [2y₁, 3y₂²]."""
        return Dense([[2 * x[0], 3 * x[1] ** 2]], out_shape=())


composed = Sequential(NotesF(), NotesG())


def remainder_order(jacobian: Array) -> float:
    """Return the slope of log ‖f(x + hv) − f(x) − h·Jv‖ against log h: 2 for the right J, 1 for a wrong one."""
    v = np.array([0.6, 0.8])
    steps = np.array([1e-2, 1e-3])
    sizes = [np.linalg.norm(plain_network(x + h * v) - plain_network(x) - h * (jacobian @ v)) for h in steps]
    return float(np.diff(np.log(sizes))[0] / np.diff(np.log(steps))[0])


def plain_layer(parameters: Any) -> Any:
    """Return σ(Az + b) for A (2×2) and b in one vector (A₁₁, A₁₂, A₂₁, A₂₂, b₁, b₂)."""
    return sigma(parameters[:4].reshape(2, 2) @ x + parameters[4:])


layer_parameters = _RANDOM.standard_normal(6)


def layer_by_parameters() -> Array:
    """Return D[σ(Az + b)] by all its parameters, from the toolkit."""
    layer = Sequential(Affine(layer_parameters[:4].reshape(2, 2), layer_parameters[4:]), Sigmoid())
    return layer.jacobian(x, wrt=["0.W", "0.b"]).dense()


def layer_entry(i: int, column: int) -> float:
    """Return one entry of the notes' 2×6 matrix."""
    weights, bias = layer_parameters[:4].reshape(2, 2), layer_parameters[4:]
    s = 1 / (1 + math.exp(-(float(weights[i] @ x) + bias[i])))
    slope = s * (1 - s)
    if column < 4:
        return slope * x[column % 2] if column // 2 == i else 0.0
    return slope if column - 4 == i else 0.0


def count_product(m: int, n: int, p: int) -> tuple[int, int]:
    """Count the operations of an (m×n)(n×p) product by doing it."""
    multiplications = additions = 0
    for _ in range(m * p):
        multiplications += 1  # the first term
        for _ in range(n - 1):
            multiplications += 1
            additions += 1
    return multiplications, additions


def stated_cost(m: int, n: int, p: int) -> list[int]:
    """Return the cost from the table of products."""
    cost = product_cost(Spec.dense(m, n), Spec.dense(n, p))
    return [cost.multiplications, cost.additions]


def bracketings() -> list[float]:
    """Return multiplications from the left, from the right, and their ratio, from the planner."""
    chain = Chain.from_shapes([(1, 100), (100, 100), (100, 100)])
    left, right = (chain.plan(side).cost.multiplications for side in ("left", "right"))
    return [left, right, right / left]


def counted_bracketings() -> list[float]:
    """Return the same, counted by loops."""
    left = 2 * count_product(1, 100, 100)[0]
    right = count_product(100, 100, 100)[0] + count_product(1, 100, 100)[0]
    return [left, right, right / left]


probabilities, labels = np.array([0.2, 0.7, 0.9]), np.array([0.0, 1.0, 1.0])


def plain_cross_entropy(p: Any) -> Any:
    """Return −(1/N) Σ [y ln p + (1 − y) ln(1 − p)]."""
    return -(labels * np.log(p) + (1 - labels) * np.log(1 - p)).sum() / 3


augmented = AugmentedAffine(np.column_stack([b1, A1]), carry_unit=True)


def batch_gradient() -> Array:
    """Return the gradient of the mean loss of five points by the first weights, from the δ recursion."""
    net = MLP.initialize([2, 3, 2], activation="sigmoid", loss="squared-error", seed=3)
    return net.gradients(X, Y)["0.W"]


def batch_loss(weights: Any) -> Any:
    """Return the mean over five points of ½‖F − y‖² as a function of the first weights, in plain NumPy."""
    p = MLP.initialize([2, 3, 2], activation="sigmoid", loss="squared-error", seed=3).parameters
    total = 0
    for point, target in zip(X, Y, strict=True):
        d = p["2.W"] @ sigma(weights @ point + p["0.b"]) + p["2.b"] - target
        total = total + (d * d).sum() / 2
    return total / 5


def gradients_point_by_point() -> Array:
    """Return the mean of the gradients of single points through the explicit chain."""
    net = MLP.initialize([2, 3, 2], activation="sigmoid", loss="squared-error", seed=3)
    each = [net.gradients(a, b, method="jacobians")["0.W"] for a, b in zip(X, Y, strict=True)]
    return np.mean(each, axis=0)


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "B1", "a network is a composition", r"F = F_L \circ \dots \circ F_1,\; F_l(x) = \sigma(A_l x + b_l)", "2", "–",
        lambda: network(x),
        (exact("plain NumPy", lambda: plain_network(x)), exact("neuron by neuron", lambda: neuron_by_neuron(x))),
    ),
    Formula(
        "B2", "the mean squared error of N points",
        r"E(\eta) = \frac1N \sum_i \lVert F(x_i, \eta) - y_i \rVert^2", "scalar", "–",
        lambda: MeanSquaredError(Y)(network(X, batched=True)),
        (
            exact("a loop over points", lambda: sum(
                sum((f - t) ** 2 for f, t in zip(neuron_by_neuron(p), q, strict=True))
                for p, q in zip(X, Y, strict=True)
            ) / 5),
            exact("plain NumPy", lambda: np.mean([np.sum((plain_network(p) - q) ** 2) for p, q in zip(X, Y, strict=True)])),
        ),
    ),
    Formula(
        "B3", "the derivative as a matrix", r"(Df)_{ij} = \partial f_i/\partial x_j", "2×2", "numerator",
        lambda: network.jacobian(x).dense(),
        (finite_differences(plain_network, x), symbolic(plain_network, x),
         closed_form("sigmoid(C*sigmoid(A*x + b) + d)", "x", A=A1, b=b1, C=A2, d=b2, x=x)),
    ),
    Formula(
        "B4", "the best local linear approximation", r"f(x + \Delta x) = f(x) + Df(x)\,\Delta x + O(\lVert\Delta x\rVert^2)",
        "order 2", "numerator",
        lambda: [remainder_order(network.jacobian(x).dense())],
        (
            exact("Taylor's theorem", lambda: [2.0], 0.05),
            exact("the same with the symbolic Df", lambda: [
                remainder_order(symbolic_matrix(plain_network, x))
            ], 1e-3),
        ),
    ),
    Formula(
        "B5", "an example", r"f = (x_1^2 x_2,\, x_1 + x_2):\; Df = \begin{bmatrix} 2x_1x_2 & x_1^2 \\ 1 & 1 \end{bmatrix}",
        "2×2", "numerator",
        lambda: NotesF().jacobian(x).dense(),
        (finite_differences(lambda v: np.stack([v[0] ** 2 * v[1], v[0] + v[1]]), x),
         symbolic(lambda v: np.stack([v[0] ** 2 * v[1], v[0] + v[1]]), x),
         closed_form("[x[0]^2*x[1]; x[0] + x[1]]", "x", x=x)),
    ),
    Formula(
        "B6", "the chain rule", r"D(g \circ f)(x) = Dg(f(x)) \cdot Df(x)", "1×2", "numerator",
        lambda: composed.jacobian(x).dense(),
        (finite_differences(lambda v: (v[0] ** 2 * v[1]) ** 2 + (v[0] + v[1]) ** 3, x),
         exact("dense NumPy product", lambda: np.array([[2 * x[0] ** 2 * x[1], 3 * (x[0] + x[1]) ** 2]])
               @ np.array([[2 * x[0] * x[1], x[0] ** 2], [1, 1]]))),
    ),
    Formula(
        "B7", "the example's composition",
        r"Dh = \left[4x_1^3x_2^2 + 3(x_1 + x_2)^2,\; 2x_1^4x_2 + 3(x_1 + x_2)^2\right]", "1×2", "numerator",
        lambda: composed.jacobian(x).dense(),
        (exact("closed form", lambda: [[4 * x[0] ** 3 * x[1] ** 2 + 3 * (x[0] + x[1]) ** 2,
                                        2 * x[0] ** 4 * x[1] + 3 * (x[0] + x[1]) ** 2]]),
         closed_form("(x[0]^2*x[1])^2 + (x[0] + x[1])^3", "x", x=x),
         symbolic(lambda v: (v[0] ** 2 * v[1]) ** 2 + (v[0] + v[1]) ** 3, x)),
    ),
    Formula(
        "B8", "the loss of a network", r"\Phi = \alpha \circ \beta \circ F:\; D\Phi = 2(F - y)^{\mathsf T} DF", "1×2", "numerator",
        lambda: Sequential(
            network, Elementwise("minus y", lambda a: a - y, lambda a: np.ones_like(a)), SquaredNorm()
        ).jacobian(x).dense(),
        (finite_differences(lambda v: ((plain_network(v) - y) ** 2).sum(), x),
         closed_form("norm2(sigmoid(C*sigmoid(A*x + b) + d) - y)^2", "x", A=A1, b=b1, C=A2, d=b2, x=x, y=y),
         symbolic(lambda v: ((plain_network(v) - y) ** 2).sum(), x)),
        Slip(r"D\alpha = 2z", "Dα = 2z lacks the transpose: a column times DF can't be formed",
             lambda: matrix_product((2 * (plain_network(x) - y))[:, None], network.jacobian(x).dense())),
    ),
    Formula(
        "B9", "the derivative by the parameters of a layer",
        r"DF_L \cdots DF_{\ell+1} \cdot \partial F_\ell/\partial \eta_\ell", "2×6", "numerator",
        lambda: network.jacobian(x, wrt="0.W").dense(),
        (finite_differences(lambda W: sigma(A2 @ sigma(W @ x + b1) + b2), A1),
         closed_form("sigmoid(C*sigmoid(A*x + b) + d)", "A", A=A1, b=b1, C=A2, d=b2, x=x),
         symbolic(lambda W: sigma(A2 @ sigma(W @ x + b1) + b2), A1)),
        Slip(r"DF = DF_L \cdots DF_1", "one formula is used for the input and for the parameters",
             lambda: network.jacobian(x).dense()),
    ),
    Formula(
        "B10", "one layer of two neurons",
        r"\operatorname{diag}(\sigma'(q))\,[I_2 \otimes z^{\mathsf T},\, I_2]", "2×6", "numerator",
        layer_by_parameters,
        (entry_by_entry((2, 6), layer_entry), finite_differences(plain_layer, layer_parameters),
         symbolic(plain_layer, layer_parameters)),
    ),
    Formula(
        "B11", "the cost of a product", r"(m \times n)(n \times p):\; mnp \text{ and } m(n-1)p", "multiplications, additions", "–",
        lambda: [stated_cost(3, 5, 2), stated_cost(4, 1, 6)],
        (exact("counted by loops", lambda: [count_product(3, 5, 2), count_product(4, 1, 6)], 0.0),
         exact("closed form", lambda: [[3 * 5 * 2, 3 * 4 * 2], [4 * 6, 0]], 0.0)),
        Slip(r"n \text{ rows in } A", "A has m rows, not n", lambda: [[5 * 5 * 2, 5 * 4 * 2], [1 * 1 * 6, 0]]),
    ),
    Formula(
        "B12", "what a bracketing costs", r"(AB)C:\; 2\cdot10^4,\quad A(BC):\; 1.01\cdot10^6",
        "1×100, 100×100, 100×100", "–",
        bracketings,
        (exact("counted by loops", counted_bracketings, 0.0), exact("the notes", lambda: [2e4, 1.01e6, 50.5], 1e-12)),
        Slip(r"A\; 1\times10^0,\; B\; 100\times10^0,\; C\; 100\times10^1", "the shapes as scanned don't fit each other",
             lambda: matrix_product(np.ones((1, 1)), np.ones((100, 1)), np.ones((100, 10)))),
    ),
    Formula(
        "B13", "binary cross entropy", r"C = -\frac1N \sum \left[y \ln F + (1-y) \ln(1-F)\right]", "1×3", "numerator",
        lambda: BinaryCrossEntropy(labels).jacobian(probabilities).dense(),
        (finite_differences(plain_cross_entropy, probabilities), symbolic(plain_cross_entropy, probabilities)),
        Slip(r"-\frac1N \sum y \ln F + (1-y) \ln(1-F)", "without the brackets the second term is added, not subtracted",
             lambda: -labels / probabilities / 3 - ((1 - labels) / (1 - probabilities))[None, :]),
    ),
    Formula(
        "B14", "the bias folded into the matrix",
        r"\hat A = \begin{bmatrix} 1 & 0 \\ b & A \end{bmatrix}:\; \hat A \hat x = \begin{bmatrix} 1 \\ Ax + b \end{bmatrix}",
        "4", "–",
        lambda: augmented(np.concatenate([[1.0], x])),
        (exact("block matrix", lambda: np.block([[np.ones((1, 1)), np.zeros((1, 2))], [b1[:, None], A1]])
               @ np.concatenate([[1.0], x])),
         exact("affine map", lambda: np.concatenate([[1.0], A1 @ x + b1]))),
        Slip(r"\sigma(1) = 1", "σ(1) = 0.731 for the sigmoid: the unit must be passed through unactivated",
             lambda: np.concatenate([[sigma(1.0)], A1 @ x + b1])),
    ),
    Formula(
        "B15", "the same for N points at once", r"\frac1N \sum_i \delta_i\, x_i^{\mathsf T}", "3×2", "denominator",
        batch_gradient,
        (finite_differences(batch_loss, MLP.initialize([2, 3, 2], activation="sigmoid", loss="squared-error", seed=3)
                            .parameters["0.W"], (3, 2)),
         exact("point by point, explicit chain", gradients_point_by_point)),
    ),
)  # fmt: skip
