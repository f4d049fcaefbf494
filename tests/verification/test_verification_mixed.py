"""Second derivatives by two arguments at once, of plain code and of networks; and sets that make no sense there."""

import numpy as np
import pytest

from jacobians import Affine, LinearMap, Sequential, Tanh
from verification import check

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=3), RNG.normal(size=(2, 3)), RNG.normal(size=2)


def energy(x, W):
    return np.sum(np.tanh(W @ x))


def by_hand(z):
    """Return ∂²/∂x∂W of Σ tanh(z), z = Wx + b, (3, 2, 3): d_i W_ij + e_i x_j W_ik."""
    d = 1 - np.tanh(z) ** 2
    e = -2 * np.tanh(z) * d
    return np.einsum("i,jk->kij", d, np.eye(3)) + np.einsum("i,j,ik->kij", e, X, W)


MIXED = by_hand(W @ X)
E = -2 * np.tanh(W @ X) * (1 - np.tanh(W @ X) ** 2)
OWN = {
    "x": np.einsum("i,ik,il->kl", E, W, W),
    "W": E[:, None, None, None] * np.einsum("ab,j,k->ajbk", np.eye(2), X, X),
}
WHOLE = np.block([[OWN["x"], MIXED.reshape(3, 6)], [MIXED.reshape(3, 6).T, OWN["W"].reshape(6, 6)]])


@pytest.mark.parametrize(
    ("candidate", "wrt"),
    [
        (MIXED, "input"),
        (MIXED.reshape(3, 6), ["x", "W"]),
        (MIXED.reshape(3, 6).T, ["W", "x"]),
        (lambda x, W: MIXED, "input"),
        ({("x", "W"): MIXED, ("W", "x"): MIXED.reshape(3, 6).T}, "input"),
        (OWN, "input"),
        (WHOLE, "input"),
    ],
)
def test_mixed_derivatives_of_plain_code_are_judged(candidate, wrt):
    report = check(energy, (X, W), candidate, wrt=wrt, order=2)
    assert report.verdict == "right"
    witnesses = report.parts[-1].witnesses
    assert [witness.status for witness in witnesses] == ["agrees"] * 5


def test_a_wrong_block_of_a_hessian_is_told_by_its_names():
    wrong = WHOLE.copy()
    wrong[0, 5] *= 1.01
    report = check(energy, (X, W), wrong, order=2)
    assert report.reason == "3 of 4 derivatives are right; wrong: x and W"
    assert report["x and W"].worst.index == (0, 2)
    assert check(energy, (X, W), 2 * MIXED, order=2)["x and W"].diagnosis.name == "factor"


@pytest.mark.parametrize("names", [("input", "0.W"), ("0.W", "0.b"), ("input", "0.b")])
def test_mixed_derivatives_of_a_network_are_judged(names):
    net = Sequential(Affine(W, B), Tanh(), LinearMap(np.ones((1, 2))))
    d = 1 - np.tanh(W @ X + B) ** 2
    e = -2 * np.tanh(W @ X + B) * d
    right = {
        ("input", "0.W"): by_hand(W @ X + B),
        ("0.W", "0.b"): np.einsum("i,j,ik->ijk", e, X, np.eye(2)),
        ("input", "0.b"): (e[:, None] * W).T,
    }[names]
    assert check(net, X, right, wrt=list(names), order=2).verdict == "right"
    assert check(net, X, 1.001 * right, wrt=list(names), order=2).verdict == "wrong"


@pytest.mark.parametrize(
    ("arguments", "candidate", "options", "says"),
    [
        ((X, W), np.ones((4, 4)), {}, None),
        ((X, W, B), np.ones((4, 4)), {}, r"found shape \(4, 4\) with order=2, expected the whole Hessian, \(11, 11\)"),
        ((X, W), {("x", "V"): MIXED}, {}, "^jacobian: found 'V', expected one of 'x', 'W'"),
        ((X, W), {"xW"[:1]: MIXED}, {}, r"found none by W"),
        ((X, W), MIXED, {"on": "symmetric"}, r"^on: found 'symmetric' with several arguments, expected one: ask"),
    ],
)  # fmt: skip
def test_what_is_no_mixed_derivative_is_refused(arguments, candidate, options, says):
    code = energy if len(arguments) == 2 else lambda x, W, b: np.sum(np.tanh(W @ x + b))
    if says is None:
        assert check(code, arguments, candidate, order=2, **options).verdict == "wrong"
        return
    with pytest.raises(ValueError, match=says):
        check(code, arguments, candidate, order=2, **options)


def test_a_set_of_directions_is_of_one_argument_and_one_point():
    with pytest.raises(
        ValueError, match=r"^on: found 'symmetric' with batched=True, expected one point: a set has"
    ):
        check(
            lambda M: M.sum(axis=(1, 2)), np.ones((2, 3, 3)), np.ones((2, 1, 9)), on="symmetric", batched=True
        )
    product = lambda M, b: np.sum(M) * np.sum(b)  # noqa: E731
    point = np.ones((2, 2)), np.ones(2)
    with pytest.raises(ValueError, match=r"expected one: ask about it alone by wrt=\[…\]$"):
        check(product, point, (2 * np.ones((2, 2)), 4 * np.ones(2)), on="symmetric")
    assert check(product, point, (2 * np.ones((1, 4)),), on="symmetric", wrt=["M"]).verdict == "right"
