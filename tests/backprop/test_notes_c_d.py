"""The formulas of notes C and D: every row by two witnesses or more, every slip failing, no broken rule unseen."""

import numpy as np
import pytest

import verification
from backprop.images import gradient_descent as descent
from backprop.learning import backpropagation as recursion
from backprop.notes import c_network, d_blocks, d_inputs, formulas, run, verify
from backprop.notes.witnesses import matrix_product
from jacobians import (
    Affine,
    BinaryCrossEntropy,
    Maximum,
    MaxPool,
    MeanSquaredError,
    Product,
    QuadraticForm,
    ReLU,
    Sequential,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from jacobians.layers import matrix_functions
from jacobians.structures import Dense, Diagonal, Selection

C = [f"C{n}" for n in range(1, 15)]
D = [f"D{n}" for n in range(1, 16)]
SLIPS = ["C4", "C6", "C7", "C13", "C14", "D5", "D6", "D7", "D8"]


@pytest.fixture(scope="module")
def results():
    return {result.formula.id: result for result in verify([*C, *D])}


def test_the_ids_are_complete_and_in_the_notes_order():
    assert [row.id for row in c_network.FORMULAS] == C
    assert [row.id for row in (*d_blocks.FORMULAS, *d_inputs.FORMULAS)] == D
    assert [name for name in formulas() if name[0] in "CD"] == C + D


@pytest.mark.parametrize("name", C + D)
def test_every_row_passes_by_two_witnesses_or_more(results, name):
    result = results[name]
    assert result.passed, result
    assert len(result.witnesses) >= 2
    assert len({finding.name for finding in result.witnesses}) == len(result.witnesses)


def test_what_is_printed_wrong_is_marked_and_nothing_else(results):
    assert [name for name, result in results.items() if result.slip is not None] == SLIPS


@pytest.mark.parametrize("name", SLIPS)
def test_every_slip_fails_visibly(results, name):
    slip = results[name].slip
    assert not slip.agrees
    assert slip.difference > 0.1 or slip.remark


def test_slips_that_cannot_be_formed_say_why(results):
    assert results["C13"].slip.remark == "can't be formed: a^[1] has 3 entries, there is no a_4"
    assert results["D8"].slip.remark == "shape (2,) against (3,)"


def test_the_weight_gradient_as_printed_does_not_even_have_fitting_shapes():
    row, column = (c_network.a3 - c_network.y)[:, None] @ c_network.W3, c_network.relu(c_network.z2)[:, None]
    with pytest.raises(ValueError, match="4×4 times 1×3"):
        matrix_product(row * column, c_network.a1[None, :])  # NumPy broadcasts 1×4 ⊙ 4×1 to 4×4


def test_the_scalar_rules_are_all_there():
    rules = d_blocks.scalar_rules()
    assert {name: len(values) for name, values in rules.items()} == {
        "0.W": 6, "0.b": 3, "2.W": 6, "2.b": 2, "y": 3, "x": 2,
    }  # fmt: skip
    for method in ("delta", "jacobians"):
        found = d_blocks.network().gradients(d_blocks.x, d_blocks.r, method=method)
        for name, gradient in found.items():
            np.testing.assert_allclose(gradient.ravel(), rules[name], rtol=1e-12)


def test_the_structures_are_those_of_the_notes():
    net, a1, z2 = c_network.network, c_network.a1, c_network.z2
    assert net[3].jacobian(z2).structure == "Diagonal"
    assert net[2].jacobian(a1, wrt="W").structure == "Kronecker"
    assert net[2].jacobian(a1, wrt="W").storage == 3
    assert Maximum(d_inputs.right).jacobian(d_inputs.left).structure == "Selection"
    assert MaxPool(2).jacobian(d_inputs.image).storage == 4


def test_a_layer_of_ones_own_is_checked_like_ours():
    for wrt in ("input", "1.beta", "0.W", "2.b"):
        report = verification.check(d_inputs.with_swish, d_inputs.x, wrt=wrt)
        assert report.passed, str(report)
        assert len(report.agreeing) >= 2


# --- a broken rule turns its rows red ---------------------------------------------------------------------


def spoiled(owner, name, change):
    """Return a method like `name` of `owner` whose result is changed."""
    original = getattr(owner, name)
    return lambda *arguments, **options: change(original(*arguments, **options))


def red(names):
    return [name for name in names if not run(formulas()[name]).passed]


# what is broken, how, and the rows that have to notice
BREAKAGES = {
    "the slope of ReLU is 1 for all z": (
        ReLU, "derivative", lambda J: Diagonal(np.ones_like(J.d)), ["C5", "C8", "C12", "C14"]),
    "an affine layer's Jacobians are doubled": (
        Affine, "derivative", lambda J: J * 2.0, ["C5", "C11", "C13", "D4", "D7", "D9", "D11", "D13", "D14"]),
    "the logit derivative lacks y": (
        SigmoidBinaryCrossEntropy, "derivative", lambda J: J + Dense([[1.0]], out_shape=()), ["C10"]),
    "the binary cross entropy has the wrong sign": (
        BinaryCrossEntropy, "derivative", lambda J: -J, ["C10", "C14"]),
    "the mean of squares is not divided": (
        MeanSquaredError, "derivative", lambda J: J * 3.0, ["C3"]),
    "one factor of a product is not differentiated": (
        Product, "derivative", lambda J: J * 0.5, ["C4"]),
    "the quadratic form is taken as symmetric with one half": (
        QuadraticForm, "derivative", lambda J: J * 0.5, ["C4", "C6", "D1", "D6"]),
    "softmax cross entropy lacks the factor Σ r": (
        SoftmaxCrossEntropy, "derivative", lambda J: J * 1.1, ["D5"]),
    "max takes the other argument": (
        Maximum, "derivative", lambda J: Diagonal(1 - J.dense().diagonal()), ["D12"]),
    "max pooling takes the last of equals": (
        MaxPool, "derivative",
        lambda J: Selection(np.where(J.indices == 2, 6, J.indices), 16, out_shape=(2, 2), in_shape=(4, 4)), ["D12"]),
    "the product of a chain is doubled": (
        Sequential, "derivative", lambda J: J * 2.0, ["C5", "C6", "C7", "C10", "D2", "D9", "D13"]),
    "the products of chains that begin alike are doubled": (
        Sequential, "_jacobians_by", lambda blocks: [J * 2.0 for J in blocks], ["D11"]),
}  # fmt: skip


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_derivative_turns_its_rows_red(monkeypatch, results, breakage):
    owner, name, change, rows = BREAKAGES[breakage]
    assert all(results[row].passed for row in rows)
    monkeypatch.setattr(owner, name, spoiled(owner, name, change))
    assert red(rows) == rows


def test_a_broken_recursion_turns_the_gradients_red(monkeypatch):
    original = recursion.deltas

    def without_the_last_slope(network, values, loss):
        return [(place, delta * (1.0 if place else 0.9)) for place, delta in original(network, values, loss)]

    monkeypatch.setattr(recursion, "deltas", without_the_last_slope)
    assert red(["C9", "D3", "D8"]) == ["C9", "D3", "D8"]


def test_a_broken_descent_turns_the_steps_red(monkeypatch):
    monkeypatch.setattr(descent, "gradient", spoiled(descent, "gradient", np.negative))
    assert red(["D1", "D13"]) == ["D1", "D13"]


def test_a_broken_gram_matrix_turns_the_style_red(monkeypatch):
    commuted = matrix_functions.commutation
    monkeypatch.setattr(
        matrix_functions, "commutation", lambda shape, dtype=float: commuted(shape, dtype) * 0.0
    )
    assert red(["D15"]) == ["D15"]
