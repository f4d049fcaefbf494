"""Networks against the formulas of the courses, written out here entry by entry."""

import math

import numpy as np
import pytest

from backprop import MLP
from jacobians import Affine, Sigmoid, SoftmaxCrossEntropy, Tanh


def sigma(z):
    return 1 / (1 + math.exp(-z))


def sigma_slope(z):
    return sigma(z) * (1 - sigma(z))


def make(sizes, seed=7, **options):
    net = MLP.initialize(sizes, seed=seed, **options)
    rng = np.random.default_rng(seed)
    net.update({name: rng.uniform(-1, 1, value.shape) for name, value in net.parameters.items()})
    return net


# --- 2-3-2 with φ on both layers: y = φ(Wx + b), z = φ(Uy + c) -------------------------------------------


@pytest.fixture
def two_three_two():
    return make([2, 3, 2], activation="sigmoid", output_activation="sigmoid", loss="squared-error")


def scalar_gradients(W, b, U, c, x, r):
    """Every derivative of L = ½ Σ (z_i − r_i)², one number at a time, without a vector."""
    alpha = [W[i][0] * x[0] + W[i][1] * x[1] + b[i] for i in range(3)]
    y = [sigma(a) for a in alpha]
    beta = [U[i][0] * y[0] + U[i][1] * y[1] + U[i][2] * y[2] + c[i] for i in range(2)]
    z = [sigma(a) for a in beta]
    dL_dz = [z[i] - r[i] for i in range(2)]
    dL_du = [[dL_dz[i] * sigma_slope(beta[i]) * y[j] for j in range(3)] for i in range(2)]
    dL_dc = [dL_dz[i] * sigma_slope(beta[i]) for i in range(2)]
    # the error is propagated: ∂L/∂y_i = Σ_j ∂L/∂z_j · ∂z_j/∂y_i
    dL_dy = [sum(dL_dz[j] * sigma_slope(beta[j]) * U[j][i] for j in range(2)) for i in range(3)]
    dL_dw = [[dL_dy[i] * sigma_slope(alpha[i]) * x[j] for j in range(2)] for i in range(3)]
    dL_db = [dL_dy[i] * sigma_slope(alpha[i]) for i in range(3)]
    return {"0.W": dL_dw, "0.b": dL_db, "2.W": dL_du, "2.b": dL_dc}


@pytest.mark.parametrize("method", ["delta", "jacobians"])
def test_2_3_2_has_the_scalar_derivatives_of_every_weight_and_bias(two_three_two, method):
    x, r = [0.3, -1.2], [1.0, 0.25]
    W, b, U, c = (value.tolist() for value in two_three_two.parameters.values())
    expected = scalar_gradients(W, b, U, c, x, r)
    found = two_three_two.gradients(x, r, method=method)
    assert list(found) == list(expected)
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-13)


def test_2_3_2_over_a_batch_is_the_mean_of_the_scalar_derivatives(two_three_two):
    rng = np.random.default_rng(1)
    X, R = rng.standard_normal((5, 2)), rng.uniform(size=(5, 2))
    W, b, U, c = (value.tolist() for value in two_three_two.parameters.values())
    each = [scalar_gradients(W, b, U, c, x, r) for x, r in zip(X.tolist(), R.tolist(), strict=True)]
    for name, gradient in two_three_two.gradients(X, R).items():
        np.testing.assert_allclose(gradient, np.mean([g[name] for g in each], axis=0), rtol=1e-12)


def test_the_bias_of_the_first_layer_of_2_3_2_has_three_derivatives(two_three_two):
    x, r = [0.3, -1.2], [1.0, 0.25]
    first, last = two_three_two.deltas(x, r)
    assert first.shape == (3,)
    assert last.shape == (2,)
    np.testing.assert_array_equal(two_three_two.gradients(x, r)["0.b"], first)


# --- blocks in numerator layout, with the points as columns ----------------------------------------------


