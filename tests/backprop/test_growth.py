"""What takes twice as long for twice the chain, told by counting calls and letters: machines are noisy."""

import sys

import numpy as np
import pytest

from backprop import Chain, compare
from backprop.compiling.stored_arrays import identifiers
from jacobians import Spec


def calls(work):
    """Return how many functions were called, Python's and those of C."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def dense(count):
    return Chain.from_specs([Spec.dense(8, 8)] * count)


def network(count):
    kinds = [Spec.dense(8, 8), Spec.diagonal(8)] * (count // 2)
    return Chain.from_specs([Spec.dense(1, 8), *kinds[1:]])


TEXTS = {
    "str": lambda chain: str(chain.plan()),
    "repr": lambda chain: repr(chain.plan()),
    "HTML": lambda chain: chain.plan()._repr_html_(),
    "source": lambda chain: chain.plan().to_source(),
    "dict": lambda chain: str(compare(chain).to_dict()),
    "CSV": lambda chain: compare(chain).to_csv(),
    "Markdown": lambda chain: compare(chain).to_markdown(),
    "HTML of a comparison": lambda chain: compare(chain).to_html(),
    "LaTeX": lambda chain: compare(chain).to_latex(),
    "text of a comparison": lambda chain: str(compare(chain)),
}


@pytest.mark.parametrize("made", [dense, network])
@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_a_plan_are_written_in_linear_time(text, made):
    write = TEXTS[text]
    write(made(60))  # what is loaded and looked up once
    once, twice = (calls(lambda count=count: write(made(count))) for count in (400, 800))
    assert twice < 2.2 * once
    assert len(write(made(800))) < 2.1 * len(write(made(400)))


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_of_five_thousand_factors_takes_less_than_a_megabyte_and_tells_all(text):
    written = TEXTS[text](dense(5000))
    assert len(written.encode()) < 1_000_000
    for number in (1, 2, 2500, 4999, 5000):
        assert f"A{number}" in written


def test_the_source_of_a_long_plan_runs():
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=(3, 3)) / 2 for _ in range(300)]
    plan = Chain(factors).plan()
    module = {}
    exec(plan.to_source(), module)
    expected = np.linalg.multi_dot(factors)
    scale = abs(expected).max()
    assert np.allclose(
        module["product"](**plan.source_arguments()) / scale, expected / scale, rtol=0, atol=1e-9
    )


def test_equal_names_of_many_factors_become_different_ones():
    names = identifiers(["A"] * 2000 + ["A_2", "A_2000"])
    assert names[:3] + names[-2:] == ["A", "A_2", "A_3", "A_2_2", "A_2000_2"]
    assert len(set(names)) == len(names)


def test_the_labels_of_costs_are_letters_and_no_formulas(monkeypatch):
    from matplotlib.mathtext import MathTextParser

    from backprop.report.pictures import draw_costs

    def parse(*given, **named):
        raise AssertionError("a formula, which takes long to read")

    monkeypatch.setattr(MathTextParser, "parse", parse)
    svg = draw_costs({"∂loss/∂x": {"left": 176, "right": 3200, "optimal": 0}})
    for label in ("0", "1", "10²", "3,200"):
        assert f">{label}<" in svg
