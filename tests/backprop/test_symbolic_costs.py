"""Costs of letters against costs counted while products are formed, and conditions against those numbers."""

import json
import random

import numpy as np
import pytest
import sympy

from backprop import Chain, compare, symbolic_costs
from backprop.cli import main
from backprop.symbolic_costs import Condition
from jacobians import Cost, Spec
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank, Identity, Kronecker

n, h, k, d, N = LETTERS = sympy.symbols("n h k d N", integer=True, positive=True)
WEIGHT = Spec.kronecker(Spec.identity(h), Spec.dense(1, d, (N,)))

FAMILIES = {
    "three matrices": [Spec.dense(n, h), Spec.dense(h, h), Spec.dense(h, k)],
    "four matrices": [Spec.dense(n, h), Spec.dense(h, k), Spec.dense(k, d), Spec.dense(d, n)],
    "gradient of one layer": [Spec.dense(1, k), Spec.dense(k, h), Spec.diagonal(h), Spec.dense(h, d)],
    "bottleneck": [Spec.dense(n, h), Spec.dense(h, k), Spec.diagonal(k), Spec.dense(k, h), Spec.dense(h, n)],
    "batch of points": [Spec.dense(n, k, (N,)), Spec.diagonal(k, (N,)), Spec.dense(k, h), Spec.dense(h, d)],
    "weights of the first layer": [Spec.dense(1, k, (N,)), Spec.dense(k, h), Spec.diagonal(h, (N,)), WEIGHT],
    "softmax inside": [Spec.dense(n, h), Spec.low_rank(h, 1), Spec.dense(h, k)],
    "two low ranks": [Spec.low_rank(h, 1), Spec.low_rank(h, 2), Spec.dense(h, k)],
    "columns of a matrix": [
        Spec.dense(n, h * k),
        Spec.kronecker(Spec.dense(h, d), Spec.identity(k)),
        Spec.diagonal(d * k),
    ],
    "deep without activations": [Spec.dense(1, h, (N,)), *[Spec.dense(h, h)] * 3, Spec.dense(h, d)],
}


def structured(spec, rng):
    """Return a Jacobian of a spec of numbers."""
    m, size = spec.shape
    match spec.structure:
        case "Dense":
            return Dense.unchecked(rng.normal(size=(*spec.batch, m, size)))
        case "Diagonal":
            return Diagonal.unchecked(rng.normal(size=(*spec.batch, m)))
        case "Identity":
            return Identity(m)
        case "DiagonalPlusLowRank":
            low = (rng.normal(size=(*spec.batch, m, spec.rank)) for _ in range(2))
            return DiagonalPlusLowRank.unchecked(rng.normal(size=(*spec.batch, m)), *low)
        case "Kronecker":
            return Kronecker.unchecked(*(structured(part, rng) for part in spec.parts))
    raise AssertionError(spec)


@pytest.mark.parametrize("family", FAMILIES)
def test_costs_of_a_family_are_those_counted_at_fifty_random_sizes(family):
    specs = FAMILIES[family]
    costs = symbolic_costs(specs)
    draw, rng = random.Random(family), np.random.default_rng(0)
    for _ in range(50):
        values = {letter: draw.randint(2, 5) for letter in costs.letters}
        chain = Chain([structured(spec.at(values), rng) for spec in specs])
        found = costs.at({str(letter): size for letter, size in values.items()})
        for item in costs.alternatives:
            assert chain.plan(item.tree).execute().cost == found[item.strategy]
        fewest = min(cost.multiplications for cost in found.values())
        assert fewest == chain.plan("optimal").cost.multiplications, (
            "a bracketing that can be the best was left out"
        )
        for condition in costs.conditions:
            holds = condition.holds if condition.holds is not None else condition.relation.subs(values)
            first, second = (found[name].multiplications for name in (condition.first, condition.second))
            if condition.holds is not True:  # "always" may be equal at single sizes
                assert bool(holds) == (first < second), condition


def test_left_beats_right_where_there_are_fewer_outputs_than_inputs():
    costs = symbolic_costs(FAMILIES["three matrices"])
    assert [str(condition) for condition in costs.conditions] == [
        "left beats right iff n < k",
        "right beats left iff k < n",
    ]
    assert costs.check(trials=5) == 10
    assert costs.at(n=1, h=100, k=100)["left"] == Cost(20_000, 19_800)


