"""Questions on a chain, and half of the marks for a slip that staff forgive."""

import itertools

import numpy as np
import pytest

from verification.grading import AssignmentError, grade, load_assignment
from verification.grading.chains import BracketingError, fewest_multiplications, multiplications_of

CHAIN = """
[[function]]
name = "fewest"
arguments = ["sizes"]
form = "multiplications"
[[function.point]]
values = { sizes = [10, 100, 5, 50] }

[[function]]
name = "brackets"
arguments = ["sizes"]
form = "bracketing"
[[function.point]]
reveal = "worst"
values = { sizes = [10, 100, 5, 50] }
"""


def trees(first, last):
    """Yield every bracketing of the factors first..last-1 as text."""
    if last - first == 1:
        yield chr(65 + first)
    for split in range(first + 1, last):
        for left, right in itertools.product(trees(first, split), trees(split, last)):
            yield f"({left}{right})"


def cost_by_shapes(text, sizes):
    """Multiply arrays of zeros by Python's own parser, and count."""

    class Factor:
        def __init__(self, m, n, cost=0):
            self.m, self.n, self.cost = m, n, cost

        def __matmul__(self, other):
            return Factor(self.m, other.n, self.cost + other.cost + self.m * self.n * other.n)

    names = {chr(65 + k): Factor(sizes[k], sizes[k + 1]) for k in range(len(sizes) - 1)}
    spaced = "@".join(text).replace("(@", "(").replace("@)", ")")
    return eval(spaced, names).cost


def test_costs_are_those_of_every_bracketing():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 5):
        sizes = [int(size) for size in rng.integers(1, 9, count + 1)]
        costs = {text: cost_by_shapes(text, sizes) for text in trees(0, count)}
        assert {text: multiplications_of(text, sizes) for text in costs} == costs
        assert fewest_multiplications(sizes) == min(costs.values())
    assert multiplications_of("A * B · C", [2, 3, 4, 5]) == cost_by_shapes("(AB)C", [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(AB)", "it has 2 factors, expected 3"),
        ("ABCD", "it has more than the 3 factors"),
        ("((AB)C", "its brackets are not balanced"),
        ("(AB))C", "its brackets are not balanced"),
        ("()ABC", "its brackets are not balanced"),
        ("A(CB)", "its factors are not those of the chain"),
        ("AAB", "its factors are not those of the chain"),
        ("A+BC", "it holds something else"),
        ("", "it has 0 factors, expected 3"),
        ("(" * 5000, "its brackets are not balanced"),
    ],
)
def test_what_is_no_bracketing_says_why(text, sentence):
    with pytest.raises(BracketingError, match=f"^{sentence}"):
        multiplications_of(text, [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("code", "marks", "told"),
    [
        ("7500; B = '(AB)C'", [1, 1], ["right", "right"]),
        (
            "75000; B = 'A(BC)'",
            [0, 0],
            [
                "wrong: it is another number",
                "wrong: this bracketing takes 75,000 multiplications, and another one fewer; found 75,000 "
                "multiplications, expected 7,500",
            ],
        ),
        (
            "'7500'; B = 7500",
            [0, 0],
            ["no answer: it returned text, expected", "no answer: it returned no text"],
        ),
        (
            "None; B = '(A'",
            [0, 0],
            ["no answer: it returned None", "wrong: it is no bracketing of the chain"],
        ),
    ],
)
def test_a_number_and_a_bracketing_are_marked(tmp_path, code, marks, told):
    (tmp_path / "a.toml").write_text(CHAIN, encoding="utf-8")
    text = f"N = {code}\ndef fewest(sizes):\n    return N\ndef brackets(sizes):\n    return B\n"
    (tmp_path / "s.py").write_text(text, encoding="utf-8")
    (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
    assert [item.marks for item in result.items] == marks
    assert all(item.feedback.startswith(start) for item, start in zip(result.items, told, strict=True))


def test_a_chain_without_sizes_is_refused(tmp_path):
    (tmp_path / "s.py").write_text("", encoding="utf-8")
    for value in ("[1.5, 2]", "[3]", "[[1, 2]]", "[0, 2]", '"x"'):
        (tmp_path / "a.toml").write_text(CHAIN.replace("[10, 100, 5, 50]", value), encoding="utf-8")
        with pytest.raises(
            AssignmentError, match="found no list of sizes, expected two integers above 0 or more"
        ):
            grade(tmp_path / "a.toml", [tmp_path / "s.py"])


# --- half of the marks -------------------------------------------------------------------------------------

HALF = """
[assignment]
reference = "reference.py"
[[function]]
name = "J"
arguments = ["W", "x"]
forward = "layer"
wrt = "x"
half_if = ["constant factor", "transposed"]
[[function.point]]
marks = 4
values = { W = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], x = [0.1, 0.2, 0.3] }
"""


@pytest.mark.parametrize(
    ("answer", "marks"), [("W", 4), ("2 * W", 2), ("W.T", 2), ("-W", 0), ("W + 1", 0), ("W * np.nan", 0)]
)
def test_half_of_the_marks_is_given_for_what_staff_forgive(tmp_path, answer, marks):
    (tmp_path / "reference.py").write_text("def layer(W, x):\n    return W @ x\n", encoding="utf-8")
    for partial in ("true", "false"):
        (tmp_path / "a.toml").write_text(f"{HALF}partial = {partial}\n", encoding="utf-8")
        (tmp_path / "s.py").write_text(
            f"import numpy as np\ndef J(W, x):\n    return {answer}\n", encoding="utf-8"
        )
        (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
        assert result.marks == marks
        assert not result.passed or marks == 4


def test_a_diagnosis_that_does_not_exist_is_refused(tmp_path):
    (tmp_path / "reference.py").write_text("", encoding="utf-8")
    (tmp_path / "a.toml").write_text(HALF.replace('"transposed"', '"tansposed"'), encoding="utf-8")
    with pytest.raises(AssignmentError, match=r"half_if: found .*, expected some of .*'transposed'"):
        load_assignment(tmp_path / "a.toml")
