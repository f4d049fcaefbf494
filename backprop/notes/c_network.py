"""Notes C: a 2-3-4-1 network, vectorised, and the factors of its chain one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.learning.network import MLP
from backprop.learning.training import fit
from backprop.notes.formula import Array, Formula, Slip, Witness
from backprop.notes.witnesses import entry_by_entry, exact, finite_differences, symbolic
from jacobians import (
    Affine,
    BinaryCrossEntropy,
    Concatenate,
    CrossEntropy,
    Function,
    LeakyReLU,
    LinearMap,
    MeanSquaredError,
    Product,
    QuadraticForm,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    SquaredError,
    Tanh,
)

_RANDOM = np.random.default_rng(4)
W1, b1 = _RANDOM.uniform(-1, 1, (3, 2)), _RANDOM.uniform(-1, 1, 3)
W2, b2 = _RANDOM.uniform(-1, 1, (4, 3)), _RANDOM.uniform(-1, 1, 4)
W3, b3 = _RANDOM.uniform(-1, 1, (1, 4)), _RANDOM.uniform(-1, 1, 1)
x, y = np.array([1.5, -0.8]), 1

weights = [(W1, b1), (W2, b2), (W3, b3)]
network = MLP(weights, activation="relu", output_activation="sigmoid", loss="binary-cross-entropy")
"""The 2-3-4-1 network: ReLU between the layers, a sigmoid and binary cross entropy at the end."""


# --- the network, without the toolkit --------------------------------------------------------------------


def relu(z: Any) -> Any:
    """Return max(z, 0) in plain NumPy."""
    return np.maximum(z, 0)


def sigma(z: Any) -> Any:
    """Return the sigmoid in its text book form."""
    return 1 / (1 + np.exp(-z))


def hidden_layers(point: Any) -> Any:
    """Return a^[2] in plain NumPy."""
    return relu(W2 @ relu(W1 @ point + b1) + b2)


a1 = relu(W1 @ x + b1)
z2 = W2 @ a1 + b2
a2 = relu(z2)
z3 = W3 @ a2 + b3
a3 = sigma(z3)


def loss_by_second_weights(W: Any) -> Any:
    """Return −[y log a + (1 − y) log(1 − a)] as a function of W^[2], in plain NumPy."""
    a = sigma(W3 @ relu(W @ a1 + b2) + b3)
    return -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()


ACTIVATIONS: dict[str, tuple[Function, Callable[[float], float], Callable[[float], float]]] = {
    "relu": (ReLU(), lambda z: z if z > 0 else 0.0, lambda z: 1.0 if z > 0 else 0.0),
    "leaky-relu": (LeakyReLU(), lambda z: z if z > 0 else 0.01 * z, lambda z: 1.0 if z > 0 else 0.01),
    "sigmoid": (Sigmoid(), lambda z: 1 / (1 + math.exp(-z)), lambda z: 0.25 / math.cosh(z / 2) ** 2),
    "tanh": (Tanh(), math.tanh, lambda z: 1 / math.cosh(z) ** 2),
}
"""The notes' activations by name: the layer, and g and g′ for one number."""

PLAIN: tuple[Callable[[Any], Any], ...] = (relu, lambda z: np.where(z > 0, z, 0.01 * z), sigma, np.tanh)
"""The same activations in plain NumPy."""


def networks() -> list[Array]:
    """Return the outputs of the toolkit's 2-3-4-1 networks, one for each activation, the last layer affine."""
    return [MLP(weights, activation=name, loss="squared-error")(x) for name in ACTIVATIONS]


def neuron_by_neuron(g: Callable[[float], float]) -> list[float]:
    """Return the output of one such network with scalars alone."""
    values = x.tolist()
    for W, b in ((W1, b1), (W2, b2)):
        sums = [sum(W[i, j] * value for j, value in enumerate(values)) + b[i] for i in range(len(b))]
        values = [g(float(z)) for z in sums]
    return [sum(W3[0, j] * value for j, value in enumerate(values)) + b3[0]]


def connections() -> list[int]:
    """Count a weight for each pair of neighbours and a bias for each neuron, by layers, then all."""
    layers = [(range(2), range(3)), (range(3), range(4)), (range(4), range(1))]
    counts = [sum(1 for _ in neurons for _ in [*before, "bias"]) for before, neurons in layers]
    return [*counts, sum(counts)]


# --- losses ----------------------------------------------------------------------------------------------

h, o = np.array([0.2, 0.5, 0.3]), np.array([0.1, 0.7, 0.2])