def test_blocks_in_numerator_layout_with_points_as_columns():
    net = make([3, 4, 2], activation="tanh", loss="squared-error")
    rng = np.random.default_rng(3)
    points, targets = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    W, b, U, c = net.parameters.values()
    X, R = points.T, targets.T  # a column a point
    Y = W @ X + b[:, None]
    Z = np.tanh(Y)
    dL_dV = (U @ Z + c[:, None] - R).T / 5  # ∂L/∂V for V = UZ + c1ᵀ, numerator layout: transposed against V
    dL_dZ = dL_dV @ U  # (∂L/∂Z)ᵀ = Uᵀ (∂L/∂V)ᵀ
    dL_dY = ((1 - np.tanh(Y) ** 2) * dL_dZ.T).T  # φ′(Y) ⊙ in place of diag(φ′(Y))
    expected = {
        "0.W": X @ dL_dY,  # ∂L/∂W = X ∂L/∂Y
        "0.b": dL_dY.sum(axis=0),  # summed over the columns of Y
        "2.W": Z @ dL_dV,
        "2.b": dL_dV.sum(axis=0),
    }
    for name, gradient in net.gradients(points, targets).items():
        np.testing.assert_allclose(gradient.T, expected[name], rtol=1e-12)
    printed = ((1 - np.tanh(Z) ** 2) * dL_dZ.T).T  # the slip: φ′(Z) for φ′(Y)
    assert np.abs(X @ printed - net.gradients(points, targets)["0.W"].T).max() > 1e-3


# --- 2-3-4-1 with a sigmoid at the end and binary cross entropy ------------------------------------------


@pytest.fixture
def two_three_four_one():
    return make(
        [2, 3, 4, 1], activation="tanh", output_activation="sigmoid", loss="binary-cross-entropy", seed=4
    )


def test_sigmoid_and_binary_cross_entropy_leave_a_minus_y(two_three_four_one):
    x = [0.4, -0.9]
    for y in (0, 1):
        a3 = two_three_four_one(x)[0]
        np.testing.assert_allclose(two_three_four_one.deltas(x, y)[-1], [a3 - y], rtol=1e-13)
        fused = MLP(
            [(layer.W, layer.b) for layer in two_three_four_one if isinstance(layer, Affine)],
            loss="sigmoid-binary-cross-entropy",
        )
        np.testing.assert_allclose(fused.deltas(x, y)[-1], [a3 - y], rtol=1e-13)


def test_the_factors_of_2_3_4_1_have_their_shapes_and_entries(two_three_four_one):
    net, x = two_three_four_one, [0.4, -0.9]
    values = net.linearize(x).values  # x, z1, a1, z2, a2, z3, a3
    a1, z2, a2 = values[2], values[3], values[4]
    np.testing.assert_array_equal(net[4].jacobian(a2).dense(), net.parameters["4.W"])  # ∂z3/∂a2: 1×4
    slope = net[3].jacobian(z2)
    assert slope.structure == "Diagonal"
    np.testing.assert_allclose(slope.dense(), np.diag(1 - np.tanh(z2) ** 2), rtol=1e-13)
    columns = net[2].jacobian(a1, wrt="W").tensor("mixed")  # ∂z2_k/∂W_ij, shape (4, 4, 3)
    np.testing.assert_array_equal(columns[:, 1, 2], [0.0, a1[2], 0.0, 0.0])
    for i in range(4):
        for j in range(3):
            np.testing.assert_array_equal(columns[:, i, j], a1[j] * np.eye(4)[i])


def test_the_weight_gradient_of_the_middle_layer_of_2_3_4_1(two_three_four_one):
    net, x, y = two_three_four_one, [0.4, -0.9], 1
    values = net.linearize(x).values
    a1, z2, a3 = values[2], values[3], values[6]
    W3 = net.parameters["4.W"]
    right = ((W3.T @ (a3 - y)) * (1 - np.tanh(z2) ** 2))[:, None] * a1[None, :]
    printed = ((W3.T @ (a3 - y)) * np.tanh(z2))[:, None] * a1[None, :]  # the slip: g for g′
    for method in ("delta", "jacobians"):
        found = net.gradients(x, y, method=method)["2.W"]
        assert found.shape == (4, 3)
        np.testing.assert_allclose(found, right, rtol=1e-12)
        assert np.abs(found - printed).max() > 1e-3


# --- the δ recursion with the bias folded into Θ ---------------------------------------------------------


