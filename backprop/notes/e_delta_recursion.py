"""Notes E: the δ recursion, with the biases folded into Θ, and gradient descent with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import verification
from backprop.learning.network import MLP
from backprop.learning.training import fit
from backprop.notes.formula import Array, Formula, Slip
from backprop.notes.witnesses import exact, finite_differences, symbolic
from jacobians import (
    AddUnit,
    Affine,
    AugmentedAffine,
    DropUnit,
    PassUnit,
    Reshape,
    Sequential,
    Sigmoid,
    SquaredError,
)

_RANDOM = np.random.default_rng(2016)
SIZES = (2, 4, 2, 2)
"""s_1, …, s_L with L = 4."""
thetas = [0.8 * _RANDOM.standard_normal((rows, columns + 1)) for columns, rows in pairwise(SIZES)]
"""Θ^(1), Θ^(2), Θ^(3), each with the bias in its first column."""
x, y = np.array([0.7, -1.2]), np.array([0.1, 0.9])
X, Y = _RANDOM.standard_normal((5, 2)), _RANDOM.uniform(size=(5, 2))
ETA = 0.5
flat = np.concatenate([theta.ravel() for theta in thetas])


# --- the same network four times: the toolkit's two, plain NumPy, and number by number -------------------


def network() -> MLP:
    """Return h as a multilayer perceptron, new each time because training changes it."""
    layers = [(theta[:, 1:], theta[:, 0]) for theta in thetas]
    return MLP(layers, activation="sigmoid", output_activation="sigmoid", loss="squared-error")


augmented = Sequential(*(function for theta in thetas for function in (AugmentedAffine(theta), Sigmoid())))
"""h with the bias folded into Θ."""
error = SquaredError(y, scale=0.5)
"""E = ½‖y − h‖²."""


def carrying_the_unit() -> Sequential:
    """Return h on vectors [1; a], whose unit goes through every layer unactivated."""
    steps = [f for theta in thetas for f in (AugmentedAffine(theta, carry_unit=True), PassUnit(Sigmoid()))]
    return Sequential(AddUnit(), *steps, DropUnit())


def sigma(z: Any) -> Any:
    """Return the sigmoid in its text book form."""
    return 1 / (1 + np.exp(-z))


def plain_rest(level: int, z: Any, matrices: Sequence[Any] = thetas) -> Any:
    """Return h as a function of z^(level), in plain NumPy: σ, and the layers above."""
    a = sigma(z)
    for theta in matrices[level - 1 :]:
        a = sigma(theta[:, 1:] @ a + theta[:, 0])
    return a


def plain_error(level: int) -> Callable[[Any], Any]:
    """Return E as a function of z^(level)."""

    def value(z: Any) -> Any:
        difference = y - plain_rest(level, z)
        return (difference * difference).sum() / 2

    return value


def plain_error_of_thetas(point: Array, target: Array) -> Callable[[Any], Any]:
    """Return E of one point as a function of all entries of Θ^(1), …, Θ^(3) in one vector."""

    def value(entries: Any) -> Any:
        matrices = as_matrices(entries)
        first = matrices[0]
        difference = target - plain_rest(2, first[:, 1:] @ point + first[:, 0], matrices)
        return (difference * difference).sum() / 2

    return value


def plain_mean_error(entries: Any) -> Any:
    """Return L(Θ), the mean of E over the five points."""
    total = 0
    for point, target in zip(X, Y, strict=True):
        total = total + plain_error_of_thetas(point, target)(entries)
    return total / 5


def as_matrices(entries: Any) -> list[Any]:
    """Return all entries of Θ^(1), …, Θ^(3) as these matrices."""
    ends = np.cumsum([theta.size for theta in thetas])
    return [
        entries[end - theta.size : end].reshape(theta.shape) for theta, end in zip(thetas, ends, strict=True)
    ]


class Steps(NamedTuple):
    """The five steps of back propagation at one point, as lists of numbers; level l is at place l − 1 or l − 2.

    Examples
    --------
    >>> [len(delta) for delta in number_by_number(x, y).deltas]
    [4, 2, 2]
    """

    hats: list[list[float]]
    zs: list[list[float]]
    output: list[float]
    deltas: list[list[float]]
    gradients: list[list[list[float]]]

    @property
    def flat(self) -> Array:
        """All gradients in one vector."""
        return np.array([value for matrix in self.gradients for row in matrix for value in row])


def number_by_number(point: Array, target: Array, matrices: Sequence[Array] = thetas) -> Steps:
    """Do the five steps with scalars alone: input, forward, output error, backward, gradients."""
    weights = [matrix.tolist() for matrix in matrices]
    a, hats, zs = point.tolist(), [], []
    for theta in weights:
        hats.append([1.0, *a])
        zs.append([sum(w * v for w, v in zip(row, hats[-1], strict=True)) for row in theta])
        a = [1 / (1 + math.exp(-z)) for z in zs[-1]]
    deltas = [[(a[i] - target[i]) * a[i] * (1 - a[i]) for i in range(len(a))]]
    for theta, hat in zip(weights[:0:-1], hats[:0:-1], strict=True):
        above = deltas[0]
        deltas.insert(0, [
            sum(theta[j][i + 1] * above[j] for j in range(len(above))) * hat[i + 1] * (1 - hat[i + 1])
            for i in range(len(hat) - 1)
        ])  # fmt: skip
    gradients = [[[d * v for v in hat] for d in delta] for delta, hat in zip(deltas, hats, strict=True)]
    return Steps(hats, zs, a, deltas, gradients)


of_point = number_by_number(x, y)


# --- what the toolkit gives ------------------------------------------------------------------------------


def values_of_h() -> list[Array]:
    """Return h(x) of the perceptron, of folded biases, and of vectors that carry the unit."""
    return [network()(x), augmented(x), carrying_the_unit()(x)]


def both_deltas(*levels: int) -> Array:
    """Return δ of some levels twice: by the recursion, and as the Jacobian of E by z in denominator layout."""
    net = network()
    by_recursion, zs = net.deltas(x, y), net.linearize(x).values[1::2]
    rows = []
    for level in levels:
        above = Sequential(*net.layers[2 * level - 3 :], error)
        rows.append((by_recursion[level - 2], above.jacobian(zs[level - 2]).tensor("denominator")))
    return np.array([np.concatenate(row) for row in zip(*rows, strict=True)])


def expected_deltas(find: Callable[[int], Any], *levels: int) -> Array:
    """Return the same from a function of the level, one δ after the other."""
    return np.array([np.concatenate([np.ravel(find(level)) for level in levels])] * 2)


def by_differences(level: int) -> Any:
    """Return δ^(level) by finite differences of E by z^(level)."""
    return finite_differences(plain_error(level), np.array(of_point.zs[level - 2])).value()


def by_symbols(level: int) -> Any:
    """Return δ^(level) by symbolic differentiation of E by z^(level)."""
    return symbolic(plain_error(level), np.array(of_point.zs[level - 2])).value()


def by_numbers(level: int) -> Any:
    """Return δ^(level) of the recursion with scalars."""
    return of_point.deltas[level - 2]


def theta_jacobians() -> list[Array]:
    """Return ∂E/∂Θ of all layers through the chain, in denominator layout, and from the notes' transposes."""
    chain = Sequential(augmented, error)
    jacobians = [chain.jacobian(x, wrt=f"0.{2 * place}.Theta") for place in range(3)]
    shaped = [J.tensor("denominator") for J in jacobians]
    transposed = [J.tensor("numerator").T for J in jacobians]
    return [np.concatenate([matrix.ravel() for matrix in matrices]) for matrices in (shaped, transposed)]