def toolkit_losses() -> list[list[float]]:
    """Return value and derivative of the three losses of h with the target o."""
    losses: tuple[Function, ...] = (SquaredError(o, scale=0.5), MeanSquaredError(o), CrossEntropy(o))
    return [[float(loss(h)), *loss.jacobian(h).dense()[0]] for loss in losses]


def plain_losses(prediction: Any) -> Any:
    """Return ½‖h − o‖², 1/n Σ (h − o)² and −Σ o log h in plain NumPy."""
    squares = ((prediction - o) ** 2).sum()
    return np.stack([squares / 2, squares / 3, -(o * np.log(prediction)).sum()])


def losses_by_hand() -> list[list[float]]:
    """Return values and derivatives of the three losses, one number at a time."""
    pairs = list(zip(h.tolist(), o.tolist(), strict=True))
    half = [0.5 * sum((p - t) ** 2 for p, t in pairs), *(p - t for p, t in pairs)]
    entropy = [-sum(t * math.log(p) for p, t in pairs), *(-t / p for p, t in pairs)]
    return [half, [2 / 3 * value for value in half], entropy]


# --- gradients, Jacobians, several paths -----------------------------------------------------------------

example = Product(QuadraticForm([[3.0, 0.0], [0.0, 0.0]]), Sequential(LinearMap([[0.0, 1.0]]), Reshape(())))
"""f = 3x₁² · x₂ out of the catalogue: a quadratic form times a coordinate."""


def rows(witness: Callable[[Callable[[Any], Any], Array], Witness]) -> list[Array]:
    """Return the gradients of a^[2]_1, …, a^[2]_4 by x, each found on its own by a kind of witness."""
    functions = [lambda point, i=i: hidden_layers(point)[i] for i in range(4)]
    return [witness(function, x).value()[0] for function in functions]


_Q, _S = np.array([[1.0, 0.5], [-0.3, 0.8]]), np.array([[0.4, 1.0, 0.0], [0.2, -0.7, 0.5], [0.9, 0.1, 0.3]])
_U = np.array([[0.6, -1.1], [0.7, 0.4]])

several_paths = Sequential(
    Concatenate(
        Sequential(LinearMap(_U[:1]), Tanh()),
        Sequential(LinearMap(_U[1:]), Sigmoid()),
        Sequential(QuadraticForm(_Q), Reshape((1,))),
    ),
    QuadraticForm(_S),
)
"""f(g₁, g₂, g₃) = gᵀSg with g₁ = tanh(u₁ᵀx), g₂ = σ(u₂ᵀx), g₃ = xᵀQx."""


def plain_paths(point: Any) -> Any:
    """Return the same f(g(x)) in plain NumPy."""
    g = np.stack([np.tanh(_U[0] @ point), sigma(_U[1] @ point), point @ _Q @ point])
    return g @ _S @ g


def total_derivative(paths: int) -> list[list[float]]:
    """Return Σ_k ∂f/∂g_k · ∂g_k/∂x_j over the first so many paths, with scalars."""
    s1, s2 = float(_U[0] @ x), float(_U[1] @ x)
    g = [math.tanh(s1), 1 / (1 + math.exp(-s2)), float(x @ _Q @ x)]
    slopes = [1 - g[0] ** 2, g[1] * (1 - g[1])]
    dg = [
        [slopes[0] * _U[0, j] for j in range(2)],
        [slopes[1] * _U[1, j] for j in range(2)],
        [sum((_Q[j, i] + _Q[i, j]) * x[i] for i in range(2)) for j in range(2)],
    ]
    df = [sum((_S[k, i] + _S[i, k]) * g[i] for i in range(3)) for k in range(3)]
    return [[sum(df[k] * dg[k][j] for k in range(paths)) for j in range(2)]]


_G, _F, point3 = _RANDOM.standard_normal((4, 3)), _RANDOM.standard_normal((2, 4)), np.array([0.3, -0.8, 0.5])
inner = Sequential(LinearMap(_G), Tanh())
outer = Sequential(LinearMap(_F), Sigmoid())
"""g: R³ → R⁴ and f: R⁴ → R²."""


def product_entry(i: int, j: int) -> float:
    """Return Σ_k ∂f_i/∂g_k · ∂g_k/∂x_j with scalars."""
    g = [math.tanh(sum(_G[k, m] * point3[m] for m in range(3))) for k in range(4)]
    s = 1 / (1 + math.exp(-sum(_F[i, k] * g[k] for k in range(4))))
    return sum(s * (1 - s) * _F[i, k] * (1 - g[k] ** 2) * _G[k, j] for k in range(4))


