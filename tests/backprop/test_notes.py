"""The formulas of the notes as a whole: complete, by at least two witnesses, red when something is broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import backprop.notes
from backprop.cli import main
from backprop.notes import Formula, Result, Slip, Witness, formulas, run
from backprop.notes.formula import compare_values
from backprop.notes.page import markdown_page, text_page, verdict
from backprop.notes.witnesses import matrix_product
from jacobians import Affine, Jacobian

IDS = (
    [f"A{n}" for n in (1, 2, 3)] + ["A3a", "A3b", "A3c"] + [f"A{n}" for n in range(4, 9)]
    + [f"B{n}" for n in range(1, 16)] + [f"C{n}" for n in range(1, 15)]
    + [f"D{n}" for n in range(1, 16)] + [f"E{n}" for n in range(1, 10)]
)  # fmt: skip
SLIPS = [
    *("A6", "B8", "B9", "B11", "B12", "B13", "B14", "C4", "C6", "C7", "C13", "C14"),
    *("D5", "D6", "D7", "D8", "E3", "E8"),
]


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return backprop.notes.verify()


def test_every_formula_is_there_in_order_with_two_witnesses_of_different_names() -> None:
    rows = formulas()
    assert list(rows) == IDS
    assert [name for name, row in rows.items() if row.slip is not None] == SLIPS
    assert all(len({witness.name for witness in row.witnesses}) >= 2 for row in rows.values())


def test_every_formula_is_right_and_every_slip_fails(results: list[Result]) -> None:
    assert [result.formula.id for result in results if not result.passed] == []
    assert [
        result.formula.id for result in results if result.slip is not None and not result.slip.agrees
    ] == SLIPS


def test_the_page_of_the_documentation_is_the_one_that_the_command_prints(results: list[Result]) -> None:
    page = Path(__file__).parents[2] / "docs" / "notes.md"
    assert page.read_text(encoding="utf-8") == markdown_page(results)


def test_the_text_sums_up(results: list[Result]) -> None:
    last = text_page(results).splitlines()[-1]
    assert last == "64 of 64 formulas right, each by 2 witnesses or more; printed slips shown failing: 18"


# --- rows that are wrong have to turn red ----------------------------------------------------------------


def row(claim: object, *values: object, slip: object = None) -> Formula:
    witnesses = tuple(Witness(f"witness {i}", lambda value=value: value) for i, value in enumerate(values))
    printed = None if slip is None else Slip("x", "a slip", lambda: slip)
    return Formula("X1", "title", "x", "1", "–", lambda: claim, witnesses, printed)


@pytest.mark.parametrize(
    ("formula", "passed", "said"),
    [
        (row([1.0], [1.0], [1.0]), True, "right"),
        (row([1.0], [1.0], [1.1]), False, "WRONG: witness 1"),
        (row([1.0], [[1.0]], [1.0]), False, "WRONG: witness 0"),
        (row([np.nan], [np.nan], [np.nan]), False, "WRONG: witness 0, witness 1"),
        (row([], [], []), False, "WRONG: witness 0, witness 1"),
        (row([1e-9], [0.0], [0.0]), True, "right"),
        (row([0.0], [1e-9], [1e-9]), False, "WRONG: witness 0, witness 1"),
        (row([1.0], [1.0], [1.0], slip=[1.0]), False, "WRONG: the printed formula passes"),
        (row([1.0], [1.0], [1.0], slip=[2.0]), True, "right"),
    ],
)
def test_a_wrong_row_is_red(formula: Formula, passed: bool, said: str) -> None:
    result = run(formula)
    assert result.passed is passed
    assert verdict(result) == said
    assert json.loads(json.dumps(result.to_dict()))["passed"] is passed


def test_a_claim_or_a_witness_that_raises_turns_its_row_red_alone() -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    good = Witness("good", lambda: [1.0])
    claim = run(Formula("X1", "t", "x", "1", "–", broken, (good, good)))
    witness = run(Formula("X1", "t", "x", "1", "–", lambda: [1.0], (good, Witness("bad", broken))))
    assert not claim.passed
    assert claim.witnesses[0].remark == "the claim raised RuntimeError: broken"
    assert not witness.passed
    assert witness.witnesses[1].remark == "raised RuntimeError: broken"


def test_one_witness_is_not_enough() -> None:
    with pytest.raises(ValueError, match="witnesses: found 1 of 'X1', expected at least two"):
        row([1.0], [1.0])


def test_comparison_is_of_equal_shapes() -> None:
    assert compare_values("w", np.ones(3), np.ones((3, 1))).difference == np.inf


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_prints_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notes", "--json", "--id", "B12", "--id", "B11"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["passed"] is True
    assert [item["id"] for item in data["formulas"]] == ["B12", "B11"]


def test_the_command_ends_with_1_when_a_derivative_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Affine.derivative

    def broken(self: Affine, x: object, wrt: str = "input", batch_ndim: int = 0) -> Jacobian:
        return 1.001 * original(self, x, wrt, batch_ndim=batch_ndim)

    monkeypatch.setattr(Affine, "derivative", broken)
    assert main(["notes", "--id", "B3"]) == 1
    out = capsys.readouterr().out
    assert "B3  WRONG: finite differences, symbolic" in out
    assert "0 of 1 formulas right" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--id", "Z9"], "backprop notes: --id: found 'Z9', expected one of A1, A2"),
        (["--json", "--markdown"], "backprop notes: --json, --markdown: found both, expected at most one"),
        (["--color"], "no such option: --color"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_status_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notes", *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""


def test_every_witness_notices_a_claim_that_is_off_by_a_thousandth() -> None:
    for row in formulas().values():
        claim = np.asarray(row.claim(), dtype=float)
        part = 0.06 if row.id in ("B4", "E9") else 1e-3  # an order of convergence is measured to 0.05
        off = claim + part * max(float(np.abs(claim).max()), 1.0)
        result = run(replace(row, claim=lambda off=off: off, slip=None))
        assert [finding.name for finding in result.witnesses if finding.agrees] == [], row.id


def test_a_product_as_printed_is_numpys_or_names_the_shapes_that_do_not_meet() -> None:
    rng = np.random.default_rng(0)
    A, B, C = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    np.testing.assert_allclose(matrix_product(A, B, C), np.einsum("ij,jk,kl->il", A, B, C))
    np.testing.assert_array_equal(matrix_product(A), A)
    for factors, said in [
        ((A, B, B), "2×4 times 3×4"),
        ((A, np.ones(3)), "2×3 times 3"),
        ((np.ones(3), B), "3 times 3×4"),
    ]:
        with pytest.raises(ValueError, match=f"^{said}$"):
            matrix_product(*factors)