def folded(parameters: Any) -> Array:
    """Return W and b of every layer as the entries of Θ^(1), …, Θ^(3) in one vector."""
    pairs = [(parameters[f"{place}.b"], parameters[f"{place}.W"]) for place in (0, 2, 4)]
    return np.concatenate([np.column_stack(pair).ravel() for pair in pairs])


def batch_gradients() -> list[Array]:
    """Return ∂L/∂Θ over five points by the δ recursion and by the explicit chain."""
    net = network()
    return [folded(net.gradients(X, Y)), folded(net.gradients(X, Y, method="jacobians"))]


def five_steps(point: Array, target: Array) -> Array:
    """Do the five steps as they are printed, in plain NumPy; return all gradients in one vector."""
    a, hats, zs = point, [], []  # i) input
    for theta in thetas:  # ii) forward
        hats.append(np.concatenate([[1.0], a]))
        zs.append(theta @ hats[-1])
        a = sigma(zs[-1])
    delta = (a - target) * a * (1 - a)  # iii) output error
    gradients = [np.outer(delta, hats[-1])]
    for theta, z, hat in zip(thetas[:0:-1], zs[-2::-1], hats[-2::-1], strict=True):
        delta = (theta.T @ delta)[1:] * sigma(z) * (1 - sigma(z))  # iv) backward
        gradients.insert(0, np.outer(delta, hat))  # v) gradients
    return np.concatenate([gradient.ravel() for gradient in gradients])


def trained() -> list[Array]:
    """Return all entries of Θ after a step with one point, and after an epoch of mini-batches of two points."""
    single, batches = network(), network()
    fit(single, X[:1], Y[:1], epochs=1, learning_rate=ETA, batch_size=1)
    fit(batches, X, Y, epochs=1, learning_rate=ETA, batch_size=2, seed=3)
    return [folded(single.parameters), folded(batches.parameters)]


