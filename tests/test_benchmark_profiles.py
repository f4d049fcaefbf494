"""Profiles of the benchmarks: taken apart, code computes the same, and each operation has its kind."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop

with pytest.MonkeyPatch.context() as path:  # the scripts find each other as siblings
    path.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import profiles
    import tables


def code_of(activation, points=None):
    net = backprop.MLP.initialize([70, 70, 70, 3], activation=activation, loss="squared-error", seed=0)
    x = np.random.default_rng(0).standard_normal((70,) if points is None else (points, 70))
    jacobian = backprop.compile(net, batched=points is not None, shape=x.shape, form="arrays")
    return profiles.Code(jacobian.source, jacobian.constants, [x]), jacobian(x)


@pytest.mark.parametrize(("activation", "points"), [("tanh", None), ("tanh", 70), ("relu", None)])
def test_code_that_is_taken_apart_computes_the_same(activation, points):
    code, expected = code_of(activation, points)
    kinds = Counter()
    assert_allclose(profiles.with_clock(code, lambda kind: kinds.update([kind]))(*code.arguments), expected)
    assert kinds["matrix products"] == code.source.count(".dot(") + code.source.count(" @ ")
    assert kinds["tanh, cosh, exp"] == sum(
        code.source.count(f"{name}(") for name in ("np.tanh", "np.cosh", "np.exp", "tanh_slope")
    )
    taken = sum(code.source.count(f"np.{name}(") for name in ("take", "flatnonzero", "heaviside"))
    assert kinds["live units"] == taken
    assert (taken > 0) == (activation == "relu")


def test_shares_of_generated_code_add_up():
    code, _ = code_of("tanh")
    call = lambda: None  # noqa: E731  # stands for a contestant's call
    call.code = code
    found = profiles.shares(call, seconds=0.01)
    assert {"matrix products", "tanh, cosh, exp"} <= set(found)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_functions_are_named_without_paths():
    found = profiles.shares(lambda: np.ones(3).dot(np.linalg.norm(np.eye(3), axis=0)), seconds=0.01)
    assert any(
        name.endswith("ndarray.dot")
        for name in profiles.by_function(lambda: np.ones(3).dot(np.ones(3)), 0.01)
    )
    assert len(found) == profiles.MOST_PARTS
    assert not any("/" in name or "method" in name for name in found)


def test_profiles_are_a_table():
    record = {"name": "a case", "profiles": {"f(x)": {"matrix products": 0.75, "the rest": 0.25}}}
    assert "| a case | `f(x)` | matrix products 75 %, the rest 25 % |" in tables.profile_table(
        [record, {"name": "b"}]
    )