# --- stochastic gradient descent on a small network ------------------------------------------------------

X, Y = _RANDOM.standard_normal((5, 2)), _RANDOM.standard_normal((5, 1))
RATE, SEED = 0.2, 6


def _small() -> MLP:
    return MLP.initialize([2, 3, 1], activation="tanh", loss="squared-error", seed=2)


def trained(**options: Any) -> Array:
    """Return all parameters after one epoch of `fit`, in one vector."""
    net = _small()
    fit(net, X, Y, epochs=1, learning_rate=RATE, seed=SEED, **options)
    return np.concatenate([value.ravel() for value in net.parameters.values()])


def small_loss(theta: Any, points: Any) -> Any:
    """Return the mean of ½(f(x) − y)² over some points in plain NumPy; θ holds W (3×2), b, U (1×3), c."""
    W, b, U, c = theta[:6].reshape(3, 2), theta[6:9], theta[9:12], theta[12]
    return sum((U @ np.tanh(W @ X[k] + b) + c - Y[k, 0]) ** 2 / 2 for k in points) / len(points)


def small_gradient(theta: Array, points: Any) -> Array:
    """Return the gradient of that with scalars."""
    W, b, U, c = theta[:6].reshape(3, 2), theta[6:9], theta[9:12], theta[12]
    gradients = []
    for k in points:
        hidden = [math.tanh(W[i, 0] * X[k, 0] + W[i, 1] * X[k, 1] + b[i]) for i in range(3)]
        error = sum(U[i] * hidden[i] for i in range(3)) + c - Y[k, 0]
        back = [error * U[i] * (1 - hidden[i] ** 2) for i in range(3)]
        by_W = [back[i] * X[k, j] for i in range(3) for j in range(2)]
        gradients.append([*by_W, *back, *(error * value for value in hidden), error])
    return np.mean(gradients, axis=0)


def numeric_gradient(theta: Array, points: Any) -> Array:
    """Return the gradient of the plain loss by central differences."""
    return finite_differences(lambda t: small_loss(t, points), theta).value().ravel()


def descend(gradient: Callable[[Array, Any], Array]) -> list[Array]:
    """Return θ after one epoch of θ := θ − α∇J^(j)(θ) with j drawn uniformly, and after one in mini-batches of two."""
    drawn = np.random.default_rng([SEED, 1]).integers(5, size=5)
    order = np.random.default_rng([SEED, 1]).permutation(5)
    ends = []
    for epoch in ([[j] for j in drawn], [order[:2], order[2:4], order[4:]]):
        theta = np.concatenate([value.ravel() for value in _small().parameters.values()])
        for points in epoch:
            theta = theta - RATE * gradient(theta, points)
        ends.append(theta)
    return ends


# --- the factors of ∂L/∂W^[2] ----------------------------------------------------------------------------


def logit_derivatives() -> list[Array]:
    """Return ∂L/∂z^[3] three ways: fused, as a chain of two factors, and as the network's last δ."""
    losses = (SigmoidBinaryCrossEntropy([y]), Sequential(Sigmoid(), BinaryCrossEntropy([y])))
    return [*(loss.jacobian(z3).dense() for loss in losses), network.deltas(x, y)[-1][None, :]]


def plain_logit_loss(z: Any) -> Any:
    """Return the binary cross entropy of σ(z) in plain NumPy."""
    a = sigma(z)
    return -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()


def weight_column(i: int, j: int) -> Array:
    """Return a_j e_i, 4×1, as the notes do it for one weight; i and j count from 1.

    Raises
    ------
    ValueError
        If a^[1] has no entry j.
    """
    if j > len(a1):
        raise ValueError(f"a^[1] has {len(a1)} entries, there is no a_{j}")
    return a1[j - 1] * np.eye(4)[i - 1][:, None]


