"""What closed forms cost: expressions in letters equal the planner's numbers, and structures are kept."""

from itertools import pairwise

import numpy as np
import pytest

from backprop import Chain, formula_costs
from backprop.cli import main
from jacobians import Affine, FormulaError, Residual, Sequential, Tanh, derive
from jacobians.formulas.specs import chains_of

FORMULAS = {
    "layers": ("W3*tanh(W2*tanh(W1*x))", "x", {"Dense", "Diagonal"}),
    "softmax": ("A*softmax(B*x)", "x", {"Dense", "DiagonalPlusLowRank"}),
    "normalized": ("A*(C*x/norm2(C*x))", "x", {"Dense"}),
    "weight": ("U*tanh(W*x)", "W", {"Dense", "Kronecker"}),
    "first of two": ("V*tanh(U*tanh(W*x))", "W", {"Dense", "Diagonal", "Kronecker"}),
    "sandwich": ("C*(A*X*B)*D", "X", {"Kronecker"}),
    "transposed": ("vec(A*X')", "X", {"Kronecker", "Selection"}),
    "entries": ("A*(tanh(x))[0:3]", "x", {"Dense", "Diagonal", "Selection"}),
    "number": ("norm2(tanh(A*x) - y)^2", "x", {"Dense"}),
    "identity": ("A*(x + tanh(x))", "x", {"Dense", "Diagonal"}),
    "sum of terms": ("A*x/norm2(A*x)", "x", {"Dense"}),
    "Khatri-Rao": ("A*max(X, axis=1)", "X", {"Dense"}),
}


def letters_of(costs):
    return sorted({str(letter) for chain in costs.chains for spec in chain.specs for letter in spec.letters})


@pytest.mark.parametrize("name", FORMULAS)
def test_letters_and_numbers_agree_for_every_bracketing(name):
    formula, by, structures = FORMULAS[name]
    costs = formula_costs(formula, by)
    found = {spec.structure for chain in costs.chains for spec in chain.specs}
    assert structures <= found
    letters = letters_of(costs)
    for sizes in ({s: 5 + 3 * k for k, s in enumerate(letters)}, {s: 40 - 4 * k for k, s in enumerate(letters)},
                  {s: 4 + (7 * k) % 11 for k, s in enumerate(letters)}):  # fmt: skip
        numbers = formula_costs(formula, by, sizes=sizes)
        assert [chain.names for chain in numbers.numbers] == [chain.names for chain in costs.chains]
        for symbolic, chain in zip(costs.letters, numbers.numbers, strict=True):
            if symbolic is not None:
                wanted = {item.strategy: chain.plan(item.tree).cost for item in symbolic.alternatives}
                assert symbolic.at({str(s): sizes[str(s)] for s in symbolic.letters}) == wanted


@pytest.mark.parametrize("name", FORMULAS)
def test_the_specs_are_those_of_the_printed_factors(name):
    formula, by, _ = FORMULAS[name]
    d = derive(formula, by)
    letters = sorted({s for shape in d.sizes.values() for s in shape if not s.isdigit()})
    sizes = {s: 5 + k for k, s in enumerate(letters)}
    rng = np.random.default_rng(3)
    values = {v: rng.normal(size=[sizes.get(s) or int(s) for s in shape]) for v, shape in d.sizes.items()}
    jacobian = d.evaluate(**values)
    for term in chains_of(d, "row", sizes):
        shapes = [part.spec.shape for part in term]
        assert all(left[1] == right[0] for left, right in pairwise(shapes))
        assert shapes[0][0] * shapes[-1][1] == jacobian.size


def test_a_network_costs_what_its_own_chain_does():
    rng = np.random.default_rng(1)
    net = Sequential(Affine(rng.normal(size=(9, 5))), Tanh(), Affine(rng.normal(size=(3, 9))))
    d = derive(net, "input")
    own = Chain.from_network(net, rng.normal(size=5))
    sizes = dict([*zip(d.sizes["W2"], (3, 9), strict=True), *zip(d.sizes["W0"], (9, 5), strict=True)])
    made = Chain.from_formula(d, "input", sizes=sizes)
    assert [spec.structure for spec in made.specs] == [spec.structure for spec in own.specs]
    assert {made.plan(s).cost for s in ("left", "optimal")} == {own.plan(s).cost for s in ("left", "optimal")}


@pytest.mark.parametrize("sizes", [{"m": 30, "n": 4}, {"m": 5, "n": 40}, {"m": 17, "n": 16}])
def test_terms_that_meet_are_planned_as_a_graph(sizes):
    costs = formula_costs("A*x/norm2(A*x)", "x", sizes=sizes)
    assert len(costs.numbers) == 2
    for symbolic, chain in zip(costs.letters, costs.numbers, strict=True):
        if symbolic is not None:
            found = symbolic.at({str(letter): sizes[str(letter)] for letter in symbolic.letters})
            assert found == {item.strategy: chain.plan(item.tree).cost for item in symbolic.alternatives}
    alone = sum(chain.plan("optimal").cost.multiplications for chain in costs.numbers)
    assert 0 < costs.graph.plan("optimal").cost.multiplications <= alone
    with pytest.raises(
        FormulaError, match=r"formula: found a Jacobian of 2 terms, .*, expected one chain of factors"
    ):
        Chain.from_formula("A*x/norm2(A*x)", "x")


def test_where_one_order_begins_to_beat_another():
    (costs,) = formula_costs("U*tanh(W*x)", "x").letters
    assert [str(condition) for condition in costs.conditions] == [
        "left beats right iff m < p", "right beats left iff p < m"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"q": 3}, "sizes: found 'q', expected letters of the formula, m, n, p"),
        ({"m": 0}, "sizes: found m = 0, expected a positive integer"),
        ({"m": 2.5}, "sizes: found m = 2.5, expected a positive integer"),
        ({"m": 3}, "sizes: found no number for n, p, expected one for each letter"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, sentence):
    with pytest.raises(FormulaError, match=sentence):
        formula_costs("U*tanh(W*x)", "x", sizes=sizes)


def test_residual_blocks_have_factors_of_their_own():
    net = Sequential(Residual(Affine(np.eye(4))), Tanh())
    assert [part.name for part in chains_of(derive(net, "input"))[0]] == [
        "diag(1 − tanh(x + W0_0·x)∘²)",
        "(I_n + W0_0)",
    ]


def test_the_command_prints_costs_in_letters_and_numbers(capsys):
    arguments = ["derive", "U*tanh(W*x)", "x", "--declare", "U: c×h", "--declare", "W: h×d"]
    assert main([*arguments, "--cost", "c=10,h=256,d=784"]) == 0
    printed = capsys.readouterr().out
    assert "left beats right iff c < d" in printed
    assert "2,009,600" in printed
    assert main([*arguments, "--cost", "letters"]) == 0
    assert "2,009,600" not in capsys.readouterr().out
    assert main([*arguments, "--cost", "h:3"]) == 2
    assert "--cost: found 'h:3', expected sizes such as h=256,d=784" in capsys.readouterr().err
