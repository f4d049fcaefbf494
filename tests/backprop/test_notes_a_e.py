"""The rows of the notes on conventions and on the δ recursion: all pass, all slips fail, and breakages are seen."""

import numpy as np
import pytest

from backprop import MLP, notes
from backprop.notes import a_conventions, e_delta_recursion
from jacobians import (
    Affine,
    AugmentedAffine,
    Elementwise,
    Jacobian,
    LinearMap,
    LogSumExp,
    Softmax,
    SquaredError,
    Transpose,
)

IDS_A = ["A1", "A2", "A3", "A3a", "A3b", "A3c", "A4", "A5", "A6", "A7", "A8"]
IDS_E = [f"E{number}" for number in range(1, 10)]
ROWS = {formula.id: formula for formula in (*a_conventions.FORMULAS, *e_delta_recursion.FORMULAS)}
SLIPS = ["A6", "E3", "E8"]


def test_no_row_is_missing():
    assert [formula.id for formula in a_conventions.FORMULAS] == IDS_A
    assert [formula.id for formula in e_delta_recursion.FORMULAS] == IDS_E
    assert [name for name, formula in ROWS.items() if formula.slip is not None] == SLIPS


def test_the_rows_are_among_all_formulas_in_the_notes_order():
    found = [name for name in notes.formulas() if name in ROWS]
    assert found == IDS_A + IDS_E


@pytest.mark.parametrize("name", IDS_A + IDS_E)
def test_a_row_passes_by_two_witnesses_or_more(name):
    result = notes.run(ROWS[name])
    assert result.passed, [(finding.name, finding.difference, finding.remark) for finding in result.witnesses]
    names = [finding.name for finding in result.witnesses if finding.agrees]
    assert len(set(names)) == len(names) >= 2


@pytest.mark.parametrize(
    ("name", "least", "remark"),
    [
        ("A6", np.inf, "shape (2, 3, 2) against (4, 3, 2)"),
        ("E3", 0.1, ""),
        ("E8", np.inf, "can't be formed: Θ is 4×3, â δᵀ is 3×4"),
    ],
)
def test_a_slip_fails_by_how_much(name, least, remark):
    slip = notes.run(ROWS[name]).slip
    assert not slip.agrees
    assert slip.difference >= least
    assert slip.remark == remark


def test_a_stack_that_goes_on_beyond_the_outputs_cannot_be_formed():
    with pytest.raises(ValueError, match="there is no y_5: y has 4 entries"):
        a_conventions.printed_stack(5)


# --- breaking a derivative turns its rows red -----------------------------------------------------------


def red(names):
    return [name for name in names if not notes.run(ROWS[name]).passed]


def scaled(method):
    """The derivative with a wrong constant factor."""
    return lambda self, *args, **options: method(self, *args, **options) * 1.01


@pytest.mark.parametrize(
    ("layer", "rows"),
    [
        (Affine, ["A2", "A3", "A3b", "A3c", "A7", "A8", "E3", "E4", "E6", "E7", "E8", "E9"]),
        (AugmentedAffine, ["E5"]),
        (Elementwise, ["A2", "A3b", "A4", "A6", "E3", "E4", "E5", "E6", "E7", "E8", "E9"]),
        (LinearMap, ["A3c", "A4", "A5", "A6"]),
        (LogSumExp, ["A3a"]),
        (Softmax, ["A3"]),
        (SquaredError, ["A2", "A5", "E3", "E4", "E5", "E6", "E7", "E8", "E9"]),
        (Transpose, []),  # no row rests on it
    ],
)
def test_a_wrong_factor_in_a_derivative_turns_its_rows_red_and_no_others(monkeypatch, layer, rows):
    monkeypatch.setattr(layer, "derivative", scaled(layer.derivative))
    assert red(ROWS) == rows


def test_a_sign_in_the_derivative_of_softmax_is_seen(monkeypatch):
    right = Softmax.derivative
    monkeypatch.setattr(Softmax, "derivative", lambda self, *args, **options: -right(self, *args, **options))
    assert red(["A3"]) == ["A3"]


def test_tensors_that_are_not_transposed_are_seen(monkeypatch):
    right = Jacobian.tensor
    monkeypatch.setattr(
        Jacobian, "tensor", lambda self, layout="numerator", **options: right(self, "mixed", **options)
    )
    assert red(["A4", "A5", "A6", "A8", "E5"]) == ["A5", "A6", "A8", "E5"]


def test_the_other_vec_order_is_seen(monkeypatch):
    right = Jacobian.matrix
    monkeypatch.setattr(
        Jacobian, "matrix", lambda self, vec="row", **options: right(self, vec="column", **options)
    )
    assert red(["A3", "A8"]) == ["A8"]


def test_deltas_that_skip_a_layer_are_seen(monkeypatch):
    right = MLP.deltas
    monkeypatch.setattr(MLP, "deltas", lambda self, x, y: (right(self, x, y) * 2)[1:])
    assert red(["E3", "E4", "E9"]) == ["E3", "E4", "E9"]
