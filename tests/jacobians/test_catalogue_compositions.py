"""Several paths, shared weights, structure in large compositions, and derivatives of every shape."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from differences import differences as slopes
from numpy.testing import assert_allclose, assert_array_equal

import jacobians as jb
from jacobians import Function
from jacobians.structures import Dense

RANDOM = np.random.default_rng(11)
W, U = RANDOM.normal(size=(3, 3)), RANDOM.normal(size=(3, 3))
X = RANDOM.normal(size=3)


# --- parameters and shared weights -----------------------------------------------------------------------


def test_parameters_are_named_by_place() -> None:
    net = jb.Sequential(
        jb.Residual(jb.Sequential(jb.Affine(W, X), jb.Tanh())),
        jb.Sum(jb.Affine(W), jb.LayerNorm(gamma=X)),
        jb.Concatenate(jb.LinearMap(W), jb.Maximum(X)),
    )
    names = ["0.0.0.W", "0.0.0.b", "1.0.W", "1.1.gamma", "2.0.A", "2.1.y"]
    assert list(net.parameters) == names
    assert net.parameter_count == 9 + 3 + 9 + 3 + 9 + 3
    for name in names:
        J = net.jacobian(X, wrt=name)
        assert J.in_shape == net.parameters[name].shape
        expected = slopes(lambda value, name=name: net.replace({name: value})(X), net.parameters[name])
        assert_allclose(J.dense(), expected, atol=1e-8)


def test_a_layer_in_several_places_has_one_set_of_parameters() -> None:
    layer = jb.Affine(W, X)
    net = jb.Sequential(jb.Residual(layer), jb.Tanh(), jb.Product(layer, jb.Sum(layer, jb.Sigmoid())), layer)
    assert list(net.parameters) == ["0.0.W", "0.0.b"]
    for name in net.parameters:
        expected = slopes(lambda value, name=name: net.replace({name: value})(X), net.parameters[name])
        assert_allclose(net.jacobian(X, wrt=name).dense(), expected, rtol=1e-6, atol=1e-6)


def test_contributions_of_two_places_add_up() -> None:
    # f(W) = W tanh(W x): the total derivative is the sum of the partial ones by either W
    once = jb.Sequential(jb.Affine(W), jb.Tanh(), jb.Affine(W))
    layer = jb.Affine(W)
    twice = jb.Sequential(layer, jb.Tanh(), layer)
    expected = once.jacobian(X, wrt="0.W").dense() + once.jacobian(X, wrt="2.W").dense()
    assert_allclose(twice.jacobian(X, wrt="0.W").dense(), expected, rtol=1e-14)


def test_replaced_layers_that_were_one_stay_one() -> None:
    layer = jb.Affine(W)
    block = jb.Residual(layer)
    net = jb.Sequential(block, jb.Sum(layer, block), layer)
    other = net.replace({"0.0.W": U})
    leaves = [other[0][0], other[1][0], other[1][1][0], other[2]]
    assert all(leaf is leaves[0] for leaf in leaves)
    assert other[1][1] is other[0]
    assert_array_equal(leaves[0].W, U)
    assert_array_equal(net.parameters["0.0.W"], W)
    assert other.jacobian(X, wrt="0.0.W").shape == (3, 9)


def test_equal_layers_that_are_two_objects_are_not_shared() -> None:
    assert list(jb.Sequential(jb.Affine(W), jb.Affine(W)).parameters) == ["0.W", "1.W"]


def test_total_derivative_of_several_paths() -> None:
    # ∂f/∂x_j = Σ_k ∂f/∂g_k · ∂g_k/∂x_j: f(g₁, g₂, g₃) with three functions of x
    outer = RANDOM.normal(size=(1, 9))
    net = jb.Sequential(
        jb.Concatenate(jb.Tanh(), jb.Affine(W), jb.Residual(jb.Sigmoid())), jb.LinearMap(outer)
    )
    sigmoid = 1 / (1 + np.exp(-X))
    expected = (
        outer[:, :3] @ np.diag(1 - np.tanh(X) ** 2)
        + outer[:, 3:6] @ W
        + outer[:, 6:] @ (np.eye(3) + np.diag(sigmoid * (1 - sigmoid)))
    )
    assert_allclose(net.jacobian(X).dense(), expected, rtol=1e-13)


def test_product_with_a_factor_that_is_0() -> None:
    # (x − 1)(x + 1) at 1: not value/factor, which would be 0/0
    f = jb.Product(jb.Affine(np.eye(2), [-1.0, -1.0]), jb.Affine(np.eye(2), [1.0, 1.0]))
    assert_array_equal(f.jacobian([1.0, 2.0]).dense(), np.diag([2.0, 4.0]))


# --- structure in large compositions ---------------------------------------------------------------------


def test_style_loss_of_a_large_layer_makes_no_large_matrix() -> None:
    # ∂G/∂F would have 300²·300·200 entries, 43 GB; the factors have 2·300·200, the answer 300·200
    F = RANDOM.normal(size=(300, 200))
    target = RANDOM.normal(size=(300, 300))
    loss = jb.GramLoss(target)
    factors = loss.chain(F)
    assert [factor.structure for factor in factors] == ["Dense", "BlockRow", "BlockColumn"]
    assert sum(factor.storage for factor in factors) <= 300 * 300 + 2 * 300 * 200 + 300 * 200
    D = F @ F.T - target
    assert_allclose(loss.jacobian(F).tensor("denominator"), 2 * (D + D.T) @ F, rtol=1e-10, atol=1e-7)
    with pytest.raises(jb.MemoryBudgetError, match="keep the factors apart"):
        jb.Gram().jacobian(F)


def test_style_loss_with_a_symmetric_target() -> None:
    F, target = RANDOM.normal(size=(3, 2)), W + W.T
    found = jb.GramLoss(target).jacobian(F).tensor("denominator")
    assert_allclose(found, 4 * (F @ F.T - target) @ F, rtol=1e-13)
    columns = jb.GramLoss(target, columns=True).jacobian(F.T).tensor("denominator")
    assert_allclose(columns, found.T, rtol=1e-13)


def test_kronecker_products_stay_factors() -> None:
    A, B = RANDOM.normal(size=(300, 400)), RANDOM.normal(size=(500, 200))
    Y = RANDOM.normal(size=(400, 500))
    f = jb.LinearMap(A, B)
    assert f.jacobian(Y).storage == A.size + B.size
    assert f.jacobian(Y, wrt="A").storage == 400 * 200
    direction = RANDOM.normal(size=Y.shape)
    assert_allclose(f.jacobian(Y).directional(direction), A @ direction @ B, rtol=1e-9, atol=1e-9)
    J = jb.Inverse().jacobian(RANDOM.normal(size=(200, 200)))
    assert (J.structure, J.storage) == ("Kronecker", 2 * 200 * 200)
    assert jb.QuadraticForm(np.eye(3000)).jacobian(np.ones(3000), wrt="A").storage == 6000


def test_weight_gradient_behind_a_carried_unit_stays_a_product() -> None:
    net = jb.Sequential(
        jb.AddUnit(),
        jb.AugmentedAffine(RANDOM.normal(size=(20, 31)), carry_unit=True),
        jb.PassUnit(jb.Tanh()),
        jb.AugmentedAffine(RANDOM.normal(size=(4, 21)), carry_unit=True),
        jb.DropUnit(),
        jb.SquaredError(np.zeros(4)),
    )
    J = net.jacobian(RANDOM.normal(size=30), wrt="1.Theta")
    assert (J.structure, J.storage) == ("Kronecker", 20 + 31)


def test_selections_of_a_large_image_store_places_only() -> None:
    image = RANDOM.normal(size=(512, 512))
    J = jb.MaxPool(2).jacobian(image)
    assert J.storage == 256 * 256
    assert_array_equal(J.matvec(image.ravel()).reshape(256, 256), jb.MaxPool(2)(image))


def test_diagonal_terms_stay_diagonal() -> None:
    f = jb.Sum(jb.Tanh(), jb.Product(jb.Sigmoid(), jb.Softplus()), jb.Residual(jb.SiLU()))
    J = f.jacobian(RANDOM.normal(size=10_000))
    assert (J.structure, J.storage) == ("Diagonal", 10_000)
    normalized = jb.Residual(jb.LayerNorm()).jacobian(RANDOM.normal(size=10_000))
    assert (normalized.structure, normalized.spec.rank) == ("DiagonalPlusLowRank", 2)


# --- the bias folded into the matrix ---------------------------------------------------------------------


def test_augmented_layers_are_affine_layers() -> None:
    b, c = RANDOM.normal(size=3), RANDOM.normal(size=3)
    plain = jb.Sequential(jb.Affine(W, b), jb.Sigmoid(), jb.Affine(U, c))
    folded = jb.Sequential(
        jb.AugmentedAffine.from_affine(W, b), jb.Sigmoid(), jb.AugmentedAffine.from_affine(U, c)
    )
    carried = jb.Sequential(
        jb.AddUnit(),
        jb.AugmentedAffine.from_affine(W, b, carry_unit=True),
        jb.PassUnit(jb.Sigmoid()),
        jb.AugmentedAffine.from_affine(U, c, carry_unit=True),
        jb.DropUnit(),
    )
    for net in (folded, carried):
        assert_allclose(net(X), plain(X), rtol=1e-14)
        assert_allclose(net.jacobian(X).dense(), plain.jacobian(X).dense(), rtol=1e-12)
    by_theta = folded.jacobian(X, wrt="0.Theta").tensor("mixed")
    assert_allclose(by_theta[..., 1:], plain.jacobian(X, wrt="0.W").tensor("mixed"), rtol=1e-12)
    assert_allclose(by_theta[..., 0], plain.jacobian(X, wrt="0.b").tensor("mixed"), rtol=1e-12)


def test_augmented_matrix_is_the_one_of_the_course() -> None:
    layer = jb.AugmentedAffine.from_affine([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], carry_unit=True)
    assert_array_equal(layer.augmented, [[1, 0, 0], [5, 1, 2], [6, 3, 4]])
    x = np.array([1.0, 10.0, 100.0])
    assert_array_equal(layer.augmented @ x, layer(x))
    assert_array_equal(layer.jacobian(x).dense(), layer.augmented)


def test_an_activation_of_the_unit_loses_the_bias() -> None:
    layer = jb.AugmentedAffine.from_affine(W, X, carry_unit=True)
    x = np.array([1.0, 0.3, -0.2, 0.5])
    assert jb.Sequential(layer, jb.PassUnit(jb.Sigmoid()))(x)[0] == 1.0
    assert_allclose(jb.Sequential(layer, jb.Sigmoid())(x)[0], 1 / (1 + np.exp(-1.0)))


# --- derivatives of every shape --------------------------------------------------------------------------


class Rotation(Function):
    """A matrix by a scalar: t ↦ [[cos t, −sin t], [sin t, cos t]]."""

    def forward(self, x: Any) -> Any:
        return np.stack([np.stack([np.cos(x), -np.sin(x)]), np.stack([np.sin(x), np.cos(x)])])

    def derivative(self, x: Any, wrt: str = "input") -> Dense:
        entries = np.array([[-np.sin(x)], [-np.cos(x)], [np.cos(x)], [-np.sin(x)]])
        return Dense(entries, out_shape=(2, 2), in_shape=())


def test_matrix_by_scalar() -> None:
    J = Rotation().jacobian(0.3)
    expected = [[-np.sin(0.3), -np.cos(0.3)], [np.cos(0.3), -np.sin(0.3)]]
    assert (J.shape, J.out_shape, J.in_shape) == ((4, 1), (2, 2), ())
    assert_allclose(J.tensor(), expected)
    assert_allclose(J.tensor("mixed"), expected)
    assert_allclose(J.directional(2.0), 2 * np.array(expected))
    batch = Rotation().jacobian([0.3, 0.4], batched=True)
    assert (batch.batch_shape, batch.tensor().shape) == ((2,), (2, 2, 2))
    assert_allclose(batch.tensor()[0], expected)


def test_scalar_by_scalar_along_a_curve() -> None:
    # h = f∘g, g: R → R⁴, f: R⁴ → R: h' = ⟨∇f(z₀), g'(u₀)⟩
    h = jb.Sequential(Rotation(), jb.Flatten(), jb.LinearMap([[1.0, 2.0, 3.0, 4.0]]), jb.Reshape(()))
    J = h.jacobian(0.3)
    assert (J.shape, J.tensor().shape) == ((1, 1), ())
    assert_allclose(J.tensor(), -5 * np.sin(0.3) + np.cos(0.3))


def test_scalar_by_matrix_is_transposed_in_numerator_layout() -> None:
    A, Z, Y = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(3, 2))
    J = jb.Trace(A).jacobian(Z)
    assert_array_equal(J.tensor("numerator"), A)
    assert_array_equal(J.tensor("denominator"), A.T)
    assert_array_equal(J.tensor("mixed"), A.T)
    # ∇_Y f = tr(∂f/∂X · Y)
    assert_allclose(J.directional(Y), np.trace(J.tensor("numerator") @ Y), rtol=1e-13)


def test_vector_by_matrix_stacks_transposed_slices() -> None:
    f = jb.Sequential(jb.LinearMap(RANDOM.normal(size=(1, 3)), RANDOM.normal(size=(2, 4))), jb.Flatten())
    A, B = (f[0].parameters[name] for name in "AB")
    T = f.jacobian(RANDOM.normal(size=(3, 2))).tensor("numerator")
    assert T.shape == (4, 2, 3)
    for i in range(4):
        assert_allclose(T[i], np.outer(B[:, i], A[0]))  # slice i as the transposed (∂y_i/∂X)


def test_matrix_by_matrix_in_both_vec_orders() -> None:
    A, B, Z = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(4, 5)), RANDOM.normal(size=(3, 4))
    J = jb.LinearMap(A, B).jacobian(Z)
    assert_allclose(J.matrix(), np.kron(A, B.T), rtol=1e-15)
    assert_allclose(J.matrix(vec="column"), np.kron(B.T, A), rtol=1e-15)
    assert J.tensor("numerator").shape == (2, 5, 4, 3)
    assert J.tensor("denominator").shape == (3, 4, 5, 2)
    assert_allclose(J.tensor("mixed"), np.einsum("ik,lj->ijkl", A, B), rtol=1e-15)


def test_transpose_twice_is_the_identity() -> None:
    f = jb.Sequential(jb.Transpose(), jb.Transpose())
    J = f.jacobian(RANDOM.normal(size=(4, 3)))
    assert_array_equal(J.dense(), np.eye(12))
    assert J.structure == "Selection"


def test_derivatives_of_compositions_of_matrix_functions() -> None:
    Z = RANDOM.normal(size=(3, 3)) + 3 * np.eye(3)
    inverse = np.linalg.inv(Z)
    # tr(X⁻¹): −(X⁻²)ᵀ; det(XᵀX) = det(X)²; log|det X⁻¹| = −log|det X|
    found = jb.Sequential(jb.Inverse(), jb.Trace()).jacobian(Z).tensor("denominator")
    assert_allclose(found, -(inverse @ inverse).T, rtol=1e-12)
    found = jb.Sequential(jb.Gram(columns=True), jb.Determinant()).jacobian(Z).tensor("denominator")
    assert_allclose(found, 2 * np.linalg.det(Z) ** 2 * inverse.T, rtol=1e-11)
    found = jb.Sequential(jb.Inverse(), jb.LogDeterminant()).jacobian(Z).tensor("numerator")
    assert_allclose(found, -inverse, rtol=1e-11)


def test_compositions_are_linearized_layer_by_layer() -> None:
    net = jb.Sequential(jb.Affine(W), jb.Residual(jb.Tanh()), jb.SquaredError(np.zeros(3)))
    line = net.linearize(X)
    assert [J.structure for J in line.jacobians] == ["Dense", "Diagonal", "Dense"]
    result: Any = np.eye(1)
    for factor in line.chain:
        result = result @ factor.dense()
    assert_allclose(result, net.jacobian(X).dense(), rtol=1e-13)


def test_an_authors_own_function_stands_in_every_composition() -> None:
    class Cubic(Function):
        # not vectorized: points of a batch are taken one by one
        parameter_names = ("a",)

        def __init__(self, a: Any) -> None:
            self.a = self.parameter(a, "a", ndim=0)

        def forward(self, x: Any) -> Any:
            return self.a * x**3

        def derivative(self, x: Any, wrt: str = "input") -> Any:
            return x[:, None] ** 3 if wrt == "a" else np.diag(3 * self.a * x**2)

    cubic = Cubic(2.0)
    points = RANDOM.normal(size=(4, 3))
    compositions = [
        jb.Residual(cubic),
        jb.Sum(jb.Tanh(), cubic),
        jb.Product(cubic, jb.Tanh()),
        jb.Concatenate(jb.Tanh(), cubic),
        jb.Sequential(cubic, jb.Residual(cubic)),
    ]
    for net in compositions:
        (name,) = net.parameters
        J, by_a = (net.jacobian(points, wrt=wrt, batched=True).dense() for wrt in ("input", name))
        for k, x in enumerate(points):
            assert_allclose(J[k], slopes(net, x), rtol=1e-6, atol=1e-6)
            expected = slopes(lambda a, net=net, x=x, name=name: net.replace({name: a})(x), np.float64(2.0))
            assert_allclose(by_a[k], expected, rtol=1e-6, atol=1e-6)


# --- 0·∞ in a product ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "x", "said"),
    [
        (
            lambda: jb.Sequential(jb.Softmax(), jb.CrossEntropy(1)),
            [1000.0, -1000.0],
            "layer 1, CrossEntropy()",
        ),
        (
            lambda: jb.Sequential(jb.Affine(np.eye(2), None), jb.Softmax(), jb.CrossEntropy([0.5, 0.5])),
            [-800.0, 800.0],
            "layer 2, CrossEntropy()",
        ),
        (
            lambda: jb.Sequential(jb.Sigmoid(), jb.BinaryCrossEntropy([1.0, 0.0])),
            [-1000.0, 0.0],
            "layer 1, BinaryCrossEntropy()",
        ),
        (
            lambda: jb.Sequential(jb.Sequential(jb.Sigmoid(), jb.BinaryCrossEntropy([1.0])), jb.LeakyReLU()),
            [-1000.0],
            "layer 0.1, BinaryCrossEntropy()",
        ),
        (
            lambda: jb.Sequential(
                jb.SquaredNorm(), jb.Elementwise("root", np.sqrt, lambda t: 0.5 / np.sqrt(t))
            ),
            [0.0, 0.0],
            "layer 1, Elementwise('root')",
        ),
    ],
)
def test_zero_times_infinity_in_a_product_is_named(make: Any, x: Any, said: str) -> None:
    net = make()
    expected = rf"^x: {re.escape(said)}, has an infinite derivative there, and 0·∞ in its product"
    with pytest.raises(ValueError, match=expected) as refusal:
        net.jacobian(x)
    with pytest.raises(ValueError, match=expected):
        net.jacobian([x, np.zeros_like(x) + 0.25], batched=True)
    assert ("which takes the logits" in str(refusal.value)) == ("CrossEntropy" in said)
    assert np.isfinite(net.jacobian(np.full_like(x, 0.25)).dense()).all()


def test_zero_times_infinity_between_the_factors_of_a_kronecker_product_is_named() -> None:
    net = jb.Sequential(
        jb.Affine(np.eye(2), None), jb.Elementwise("root", np.sqrt, lambda t: 0.5 / np.sqrt(t))
    )
    with pytest.raises(
        ValueError, match=r"^x: layer 1, Elementwise\('root'\), has an infinite derivative there, and 0·∞"
    ):
        net.jacobian([0.0, 1.0], wrt="0.W")
    # x has no 0: the entries are infinite, and no NaN
    net = jb.Sequential(
        jb.Affine([[1.0, -1.0]], None), jb.Elementwise("root", np.sqrt, lambda t: 0.5 / np.sqrt(t))
    )
    assert net.jacobian([1.0, 1.0], wrt="0.W").dense().tolist() == [[np.inf, np.inf]]


def test_nan_of_points_and_parameters_stays_and_saturated_losses_of_logits_are_right() -> None:
    net = jb.Sequential(jb.Softmax(), jb.CrossEntropy(1))
    assert np.isnan(net.jacobian([np.nan, 0.0]).dense()).all()
    broken = jb.Sequential(jb.Affine([[np.nan, 0.0], [0.0, 1.0]], None), jb.Softmax(), jb.CrossEntropy(1))
    assert np.isnan(broken.jacobian([1000.0, -1000.0]).dense()).any()
    assert jb.SoftmaxCrossEntropy(1).jacobian([1000.0, -1000.0]).dense().tolist() == [[1.0, -1.0]]
    assert jb.Sequential(jb.Softmax(), jb.CrossEntropy(0)).jacobian([1000.0, -1000.0]).dense().tolist() == [
        [0.0, 0.0]
    ]


def test_nan_by_overflow_of_finite_layers_stays() -> None:
    # 4·1e308 is ∞ on the way, and σ′(∞)·∞ no number; each layer's own derivative is finite
    net = jb.Sequential(jb.Affine([[4.0]], None), jb.ELU(), jb.Affine([[1.0]], None), jb.Sigmoid())
    with np.errstate(all="ignore"):
        assert np.isnan(net.jacobian([1e308], "2.W").dense()).all()