def test_a_condition_that_no_size_changes_says_always():
    costs = symbolic_costs(FAMILIES["gradient of one layer"])
    assert costs.conditions == (Condition("left", "right", True),)


def test_sizes_that_fit_no_letter_are_refused_by_name():
    costs = symbolic_costs(FAMILIES["three matrices"])
    with pytest.raises(ValueError, match=r"sizes: found \['n'\], expected one for each of \['h', 'k', 'n'\]"):
        costs.at(n=3)
    with pytest.raises(ValueError, match="chain: found no letters among the sizes"):
        symbolic_costs(Chain.from_shapes([(1, 2), (2, 3)]))


def test_a_wrong_expression_is_found_by_random_substitution(monkeypatch):
    costs = symbolic_costs(FAMILIES["three matrices"])
    item = costs.alternatives[0]
    object.__setattr__(item, "cost", Cost(item.cost.multiplications + 1, item.cost.additions))
    with pytest.raises(RuntimeError, match=r"the cost of \(A·B\)·C is another at"):
        costs.check()


def test_comparing_letters_as_numbers_names_the_other_door():
    with pytest.raises(ValueError, match=r"backprop.symbolic_costs\(chain\) says how"):
        compare(Chain.from_shapes([(n, h), (h, k)]))


def test_the_command_takes_letters(capsys):
    assert main(["cost", "nxh hxh hxk", "--symbolic", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["letters"] == ["h", "k", "n"]
    assert (
        sympy.expand(sympy.sympify(data["alternatives"][0]["multiplications"]) - sympy.sympify("n*h*(h+k)"))
        == 0
    )
    assert main(["cost", "nxh", "hxk", "--symbolic", "--latex"]) == 0
    assert r"\toprule" in capsys.readouterr().out
    for arguments, sentence in (
        (["nxh"], "found letters in 'nxh', expected numbers; add --symbolic"),
        (["2x3", "--symbolic"], "--symbolic: found no letter among the sizes"),
        (["nxh", "--symbolic", "--csv"], "--csv: found it with --symbolic"),
    ):
        assert main(["cost", *arguments]) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_the_picture_has_in_each_cell_what_costs_least_there():
    costs = symbolic_costs(FAMILIES["four matrices"])
    picture = costs.picture("n", "k", {"d": 8})
    seen = 0
    for text in picture.split("<title>")[1:]:
        tip = text.partition("</title>")[0]
        sizes, _, name = tip.partition(": ")
        values = {part.partition(" = ")[0]: int(part.partition(" = ")[2]) for part in sizes.split(", ")}
        specs = [spec.at({n: values["n"], k: values["k"], d: 8, h: 16}) for spec in FAMILIES["four matrices"]]
        least = Chain.from_specs(specs).plan("optimal").cost.multiplications
        named = {own: costs.at({**values, "d": 8, "h": 16})[own].multiplications for own in name.split(" = ")}
        assert set(named.values()) == {least}
        seen += 1
    assert seen == 15 * 15
    assert "n →   (k ↓)   d = 8, h = 16" in picture or "n →   (k ↓)   h = 16, d = 8" in picture


def test_the_picture_of_left_and_right_is_cut_along_the_diagonal():
    picture = symbolic_costs(FAMILIES["three matrices"]).picture()
    assert picture.count(">L</text>") == picture.count(">R</text>") == 15 * 14 // 2
    assert picture.count(">=</text>") == 15
    assert "left beats right iff n &lt; k" in picture
    one = symbolic_costs([Spec.dense(n, 4), Spec.dense(4, 4), Spec.dense(4, 5)]).picture()
    assert one.count("<title>") == 15, "one letter, one row"


def test_a_plane_of_letters_that_are_not_there_is_refused():
    costs = symbolic_costs(FAMILIES["three matrices"])
    for arguments, sentence in (
        (("q",), "across: found 'q', expected one of 'h', 'k', 'n'"),
        (("n", "n"), "across, down: found 'n' twice, expected two of"),
        (("n", "k", {"n": 3}), "sizes: found 'n', expected"),
        (("n", "k", {"h": 0}), r"sizes\['h'\]: found 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            costs.picture(*arguments)


def test_the_command_draws_the_plane(tmp_path, capsys):
    path = tmp_path / "plane.svg"
    assert main(["cost", "nxh hxh hxk", "--symbolic", "--picture", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("<svg")
    capsys.readouterr()
    for arguments, sentence in (
        (
            ["2x3", "--picture", str(path)],
            "--picture: found 'plane.svg' without --symbolic, expected --symbolic",
        ),
        (["nxh", "--symbolic", "--picture", "a.png"], "--picture: found 'a.png' with --symbolic, expected"),
        (["nxh", "hxk", "--symbolic", "--picture", str(tmp_path / "no" / "a.svg")], "a.svg can't be written"),
    ):
        assert main(["cost", *arguments]) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_conditions_have_no_minus_in_front():
    costs = symbolic_costs([Spec.dense(n, h), Spec.dense(h, k), Spec.dense(k, h), Spec.dense(h, d)])
    assert not any("iff -" in str(condition) or "(-" in str(condition) for condition in costs.conditions)
    assert "right beats order 3 iff k·(2·d - h)/h < n" in map(str, costs.conditions)


DOORS = [
    (["n x h", "h x"], "SHAPES: found"),
    (["nxh", "kxh"], "SHAPES: found nxh before kxh, expected h = k"),
    (["nxx", "xxk"], "SHAPES: found 'nxx'"),
    (["nx0"], "SHAPES: found a size of 0 in 'nx0'"),
    (["nxh²"], "SHAPES: found 'nxh²'"),
    (["n+1xh"], "SHAPES: found 'n+1xh'"),
    (["-nxh"], "-n"),
    (["nxh", "--json", "--latex"], "found more than one"),
    ([], "SHAPES: found none"),
    (["nxh:diagonal"], "SHAPES: found 'nxh:diagonal'"),
    (["lambdaxh"], "SHAPES: found 'lambdaxh'"),
    (["n:diagnal"], "did you mean 'diagonal'?"),
    ([" ".join(["nxn"] * 201)], "SHAPES: found 201 factors, expected at most 200"),
]


@pytest.mark.parametrize(("arguments", "sentence"), DOORS)
def test_wrong_letters_get_a_sentence(arguments, sentence, capsys):
    assert main(["cost", *arguments, "--symbolic"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert sentence in error
    assert "Traceback" not in error


def test_texts_are_read_back_with_letters_that_sympy_has_a_meaning_for():
    letters = {name: sympy.Symbol(name, integer=True, positive=True) for name in "NEIS"}
    N_, E, I_, S = letters.values()
    costs = symbolic_costs([Spec.dense(N_, E), Spec.dense(E, I_), Spec.dense(I_, S)])
    for item, data in zip(costs.alternatives, costs.to_dict()["alternatives"], strict=True):
        read = sympy.sympify(data["multiplications"], locals=letters)
        assert sympy.expand(read - item.cost.multiplications) == 0


@pytest.mark.parametrize("family", ["three matrices", "gradient of one layer", "bottleneck", "two low ranks"])
def test_the_relations_that_are_written_down_decide_as_the_costs_do(family):
    costs = symbolic_costs(FAMILIES[family])
    symbols = {str(letter): letter for letter in costs.letters}
    draw = random.Random(family)
    drawn = [{name: draw.randint(2, 30) for name in symbols} for _ in range(5)]
    found = [costs.at(sizes) for sizes in drawn]
    written = costs.to_dict()["conditions"]
    assert len(written) == len(costs.conditions) > 0
    for data in written:
        assert (data["relation"] is None) == (data["holds"] is not None)
        relation = None if data["relation"] is None else sympy.sympify(data["relation"], locals=symbols)
        for sizes, cost in zip(drawn, found, strict=True):
            less = cost[data["first"]].multiplications < cost[data["second"]].multiplications
            if relation is not None:
                assert bool(relation.subs({symbols[name]: size for name, size in sizes.items()})) == less
            elif not data["holds"]:  # "always" may be equal at single sizes
                assert not less