def descended(gradient: Callable[[Array, list[int]], Array]) -> list[Array]:
    """Return the same from the mean gradient of some points at some Θ; the order of an epoch is that of its seed."""
    single = flat - ETA * gradient(flat, [0])
    order = np.random.default_rng([3, 1]).permutation(5).tolist()
    entries = flat
    for batch in (order[:2], order[2:4], order[4:]):
        entries = entries - ETA * gradient(entries, batch)
    return [single, entries]


def mean_of_numbers(entries: Array, batch: list[int]) -> Array:
    """Return the mean of δ âᵀ over some points, number by number."""
    matrices = as_matrices(entries)
    return np.mean([number_by_number(X[i], Y[i], matrices).flat for i in batch], axis=0)


def mean_of_differences(entries: Array, batch: list[int]) -> Array:
    """Return the mean of ∂E/∂Θ over some points by finite differences."""
    each = [
        verification.finite_difference_jacobian(plain_error_of_thetas(X[i], Y[i]), entries)[0] for i in batch
    ]
    return np.mean(each, axis=0)


def printed_update() -> list[Array]:
    """Do Θ − η â δᵀ as it is printed.

    Raises
    ------
    ValueError
        For the shapes.
    """
    after = []
    for theta, delta, hat in zip(thetas, of_point.deltas, of_point.hats, strict=True):
        step = np.outer(hat, delta)
        if step.shape != theta.shape:
            (h, d), (p, q) = theta.shape, step.shape
            raise ValueError(f"Θ is {h}×{d}, â δᵀ is {p}×{q}")
        after.append(theta - ETA * step)
    return after


# --- E6 and E9 -------------------------------------------------------------------------------------------

u0 = 0.8
weight, shift = np.array([[1.5], [-0.5], [0.3]]), np.array([0.1, 0.4, -0.2])
goal = np.array([0.2, 0.5, 0.3])
inner, outer = Sequential(Reshape((1,)), Affine(weight, shift), Sigmoid()), SquaredError(goal, scale=0.5)
"""g: R → R³ and f: R³ → R."""


def plain_composition(u: Any) -> Any:
    """Return h(u) = f(g(u)) in plain NumPy."""
    difference = sigma(weight[:, 0] * u + shift) - goal
    return (difference * difference).sum() / 2


def inner_product() -> float:
    """Return ⟨∇f(z_0), g′(u_0)⟩ with scalars."""
    z = [1 / (1 + math.exp(-(weight[i, 0] * u0 + shift[i]))) for i in range(3)]
    return sum((z[i] - goal[i]) * (z[i] * (1 - z[i]) * weight[i, 0]) for i in range(3))


def remainder_orders(find: Callable[[int], Any]) -> list[float]:
    """Return, for each δ, the slope of log |E(z + hv) − E(z) − h δᵀv| against log h: 2 for the right δ, else 1."""
    steps, slopes = (1e-2, 1e-3), []
    for level in (2, 3, 4):
        E, z, delta = plain_error(level), np.array(of_point.zs[level - 2]), np.ravel(find(level))
        v = np.linspace(1.0, -0.5, z.size)
        rests = [abs(float(E(z + h * v) - E(z) - h * (delta @ v))) for h in steps]
        slopes.append(math.log(rests[0] / rests[1]) / math.log(steps[0] / steps[1]))
    return slopes


def by_recursion(level: int) -> Array:
    """Return δ^(level) from the toolkit."""
    return network().deltas(x, y)[level - 2]