def four_factors() -> Array:
    """Return ∂L/∂W^[2] from the notes' four factors, multiplied as dense arrays for each weight."""
    row = (a3 - y)[:, None] @ W3 @ np.diag((z2 > 0).astype(float))
    return np.array([[(row @ weight_column(i, j)).item() for j in (1, 2, 3)] for i in (1, 2, 3, 4)])


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "C1", "the parameters of 2-3-4-1", r"(2\cdot3+3) + (3\cdot4+4) + (4\cdot1+1) = 30", "by layer, then all", "–",
        lambda: [*(layer.parameter_count for layer in network if isinstance(layer, Affine)), network.parameter_count],
        (exact("the notes", lambda: [2 * 3 + 3, 3 * 4 + 4, 4 * 1 + 1, 30], 0.0),
         exact("counted connection by connection", connections, 0.0)),
    ),
    Formula(
        "C2", "forward, vectorised", r"a^{[l]} = g(W^{[l]} a^{[l-1]} + b^{[l]}),\; h = W^{[3]} a^{[2]} + b^{[3]}",
        "4 networks × 1", "–",
        networks,
        (exact("plain NumPy", lambda: [W3 @ g(W2 @ g(W1 @ x + b1) + b2) + b3 for g in PLAIN]),
         exact("neuron by neuron", lambda: [neuron_by_neuron(g) for _, g, _ in ACTIVATIONS.values()])),
    ),
    Formula(
        "C3", "losses", r"\tfrac12 \lVert h - o \rVert^2,\quad \tfrac1n \sum (h_i - o_i)^2,\quad -\sum o_i \log h_i",
        "3 losses × (value, 1×3)", "numerator",
        toolkit_losses,
        (exact("by hand", losses_by_hand),
         exact("finite differences", lambda: np.column_stack([plain_losses(h), finite_differences(plain_losses, h).value()]), 1e-6),
         exact("symbolic", lambda: np.column_stack([plain_losses(h), symbolic(plain_losses, h).value()]), 1e-9)),
    ),
    Formula(
        "C4", "a gradient", r"f = 3x_1^2x_2:\; \nabla f = [6x_1x_2,\; 3x_1^2]^{\mathsf T}", "2×1", "denominator",
        lambda: example.jacobian(x).matrix(layout="denominator"),
        (exact("closed form", lambda: [[6 * x[0] * x[1]], [3 * x[0] ** 2]]),
         finite_differences(lambda v: 3 * v[0] ** 2 * v[1], x, (2, 1)),
         symbolic(lambda v: 3 * v[0] ** 2 * v[1], x, (2, 1))),
        Slip(r"\nabla f = [6x_1x_2,\; 3x_1]^{\mathsf T}", "the square of x₁ is lost in ∂f/∂x₂",
             lambda: [[6 * x[0] * x[1]], [3 * x[0]]]),
    ),
    Formula(
        "C5", "the rows of a Jacobian are gradients",
        r"\frac{\partial \mathbf f}{\partial \mathbf x} = \begin{bmatrix} \nabla^{\mathsf T} f_1 \\ \vdots \\ \nabla^{\mathsf T} f_m \end{bmatrix}",
        "4×2", "numerator",
        lambda: Sequential(*network.layers[:4]).jacobian(x).dense(),
        (exact("gradients of a₁ … a₄, finite differences", lambda: rows(finite_differences), 1e-6),
         exact("gradients of a₁ … a₄, symbolic", lambda: rows(symbolic), 1e-9)),
    ),
    Formula(
        "C6", "the total derivative: several paths add up",
        r"\frac{\partial f}{\partial x_j} = \sum_k \frac{\partial f}{\partial g_k}\frac{\partial g_k}{\partial x_j}",
        "1×2", "numerator",
        lambda: several_paths.jacobian(x).dense(),
        (exact("path by path, with scalars", lambda: total_derivative(3)),
         finite_differences(plain_paths, x), symbolic(plain_paths, x)),
        Slip(r"\dots + \frac{\partial f}{\partial u_n}\frac{\partial g_n}{\partial x_j}",
             "the last term has u_n for g_k: f does not depend on a u_n, so ∂f/∂u_n = 0 and the last path is lost",
             lambda: total_derivative(2)),
    ),
    Formula(
        "C7", "the Jacobian of a composition, entry by entry",
        r"(J_{f \circ g})_{ij} = \sum_k \frac{\partial f_i}{\partial g_k}\frac{\partial g_k}{\partial x_j} = (J_f J_g)_{ij}",
        "(2×4)(4×3)", "numerator",
        lambda: (outer.jacobian(inner(point3)) @ inner.jacobian(point3)).dense(),
        (entry_by_entry((2, 3), product_entry), finite_differences(lambda v: sigma(_F @ np.tanh(_G @ v)), point3),
         symbolic(lambda v: sigma(_F @ np.tanh(_G @ v)), point3)),
        Slip(r"y_2 = f_1(g_1, \dots, g_k),\; \left[\dots, \textstyle\sum_i \frac{\partial f_1}{\partial g_i}\frac{\partial g_i}{\partial x_2}\right]",
             "y₂ is printed with f₁, and the last column repeats x₂ for x_n",
             lambda: [[product_entry(0, j) for j in (0, 1, 1)] for _ in range(2)]),
    ),
    Formula(
        "C8", "elementwise functions have diagonal Jacobians",
        r"\frac{\partial a}{\partial z} = \operatorname{diag}(g'(z))", "4 functions × 4×4", "numerator",
        lambda: [layer.jacobian(z2).dense() for layer, _, _ in ACTIVATIONS.values()],
        (entry_by_entry((4, 4, 4), lambda f, i, j: list(ACTIVATIONS.values())[f][2](float(z2[i])) if i == j else 0.0),
         exact("finite differences", lambda: [finite_differences(g, z2).value() for g in PLAIN], 1e-6),
         exact("symbolic", lambda: [symbolic(g, z2).value() for g in PLAIN], 1e-9)),
    ),
    Formula(
        "C9", "stochastic gradient descent", r"\theta := \theta - \alpha \nabla_\theta J^{(j)}(\theta),\; j \text{ uniform}",
        "13 parameters: points one by one, mini-batches of 2", "denominator",
        lambda: [trained(batch_size=1, sampling="uniform"), trained(batch_size=2)],
        (exact("the loop with scalars", lambda: descend(small_gradient)),
         exact("the loop with finite differences", lambda: descend(numeric_gradient), 1e-6)),
    ),
    Formula(
        "C10", "sigmoid output and binary cross entropy", r"\frac{\partial L}{\partial z^{[3]}} = a^{[3]} - y",
        "1×1, three ways", "numerator",
        logit_derivatives,
        (exact("a − y", lambda: [[[1 / (1 + math.exp(-z3[0])) - y]]] * 3),
         exact("finite differences", lambda: [finite_differences(plain_logit_loss, z3).value()] * 3, 1e-6),
         exact("symbolic", lambda: [symbolic(plain_logit_loss, z3).value()] * 3, 1e-9)),
    ),
    Formula(
        "C11", "an affine layer by its input", r"\frac{\partial z^{[3]}}{\partial a^{[2]}} = W^{[3]}", "1×4", "numerator",
        lambda: network[4].jacobian(a2).dense(),
        (exact("the weights", lambda: [W3[0].tolist()]), finite_differences(lambda v: W3 @ v + b3, a2)),
    ),
    Formula(
        "C12", "an activation by its input",
        r"\frac{\partial a^{[2]}}{\partial z^{[2]}} = \operatorname{diag}(g'(z^{[2]}))", "4×4", "numerator",
        lambda: network[3].jacobian(z2).dense(),
        (entry_by_entry((4, 4), lambda i, j: float(i == j and z2[i] > 0)), finite_differences(relu, z2),
         symbolic(relu, z2)),
    ),
    Formula(
        "C13", "an affine layer by one weight",
        r"\frac{\partial z^{[2]}}{\partial W^{[2]}_{ij}} = a^{[1]}_j e_i,\; (i, j) = (2, 3):\; (0, a_3, 0, 0)^{\mathsf T}",
        "4×1, for all 4×3 weights", "numerator, mixed tensor 4×4×3",
        lambda: network[2].jacobian(a1, wrt="W").tensor("mixed"),
        (entry_by_entry((4, 4, 3), lambda k, i, j: a1[j] if k == i else 0.0),
         finite_differences(lambda W: W @ a1 + b2, W2, (4, 4, 3)), symbolic(lambda W: W @ a1 + b2, W2, (4, 4, 3))),
        Slip(r"i = 4,\; j = 4:\; (0, 0, 0, a_4)^{\mathsf T}", "the second example takes an input that the layer does not have",
             lambda: weight_column(4, 4)),
    ),
    Formula(
        "C14", "the gradient of the second layer's weights",
        r"\frac{\partial L}{\partial W^{[2]}} = \left(W^{[3]\mathsf T}(a^{[3]} - y) \odot g'(z^{[2]})\right) a^{[1]\mathsf T}",
        "4×3", "denominator",
        lambda: network.gradients(x, y)["2.W"],
        (exact("the four factors, weight by weight", four_factors),
         finite_differences(loss_by_second_weights, W2, (4, 3)), symbolic(loss_by_second_weights, W2, (4, 3))),
        Slip(r"\left[(a^{[3]} - y)\,W^{[3]} \odot g(z^{[2]})\right] a^{[1]\mathsf T}",
             "g stands for g′ (shown here with W^[3] transposed; as printed, a 1×4 row meets a 4×1 column under ⊙)",
             lambda: np.outer(W3[0] * (a3 - y) * relu(z2), a1)),
    ),
)  # fmt: skip