def test_recursion_with_folded_biases_layer_by_layer():
    net = make([3, 4, 3, 2], activation="sigmoid", output_activation="sigmoid", loss="squared-error")
    x, y = np.array([0.2, -0.5, 1.0]), np.array([1.0, 0.0])
    thetas = [np.column_stack([layer.b, layer.W]) for layer in net if isinstance(layer, Affine)]
    s = np.vectorize(sigma)
    slope = np.vectorize(sigma_slope)
    hats, zs, a = [], [], x
    for theta in thetas:  # â = [1; a], z = Θâ, a = σ(z)
        hats.append(np.concatenate([[1.0], a]))
        zs.append(theta @ hats[-1])
        a = s(zs[-1])
    np.testing.assert_allclose(net(x), a, rtol=1e-13)
    deltas = [(a - y) * slope(zs[-1])]
    for theta, z in zip(thetas[:0:-1], zs[-2::-1], strict=True):  # without Θ's bias column
        deltas.insert(0, (theta[:, 1:].T @ deltas[0]) * slope(z))
    for found, expected in zip(net.deltas(x, y), deltas, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    gradients = net.gradients(x, y)
    for place, delta, hat, theta in zip(net.affine_places, deltas, hats, thetas, strict=True):
        by_theta = np.outer(delta, hat)  # ∂E/∂Θ = δ âᵀ, in the shape of Θ
        assert by_theta.shape == theta.shape
        np.testing.assert_allclose(gradients[f"{place}.b"], by_theta[:, 0], rtol=1e-12)
        np.testing.assert_allclose(gradients[f"{place}.W"], by_theta[:, 1:], rtol=1e-12)


def test_delta_says_how_much_a_change_of_z_influences_the_loss():
    net = make([3, 4, 2], activation="tanh")
    x, label = np.array([0.2, -0.5, 1.0]), 1
    direction = np.array([0.3, -0.2, 0.5, 0.1])
    z, delta = net[0](x), net.deltas(x, label)[0]

    def energy(z):
        return float(SoftmaxCrossEntropy(label)(net[2](np.tanh(z))))

    remainders = [
        abs(energy(z + step * direction) - energy(z) - step * delta @ direction) for step in (1e-2, 1e-3)
    ]
    assert remainders[0] / remainders[1] == pytest.approx(100, rel=0.1)  # the remainder falls as ‖Δz‖²


def test_deltas_of_a_batch_are_those_of_its_points():
    net = make([3, 4, 2], activation="tanh")
    X, y = np.random.default_rng(2).standard_normal((5, 3)), [0, 1, 1, 0, 1]
    batch = net.deltas(X, y)
    assert [delta.shape for delta in batch] == [(5, 4), (5, 2)]
    for place, (x, label) in enumerate(zip(X, y, strict=True)):
        for of_all, of_one in zip(batch, net.deltas(x, label), strict=True):
            np.testing.assert_allclose(of_all[place], of_one, rtol=1e-12, atol=1e-16)


def test_delta_of_logits_under_softmax_cross_entropy_is_p_minus_r():
    net = make([3, 4, 3], activation="tanh")
    x, r = [0.2, -0.5, 1.0], np.array([0.2, 0.5, 0.3])
    p = np.exp(net(x)) / np.exp(net(x)).sum()
    np.testing.assert_allclose(net.deltas(x, r)[-1], p - r, rtol=1e-12)
    unfused = MLP(
        [(layer.W, layer.b) for layer in net if isinstance(layer, Affine)],
        output_activation="softmax",
        loss="cross-entropy",
    )
    np.testing.assert_allclose(unfused.deltas(x, r)[-1], p - r, rtol=1e-12)


def test_delta_of_logits_stays_finite_at_1000():
    net = MLP([(np.array([[1000.0], [-1000.0]]), None)])
    np.testing.assert_array_equal(net.deltas([1.0], 1)[0], [1.0, -1.0])
    np.testing.assert_array_equal(net.deltas([1.0], 0)[0], [0.0, 0.0])


def test_squared_losses_have_the_scalings_of_the_courses():
    rng = np.random.default_rng(6)
    X, Y = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    for loss, factor in (("squared-error", 0.5), ("squared-distance", 1.0), ("mean-squared-error", 0.5)):
        net = make([3, 4, 2], loss=loss)  # 1/(2m) Σ‖f − y‖², 1/N Σ‖F − y‖², and the mean over the 2 outputs
        total = sum(float((net(x) - y) @ (net(x) - y)) for x, y in zip(X, Y, strict=True))
        assert net.loss(X, Y) == pytest.approx(factor * total / 4, rel=1e-13)


def test_activations_are_on_the_last_layer_only_when_asked():
    last_affine = MLP.initialize([2, 3, 1], activation="sigmoid", loss="squared-error")
    both = MLP.initialize([2, 3, 1], activation=Tanh(), output_activation=Sigmoid(), loss="squared-error")
    assert isinstance(last_affine[len(last_affine) - 1], Affine)
    assert isinstance(both[len(both) - 1], Sigmoid)