FORMULAS: tuple[Formula, ...] = (
    Formula(
        "E1", "a network with its biases in Θ",
        r"\hat a = \begin{bmatrix} 1 \\ a \end{bmatrix},\; z^{(l+1)} = \Theta^{(l)} \hat a^{(l)},\; a = \sigma(z),\;"
        r" \Theta^{(l)} \in \mathbb{R}^{s_{l+1} \times (s_l + 1)}", "Θ 4×3, 2×5, 2×3", "–",
        values_of_h,
        (exact("plain NumPy", lambda: [plain_rest(2, thetas[0] @ np.array([1.0, *x]))] * 3),
         exact("number by number", lambda: [of_point.output] * 3)),
    ),
    Formula(
        "E2", "the loss", r"L(\Theta) = \frac1m \sum_i E^{(i)},\; E = \tfrac12 \lVert y - h(x) \rVert^2", "scalar", "–",
        lambda: [network().loss(X, Y), float(np.mean(SquaredError(Y, scale=0.5)(augmented(X, batched=True), batched=True)))],
        (exact("plain NumPy", lambda: [plain_mean_error(flat)] * 2),
         exact("number by number", lambda: [sum(
             (target[k] - number_by_number(point, target).output[k]) ** 2 / 2
             for point, target in zip(X, Y, strict=True) for k in range(2)
         ) / 5] * 2)),
    ),
    Formula(
        "E3", "the error of a layer, and of the output",
        r"\delta^{(l)} := \partial E/\partial z^{(l)},\; \delta^{(L)} = \nabla_a E \odot \sigma'(z^{(L)})",
        "δ³ and δ⁴, 2 each", "denominator",
        lambda: both_deltas(3, 4),
        (exact("finite differences", lambda: expected_deltas(by_differences, 3, 4), 1e-6),
         exact("symbolic", lambda: expected_deltas(by_symbols, 3, 4), 1e-9),
         exact("number by number", lambda: expected_deltas(by_numbers, 3, 4))),
        Slip(r"\delta^{(l)} = \partial E/\partial z^{(l+1)}", "that is the error of the layer above; here δ³ becomes δ⁴",
             lambda: expected_deltas(by_numbers, 4, 4)),
    ),
    Formula(
        "E4", "the recursion", r"\delta^{(l)} = \left((\Theta^{(l)})^{\mathsf T} \delta^{(l+1)}\right) \odot \sigma'(z^{(l)})",
        "δ² 4, δ³ 2; Θ without its bias column", "denominator",
        lambda: both_deltas(2, 3),
        (exact("finite differences", lambda: expected_deltas(by_differences, 2, 3), 1e-6),
         exact("symbolic", lambda: expected_deltas(by_symbols, 2, 3), 1e-9),
         exact("number by number", lambda: expected_deltas(by_numbers, 2, 3))),
    ),
    Formula(
        "E5", "the gradient by the parameters",
        r"\partial E/\partial\Theta^{(l)} = \delta^{(l+1)} (\hat a^{(l)})^{\mathsf T},\; \text{transposed in numerator layout}",
        "4×3, 2×5, 2×3", "denominator and numerator",
        theta_jacobians,
        (exact("finite differences", lambda: [finite_differences(plain_error_of_thetas(x, y), flat).value()[0]] * 2, 1e-6),
         exact("symbolic", lambda: [symbolic(plain_error_of_thetas(x, y), flat).value()[0]] * 2, 1e-9),
         exact("number by number", lambda: [of_point.flat] * 2)),
    ),
    Formula(
        "E6", "the derivative along a curve", r"h = f \circ g:\; h'(u_0) = \langle \nabla f(z_0),\, g'(u_0) \rangle", "1×1", "numerator",
        lambda: np.stack([
            Sequential(inner, outer).jacobian(u0).dense(), (outer.jacobian(inner(u0)) @ inner.jacobian(u0)).dense(),
        ]),
        (finite_differences(lambda u: np.stack([plain_composition(u)] * 2), u0, (2, 1, 1)),
         symbolic(lambda u: np.stack([plain_composition(u)] * 2), u0, (2, 1, 1)),
         exact("inner product with scalars", lambda: [[[inner_product()]]] * 2)),
    ),
    Formula(
        "E7", "back propagation in five steps",
        r"\hat a^{(1)};\; z^{(l+1)} = \Theta^{(l)} \hat a^{(l)};\; \delta^{(L)};\; \delta^{(l)};\; \partial E/\partial\Theta^{(l)}",
        "4×3, 2×5, 2×3, mean of 5 points", "denominator",
        batch_gradients,
        (exact("the five steps in plain NumPy", lambda: [np.mean([five_steps(p, q) for p, q in zip(X, Y, strict=True)], axis=0)] * 2),
         exact("finite differences", lambda: [finite_differences(plain_mean_error, flat).value()[0]] * 2, 1e-6),
         exact("number by number", lambda: [mean_of_numbers(flat, list(range(5)))] * 2)),
    ),
    Formula(
        "E8", "stochastic gradient descent and mini-batches",
        r"\Theta^{(l)} \leftarrow \Theta^{(l)} - \eta\, \delta^{(l+1)} (\hat a^{(l)})^{\mathsf T}", "4×3, 2×5, 2×3", "denominator",
        trained,
        (exact("number by number", lambda: descended(mean_of_numbers)),
         exact("finite differences", lambda: descended(mean_of_differences), 1e-6)),
        Slip(r"\Theta^{(l)} - \eta\, \hat a^{(l)} (\delta^{(l+1)})^{\mathsf T}",
             "â δᵀ has the shape of Θᵀ and can't be subtracted from Θ", printed_update),
    ),
    Formula(
        "E9", "what δ means", r"E(z + \Delta z) \approx E(z) + \delta^{\mathsf T} \Delta z", "order 2 for δ², δ³, δ⁴", "denominator",
        lambda: remainder_orders(by_recursion),
        (exact("Taylor's theorem", lambda: [2.0, 2.0, 2.0], 0.05),
         exact("the same with the symbolic δ", lambda: remainder_orders(by_symbols), 1e-3)),
    ),
)  # fmt: skip
