"""The comparison of speed, untimed: answers agree with plain NumPy, ratios are right, a wrong answer stops it."""

import dataclasses
import importlib.util
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

with pytest.MonkeyPatch.context() as path:  # the scripts find each other as siblings
    path.syspath_prepend(str(BENCHMARKS))
    import comparisons
    import measuring
    import pictures
    import run
    import tables
    import workers
    from cases import BY_NAME, CASES, scaling
    from cases.family import Case, Family, Goal, OwnClock, Unsuitable
    from cases.networks import Network
    from comparisons import Ratio

SIZES = {
    "sizes": lambda sizes: tuple(min(size, 3) for size in sizes[:4]),
    "n": lambda n: 5,
    "count": lambda n: 9,
    "words": lambda words: ("--version",),
}
TINY = measuring.Effort(rounds=3, block=1e-4, most=0.01)


def shrunk(problem):
    """Return the same problem with fewer and smaller layers, points, factors."""
    known = {field.name for field in dataclasses.fields(problem)}
    smaller = {name: shrink(getattr(problem, name)) for name, shrink in SIZES.items() if name in known}
    if getattr(problem, "points", None):
        smaller["points"] = 4
    return dataclasses.replace(problem, **smaller)


def installed(runtime):
    return importlib.util.find_spec(workers.RUNTIMES[runtime][0]) is not None


def contestants(cases):
    """Return one case for each contestant, activation and precision; sizes don't matter once they are shrunk."""
    found = {}
    for case in cases:
        for name, contestant in case.family.contestants.items():
            if installed(contestant.runtime):
                for dtype in ("float64", "float32") if case.single else ("float64",):
                    problem = shrunk(case.in_dtype(dtype))
                    # what takes half a minute to compile is compiled once
                    key = (case.family.title, name, None if "torch.compile" in name else problem)
                    found.setdefault(key, (case.family, contestant, problem))
    return [
        pytest.param(*parts, id=f"{title}: {name}, {problem}")
        for (title, name, problem), parts in found.items()
    ]


# --- answers -------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def double_precision_in_jax():
    """What the workers set for JAX, where it is installed."""
    if installed("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # in torch's own code
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch._prims_common.check:FutureWarning")
@pytest.mark.parametrize(("family", "contestant", "problem"), contestants(BY_NAME.values()))
def test_every_contestant_gives_the_expected_answer(family, contestant, problem):
    try:
        made = contestant.make(problem)
    except Unsuitable as reason:  # of a contestant that takes part in other cases
        pytest.skip(str(reason))
    if isinstance(made, OwnClock):
        assert made.seconds() > 0
        answer = made.answer()
    else:
        answer = made() if contestant.answer is None else contestant.answer(made())
    if contestant.answer is not None:
        workers.compare(
            contestant.name,
            np.asarray(answer),
            np.asarray(family.expected(problem)),
            family.tolerance[problem.dtype],
        )


def test_expected_answers_agree_with_differences():
    from cases import input_jacobians, loss_gradients, parameter_jacobians

    net = Network((3, 4, 2), "tanh", points=3)
    weights, h = net.weights(), 1e-6

    def value(x, layers):
        for W, b in layers[:-1]:
            x = np.tanh(x @ W.T + b)
        return x @ layers[-1][0].T + layers[-1][1]

    for p, x in enumerate(net.x()):
        found = np.stack(
            [(value(x + h * e, weights) - value(x - h * e, weights)) / (2 * h) for e in np.eye(3)], 1
        )
        np.testing.assert_allclose(found, input_jacobians.expected(net)[p], atol=1e-8)
    theta = np.concatenate([part.reshape(-1) for pair in weights for part in pair])

    def outputs(theta):
        return value(net.x(), parameter_jacobians.in_pairs(net, theta))

    J = np.stack([(outputs(theta + h * e) - outputs(theta - h * e)) / (2 * h) for e in np.eye(theta.size)], 2)
    np.testing.assert_allclose(J, parameter_jacobians.expected_jacobian(net), atol=1e-8)
    gradient = np.einsum("pmn,pm->n", J, outputs(theta) - net.y()) / 3
    np.testing.assert_allclose(gradient, loss_gradients.expected(net), atol=1e-8)


def test_a_command_is_profiled_in_its_own_process():
    from cases import commands

    server = workers.Server("numpy")
    server.made = {"it": commands.backprop(commands.Command(("--version",)))}
    parts = server.profile("it")
    assert 1 <= len(parts) <= 5
    assert 0 < sum(parts.values()) <= 1
    assert not any("waitpid" in name or "poll" in name for name in parts)  # of the process that waits


@pytest.mark.parametrize(
    "sizes", [(3, 4, 2, 5, 3), (5, 4, 3, 2), (2, 3, 4, 5), (3, 3, 3, 3), (6, 5, 1, 5, 6)]
)
def test_the_products_of_a_floor_are_the_whole_product(sizes):
    from cases import input_jacobians

    for points in (None, 3):
        problem = Network(sizes, points=points)
        products, given = input_jacobians._products(problem)
        whole = np.linalg.multi_dot([W for W, _ in problem.weights()[::-1]])
        found = products(given)
        assert found.shape == ((points,) if points else ()) + whole.shape
        np.testing.assert_allclose(found, np.broadcast_to(whole, found.shape), atol=1e-12)


def test_names_are_unique_and_goals_name_what_there_is():
    assert len(BY_NAME) == len(CASES) + sum(len(series.cases) for series in scaling.SERIES)
    for case in CASES:
        known = case.family.contestants
        runtimes = {contestant.runtime for contestant in known.values()}
        for goal in case.goals:
            assert goal.against in {"peer", "floor", "loaded", *runtimes, *known}, (case.name, goal)
            assert goal.ours in (None, "alone", "fresh") or known[goal.ours].role == "ours", (case.name, goal)


JACOBIAN, GRADIENT, BATCH = (
    "∂F/∂x: ",
    "gradient of a loss by all parameters: ",
    "64 points, 64-128-64-10 tanh",
)
PLAN, STEP, ALONG = (
    "optimal plan of a chain: ",
    "Jacobian by differences: ",
    "check of a Jacobian along random directions: ",
)
NUMBA = "backprop.compile(net, engine='numba')"
LARGE = ("784-256-32-256-784", "256 × 20")
GRAPH_TASKS = ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")
WANTED = [
    (JACOBIAN + "a point, 2-3-4-1 tanh", Goal("jax", 7, ours=f"{NUMBA}(x)")),
    (JACOBIAN + "a point, 2-3-4-1 tanh", Goal("casadi.Function.buffer", 1.2, ours=f"{NUMBA}.into(x, out)()")),
    (JACOBIAN + "64 points, 2-3-4-1 tanh", Goal("peer", 10)),
    (JACOBIAN + "1024 points, 2-3-4-1 tanh", Goal("peer", 2.5)),
    (JACOBIAN + "a point, 64-128-64-10 tanh", Goal("peer", 2.5)),
    (JACOBIAN + BATCH, Goal("peer", 0.95)),
    (JACOBIAN + "1024 points, 64-128-64-10 tanh", Goal("peer", 1.2)),
    *((JACOBIAN + f"a point, {LARGE[0]} {phi}", Goal("peer", 8)) for phi in ("tanh", "relu")),
    (JACOBIAN + f"64 points, {LARGE[0]} tanh", Goal("peer", 5)),
    *(
        (JACOBIAN + f"a point, {net} {phi}", goal)
        for net in ("256 × 20", "1024 × 4")
        for phi, goals in (("relu", (3, 2.4)), ("tanh", (1.1, 0.85)))
        for goal in map(Goal, ("peer", "floor"), goals)
    ),
    (GRADIENT + "64 points, 2-3-4-1 tanh", Goal("peer", 8)),
    (GRADIENT + "1024 points, 2-3-4-1 tanh", Goal("peer", 2.5)),
    (GRADIENT + BATCH, Goal("peer", 1.4)),
    (GRADIENT + "1024 points, 64-128-64-10 tanh", Goal("peer", 1.2)),
    *(
        (GRADIENT + f"{points} points, {net} tanh", goal)
        for net in LARGE
        for points in (64, 1024)
        for goal in (Goal("peer", 0.97), Goal("floor", 0.9))
    ),
    (f"J by all parameters: {BATCH}", Goal("peer", 25)),
    (f"norms of the rows of J by all parameters: {BATCH}", Goal("peer", 40)),
    (f"J v by all parameters: {BATCH}", Goal("peer", 1.05)),
    (f"Jᵀ u by all parameters, summed over the points: {BATCH}", Goal("peer", 1.4)),
    (f"J by all parameters, written out dense: {BATCH}", Goal("peer", 1.5, ours="fresh")),
    (f"J by all parameters, written out dense: {BATCH}", Goal("peer", 3.5)),
    *(
        (f"J Jᵀ by all parameters (tangent kernel): {points} points, 64-128-64-10 tanh", goal)
        for points, ratio in ((64, 45), (256, 30))
        for goal in (Goal("peer", ratio), Goal("peer", ratio, loaded=True))
    ),
    (PLAN + "100 structured factors", Goal("peer", 25)),
    *(
        (PLAN + f"100 dense factors, sizes to {most}", Goal("peer", 300))
        for most in ("100", "1,000", "1,000,000")
    ),
    (PLAN + "100 dense factors, all 256×256", Goal("peer", 300)),
    (PLAN + "1000 structured factors", Goal(seconds=50e-3)),
    (STEP + "100×100", Goal("scipy.optimize.approx_fprime", 3.5)),
    (STEP + "100×100", Goal("scipy approx_derivative, 3-point", 6.5)),
    (STEP + "1000×1000", Goal("floor", 0.9)),
    (ALONG + "1000×1000", Goal("scipy.optimize.approx_fprime, compared", 60)),
    (ALONG + "1000×1000", Goal("torch", 1.5)),
    (ALONG + "1000×1000, one thread", Goal("torch", 1.5)),
    ("certified check of ∂F/∂x: 4-8-8-4 tanh", Goal(seconds=5e-3)),
    ("symbolic check of ∂F/∂x: 4-8-8-4 tanh", Goal(seconds=10e-3)),
    ("import: jacobians and numpy", Goal("import numpy", 1 / 1.15)),
    *(
        (f"Jacobian of NumPy code: {points}, {task}", Goal("jax", ratio))
        for points, ratio in (("a point", 5), ("1024 points", 1.5))
        for task in GRAPH_TASKS
    ),
    ("command, processor time: notes", Goal(seconds=2)),
    ("command, processor time: report", Goal(seconds=3)),
    ("text of a plan: 5,000 dense factors", Goal(seconds=10e-3)),
]


@pytest.mark.parametrize(("name", "goal"), WANTED, ids=lambda part: part if isinstance(part, str) else "")
def test_each_row_that_is_wanted_has_its_goal(name, goal):
    assert goal in BY_NAME[name].goals


def test_small_cases_are_measured_under_load_and_large_ones_where_asked():
    loaded = {case.name: any(goal.against == "loaded" for goal in case.compared) for case in CASES}
    assert loaded[JACOBIAN + "a point, 64-128-64-10 tanh"]
    assert not loaded[JACOBIAN + "a point, 784-256-32-256-784 tanh"]
    # what counts no operations runs in processes of its own, compiles, or is on another device
    without = {
        name.split(":")[0] for name, said in loaded.items() if not said and BY_NAME[name].family.flops is None
    }
    assert without == {
        "command, processor time",
        "import",
        "compiling ∂F/∂x and the first call",
        "∂F/∂x on a GPU",
        "gradient of a loss by all parameters on a GPU",
    }
    tiny = Family("tiny", None, flops=lambda problem: 1e3)
    assert Case(tiny, "", None, (Goal("peer", 2),)).compared[-1].against == "loaded"
    assert Case(tiny, "", None, ()).compared == ()  # a point of growth
    large = Family("large", None, flops=lambda problem: 3e7)
    assert Case(large, "", None, (Goal("peer", 2),)).compared == (Goal("peer", 2),)


def test_what_has_goals_is_measured_before_what_has_none():
    parts = run.schedule(CASES, scaling=True)
    asks = [
        not isinstance(part, str) and part[1] == "float64" and any(g.asks for g in part[0].goals)
        for part in parts
    ]
    assert asks == sorted(asks, reverse=True)
    assert parts[sum(asks)] == "growth"
    assert len(parts) == 1 + len(CASES) + sum(case.single for case in CASES)
    assert "growth" not in run.schedule(CASES, scaling=False)


# --- a GPU, and the kernels of BLAS ----------------------------------------------------------------------


@pytest.mark.skipif(not installed("jax"), reason="JAX is not installed")
def test_contestants_on_a_gpu_take_part_where_jax_has_one(monkeypatch):
    import jax
    from cases import on_gpu

    known = {}
    for case in on_gpu.CASES:
        known |= {name: (case.family, contestant) for name, contestant in case.family.contestants.items()}
    assert all("on a GPU" in name and contestant.runtime == "jax" for name, (_, contestant) in known.items())
    if not any(device.platform == "gpu" for device in jax.devices()):
        for _, contestant in known.values():
            with pytest.raises(Unsuitable, match=r"^JAX has no GPU here$"):
                contestant.make(Network((2, 3, 1), points=4))
    asked = []
    cpu = jax.devices("cpu")
    monkeypatch.setattr(jax, "devices", lambda kind=None: asked.append(kind) or cpu)
    problem = Network((2, 3, 1), points=4)
    for name, (family, contestant) in known.items():
        answer = contestant.answer(contestant.make(problem)())
        workers.compare(name, answer, np.asarray(family.expected(problem)), family.tolerance["float64"])
    assert asked.count("gpu") == len(known)


def test_a_row_says_that_there_is_no_gpu():
    case = next(case for case in CASES if "on a GPU" in case.name)
    names = list(case.family.contestants)
    skipped = dict.fromkeys(names, "JAX has no GPU here")
    entrants = {name: [known.role, known.runtime] for name, known in case.family.contestants.items()}
    known = record(Goal()) | {"contestants": {}, "skipped": skipped, "entrants": entrants}
    (line,) = comparisons.compare_case(known)
    assert line.reason == f"not measured; {names[0]}: JAX has no GPU here"
    assert line.met is None


def test_kernels_narrower_than_the_processor_are_said_with_the_way_out():
    found = {"library": "openblas 0.3.31", "kernels": "Haswell", "vector_bits": 512}
    said, out = tables.kernel_lines({"blas": found})
    assert said == (
        "- BLAS of NumPy: openblas 0.3.31 with kernels for Haswell; the processor has vectors of 512 bits"
    )
    assert out.startswith("- **These kernels use 256 of 512 bits**")
    assert "OPENBLAS_CORETYPE=SkylakeX, set before NumPy is imported" in out
    for more in (
        {"kernels": "SkylakeX"},
        {"vector_bits": 256},
        {"kernels": "a new one"},
        {"library": "mkl 2025"},
    ):
        assert not any("These kernels" in line for line in tables.kernel_lines({"blas": found | more}))
    assert tables.kernel_lines({}) == []  # results of before
    assert tables.kernel_lines({"blas": {}}) == ["- BLAS of NumPy: not known, without threadpoolctl"]
    _, asked = tables.kernel_lines({"blas": found | {"kernels": "SkylakeX"}, "openblas_core": "SkylakeX"})
    assert asked == "- OPENBLAS_CORETYPE=SkylakeX was set for every process (--openblas-core)"


def test_a_process_says_which_kernels_it_took():
    pytest.importorskip("threadpoolctl")
    kernels = workers.kernels()
    assert set(kernels) <= {"library", "kernels", "vector_bits"}
    assert kernels["library"].split()[0] in {"openblas", "mkl", "blis", "flexiblas"}
    assert kernels.get("vector_bits") in (None, 256, 512)


def test_a_core_is_asked_of_every_process(monkeypatch):
    started = []

    def popen(*arguments, env, **others):
        started.append(env)
        raise FileNotFoundError

    monkeypatch.setattr(workers.subprocess, "Popen", popen)
    monkeypatch.delenv(workers.OWN_CORE, raising=False)
    for runtime in ("numpy", "jax"):
        for core in ("SkylakeX", None):
            with pytest.raises(FileNotFoundError):
                workers.Worker(runtime, sys.executable, 1, core)
    assert [env.get(workers.OWN_CORE) for env in started] == ["SkylakeX", None] * 2
    assert {env["PYTHONPATH"] for env in started} == {
        str(BENCHMARKS.parent)
    }  # ours on every engine is this checkout's


def test_other_kernels_than_asked_for_end_the_command():
    ours = SimpleNamespace(missing="", blas={"kernels": "Haswell"})
    run.ready({"numpy": ours}, None)
    run.ready({"numpy": ours}, "haswell")
    run.ready({"numpy": SimpleNamespace(missing="", blas={})}, "Zen")  # it can't be told
    with pytest.raises(
        SystemExit, match=r"^--openblas-core: found 'SkylakeX', but NumPy's BLAS took the kernels for"
    ):
        run.ready({"numpy": ours}, "SkylakeX")
    with pytest.raises(SystemExit, match=r"^the library itself can't be imported: no$"):
        run.ready({"numpy": SimpleNamespace(missing="no", blas={})}, None)


# --- arithmetic ----------------------------------------------------------------------------------------


def test_ratios_are_those_of_common_rounds():
    assert comparisons.ratio([2.0, 6.0, None, 8.0], [1.0, 2.0, 1.0, 2.0]) == Ratio(3.0, 2.5, 3.5, 3)
    assert comparisons.ratio([None, 6.0], [1.0, 2.0]) == Ratio(3.0, 3.0, 3.0, 1)
    assert comparisons.ratio([None, 6.0], [1.0, None]) is None
    # the median of ratios, not the ratio of medians: a disturbance of a round meets both
    assert comparisons.ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]).median == 2.0


def entry(role, runtime, *seconds, peak=None):
    return {"role": role, "runtime": runtime, "seconds": list(seconds), "bytes": 2_000_000, "peak": peak}


def record(*goals, dtype="float64", **more):
    return {
        "name": "a case",
        "dtype": dtype,
        "goals": [vars(goal) for goal in goals],
        "entrants": {"slow one": ["peer", "scipy"], "absent one": ["peer", "autograd"]},
        "skipped": {"slow one": "a call takes long"},
        "contestants": {
            "a": entry("ours", "numpy", 1.0, 1.1, 0.9, peak=3_000_000),
            "b": entry("ours", "numpy", 2.0, 2.0, 2.0),
            "jit": entry("peer", "jax", 3.0, 3.0, 3.0, peak=4_000_000),
            "eager": entry("peer", "torch", 1.5, 1.5, 1.5),
            "products": entry("floor", "numpy", 0.5, 0.5, 0.5),
        },
        **more,
    }


def test_each_goal_is_judged_against_the_fastest_that_it_names():
    lines = comparisons.compare_case(
        record(
            Goal("peer", 1.2),
            Goal("jax", 3.5),
            Goal("floor", 0.4),
            Goal(seconds=0.5),
            Goal("peer", 1.0, ours="b"),
            Goal("slow one", 2),
            Goal("autograd"),
        )
    )
    assert [(line.ours, line.theirs, line.met) for line in lines] == [
        ("a", "eager", True),
        ("a", "jit", False),
        ("a", "products", True),
        ("a", "", False),
        ("b", "eager", False),
        ("a", "slow one", None),
        ("a", "autograd", None),
    ]
    assert lines[0].ratio.median == 1.5
    assert [line.behind for line in lines] == [False, False, False, False, True, False, False]
    assert not any(line.they_win for line in lines)  # "b" is not the fastest of ours
    assert [line.reason for line in lines[5:]] == [
        "not measured; slow one: a call takes long",
        "not installed",
    ]
    table = tables.comparison_table(lines)
    assert (
        "| a case | `a` | 1 s (900 ms) | eager | 1.5 s (1.5 s) | 1.5 (1.43 to 1.58) | 1.67 | ≥ 1.2 | met |"
        in table
    )
    assert "**missed**; another of ours is faster |" in table
    assert tables.summary(lines, [record()]) == (
        "2 of 5 goals are met. 1 goals could not be measured. "
        "In none of 1 cases a peer is faster than the fastest of ours."
    )


def bounded(floor, *goals, **more):
    """Return a record whose floor takes so many seconds, where the peers take 1.5 and 3."""
    found = record(*goals)
    found["contestants"]["products"] = entry("floor", "numpy", floor, floor, floor)
    for name, seconds in more.items():
        role, runtime = {"a": ("ours", "numpy"), "xla": ("products", "jax")}[name]
        found["contestants"][name] = entry(role, runtime, seconds, seconds, seconds)
    return found


def test_where_the_floor_is_nearly_all_level_is_the_goal_of_any_row_with_a_peer():
    goals = (Goal("peer", 1.4), Goal("torch", 0.95), Goal("jax", 1.4), Goal("floor", 0.85))
    lines = comparisons.compare_case(bounded(1.4, *goals, a=1.5))
    assert [(line.goal, line.met) for line in lines] == [
        ("≥ 0.97 (level: the floor is 93 % of theirs)", True),
        ("≥ 0.95", True),  # a goal that asks for less stays
        ("≥ 1.4", True),  # of a peer that does more than products
        ("≥ 0.9 (level)", True),
    ]
    below = comparisons.compare_case(bounded(1.2, *goals, a=1.3))  # 80 %
    assert [line.goal for line in below] == ["≥ 1.4", "≥ 0.95", "≥ 1.4", "≥ 0.85"]


def test_the_goal_level_brings_that_of_the_floor():
    (peer, floor) = comparisons.compare_case(bounded(1.4, Goal("peer", 1.4), a=1.6))
    assert (peer.met, floor.goal, floor.ratio.median, floor.met) == (
        False,
        "≥ 0.9 (level)",
        pytest.approx(0.875),
        False,
    )
    (shown,) = comparisons.compare_case(bounded(1.4, Goal("peer"), a=1.6))  # no goal, none is added
    assert shown.goal == ""


def test_a_floor_below_which_ours_is_does_not_excuse():
    goal = Goal("peer", 1.4)
    assert comparisons.compare_case(bounded(1.4, goal, a=1.2))[0].goal == "≥ 1.4"  # more was bought
    asked = comparisons.compare_case(bounded(1.4, goal, Goal("floor", 2.4), a=1.5))
    assert [line.goal for line in asked] == ["≥ 1.4", "≥ 2.4"]  # dead units are left out of a dense floor
    # NumPy's products are slower than another library's: these are what bounds
    assert comparisons.compare_case(bounded(1.4, goal, a=1.5, xla=0.9))[0].goal == "≥ 1.4"
    assert comparisons.compare_case(bounded(2.0, goal, a=1.5, xla=1.4))[0].goal.startswith("≥ 0.97 (level")


def test_the_summary_counts_cases_in_which_the_fastest_of_ours_loses():
    lost, level = bounded(0.5, Goal("peer"), a=1.6), bounded(1.4, Goal("peer"), a=1.52)
    for known in (lost, level):
        known["contestants"].pop("b")
    records = [lost, level | {"name": "another"}]
    lines = [line for known in records for line in comparisons.compare_case(known)]
    assert [(line.they_win, line.level) for line in lines] == [(True, False), (False, True)]
    assert tables.summary(lines, records) == (
        "In 1 of 2 cases a peer is faster than the fastest of ours: a case (eager, 0.938). "
        "Level (at least 0.97), where the floor is nearly all of the peer's time: another (eager, 0.987)."
    )
    table = tables.comparison_table(lines)
    assert "| the peer wins |" in table
    assert "| level |" in table


def test_ours_into_a_fresh_array_is_told_by_the_call():
    known = record(Goal("peer", ours="fresh"), Goal("peer"))
    for name, seconds in (("f(x, out)", 0.1), ("f.dense(out=out)", 0.1), ("f(x)", 0.2)):
        known["contestants"][name] = entry("ours", "numpy", seconds, seconds, seconds)
    assert [line.ours for line in comparisons.compare_case(known)] == ["f(x)", "f(x, out)"]
    named = {name for case in CASES for name in case.family.contestants}
    assert {name for name in named if comparisons.INTO.search(name)} == {
        name for name in named if "out)" in name
    }


def test_ours_without_an_engine_is_shown_beside():
    known = record(Goal("peer", 1), Goal("peer", ours="alone"))
    known["contestants"]["f(engine='numba')"] = entry("ours", "numpy", 0.1, 0.1, 0.1)
    assert [(line.ours, line.best) for line in comparisons.compare_case(known)] == [
        ("f(engine='numba')", True),
        ("a", False),
    ]


def test_times_under_load_are_beside_the_calm_ones():
    goals = (Goal("loaded", 1 / 3, loaded=True), Goal("peer", 1.2, loaded=True))
    known = record(*goals)
    assert [line.reason for line in comparisons.compare_case(known)] == ["not measured under load"] * 2
    known["contestants"]["a"]["loaded"] = [2.0, 2.5, 9.0]
    known["contestants"]["eager"]["loaded"] = [2.0, 2.5, 9.0]
    own, peer = comparisons.compare_case(known)
    assert (own.case, own.theirs, own.our_seconds, own.ratio.median, own.met) == (
        "a case, under load",
        "the same, calm",
        2.5,
        0.4,
        True,
    )
    assert (peer.ratio.median, peer.met) == (1.0, False)
    drawn = pictures.ratio_figure([own, peer, *comparisons.compare_case(record(Goal("floor", 1)))])
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()][:2] == [
        "a case, under load  ·  the same, calm",
        f"{peer.case}  ·  {peer.theirs}",
    ]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are listed by Linux's /proc")
def test_busy_cores_are_free_again():
    with measuring.busy_cores():
        assert [child for child in children() if measuring.BUSY in child]
    assert not [child for child in children() if measuring.BUSY in child]


def children():
    """Return the command lines of this process's children."""
    listed = Path("/proc/self/task").glob("*/children")
    numbers = {number for path in listed for number in path.read_text().split()}
    return [Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ") for number in numbers]


def test_a_process_that_ends_costs_its_contestants_alone(tmp_path):
    worker = workers.Worker("numpy", sys.executable, 1)
    try:
        worker.process.kill()
        worker.process.wait()
        with pytest.raises(workers.ContestantError, match=r"the process of numpy (has )?ended"):
            worker.ask("answer", contestant="x", path=str(tmp_path / "x.npy"))
        assert worker.ask("make", case=CASES[0].name, dtype="float64")["made"]
    finally:
        worker.close()


def test_when_time_is_up_the_rest_is_left_out_and_said(tiny_run, tmp_path, capsys):
    call = ["--only", "a point, 2-3-4-1 relu", "--minutes", "0", "--threads", "1", "--output", str(tmp_path)]
    assert tiny_run(call) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["cases"] == []
    assert results["left_out"] == ["∂F/∂x: a point, 2-3-4-1 relu, float64", "growth"]
    assert "left out, for time was up: ∂F/∂x: a point, 2-3-4-1 relu" in tables.machine_text(results)


def test_a_comparison_without_a_goal_is_not_said_twice():
    lines = comparisons.compare_case(record(Goal("torch"), Goal("peer", 1.2), Goal("peer"), Goal("jax")))
    assert [(line.theirs, line.goal) for line in lines] == [("eager", "≥ 1.2"), ("jit", "")]


def test_a_case_with_a_wrong_answer_has_no_ratio_and_meets_no_goal():
    (line,) = comparisons.compare_case(record(Goal("peer", 1.2), wrong="jit: differs") | {"contestants": {}})
    assert (line.ratio, line.met) == (None, False)
    assert "a wrong answer, nothing is timed: jit: differs" in tables.comparison_table([line])


def test_memory_is_shown_beside_the_answer():
    assert "| a case | `a` | 2 MB | 3 MB | 1.50 | , eager |".replace(" , eager |", "") in tables.memory_table(
        [record(Goal())]
    )
    assert "2 MB/s | 4 MB/s |" in tables.memory_table([record(Goal())])


def test_slow_contestants_take_part_in_rounds_that_all_faster_ones_share():
    effort = measuring.Effort(rounds=21, block=0.1, most=2.0, least=1)
    once = {"ours": 0.01, "quick": 0.02, "laggard": 0.2, "far": 0.5, "slowest": 5.0}
    roles = dict.fromkeys(once, "peer") | {"ours": "ours"}
    part = measuring.participation(once, roles, effort)
    assert [len(part[name]) for name in once] == [20, 20, measuring.FEW_ROUNDS, measuring.FEWEST_ROUNDS, 1]
    assert part["slowest"] <= part["far"] < part["laggard"] < part["quick"] <= part["ours"]
    short = measuring.participation({"quick": 1e-6, "far": 1e-4}, roles, effort)
    assert len(short["far"]) == measuring.FEW_ROUNDS  # a block is cheap
    named = measuring.participation(once, roles, effort, {"far", "laggard"})
    assert (len(named["far"]), len(named["laggard"])) == (
        4,
        10,
    )  # a goal is about them: as many as `most` allows
    assert len(measuring.participation(once, roles, effort._replace(least=3))["slowest"]) == 3


def test_predicted_times_have_the_speed_of_the_largest_case():
    points = [(k, {"seconds": [s]}, {"multiplications": n}) for k, s, n in ((1, 5.0, 10), (2, 8.0, 40))]
    assert pictures.predicted_seconds(points) == [2.0, 8.0]


def test_the_cost_model_of_a_series():
    said = scaling.predicted(Network((2, 3, 4)), "net.jacobian(x).dense()")
    assert said["multiplications"] == 3 * 2 + 4 * 3 * 2  # diag · W, then W · that
    assert said["answer"] == 4 * 2 * 8
    assert (
        scaling.predicted(Network((2, 3, 4), points=5), "net.jacobian(x).dense()")["answer"] == 5 * 4 * 2 * 8
    )
    chain = scaling.DenseChain(3)
    costs = [scaling.predicted(chain, name)["multiplications"] for name in scaling.PRODUCT.contestants]
    assert costs[0] == min(costs)


# --- what is compared before it is timed -----------------------------------------------------------------


def test_comparing_refuses_other_numbers_shapes_and_nan():
    expected = np.array([1.0, 1000.0])
    assert workers.compare("x", expected + 1e-8, expected, 1e-10) == pytest.approx(1e-11, rel=1e-2)
    with pytest.raises(
        workers.WrongAnswerError, match=r"^x: differs from the expected answer by 1\.0e-06 of its"
    ):
        workers.compare("x", expected + 1e-3, expected, 1e-10)
    with pytest.raises(workers.WrongAnswerError, match=r"^x: differs from the expected answer by nan"):
        workers.compare("x", np.array([1.0, np.nan]), expected, 1e-10)
    with pytest.raises(workers.WrongAnswerError, match=r"^x: an answer of shape \(1, 2\), expected \(2,\)$"):
        workers.compare("x", expected[None], expected, 1e-10)


class InProcess:
    """A worker without a process, which remembers what it was asked."""

    def __init__(self):
        self.server, self.asked, self.spent = workers.Server("numpy"), [], Counter()

    def ask(self, do, **request):
        self.asked.append(do)
        try:
            return getattr(self.server, do)(**request)
        except Exception as error:
            raise workers.ContestantError(workers.describe(error)) from error


def planted(answer):
    """Return a case in which ours gives `answer`, a peer the right one, and another can't be made or called."""
    family = Family("planted", lambda problem: np.ones(3))
    family.contestant("ours", role="ours")(lambda problem: lambda: answer)
    family.contestant("right")(lambda problem: lambda: np.ones(3))
    family.contestant("broken")(lambda problem: lambda: np.ones(3).no_such_method())
    family.contestant("unbuilt")(lambda problem: np.no_such_function)
    family.contestant("slow", slow=lambda problem: True)(lambda problem: lambda: np.ones(3))
    return Case(family, "case", Network((2, 2)), (Goal("peer", 1e-9),))


def test_a_wrong_answer_stops_the_timing(monkeypatch):
    case, worker = planted(np.array([1.0, 1.0, 1.001])), InProcess()
    monkeypatch.setitem(BY_NAME, case.name, case)
    found = measuring.measure(case, "float64", {"numpy": worker}, TINY)
    assert found["wrong"].startswith("ours: differs from the expected answer by 1.0e-03")
    assert "time" not in worker.asked
    assert found["contestants"] == {}


def test_right_answers_are_timed_and_reasons_are_kept(monkeypatch):
    case, worker = planted(np.ones(3)), InProcess()
    monkeypatch.setitem(BY_NAME, case.name, case)
    found = measuring.measure(case, "float64", {"numpy": worker}, TINY)
    assert "wrong" not in found
    assert worker.asked.index("time") > max(k for k, do in enumerate(worker.asked) if do == "answer")
    assert list(found["contestants"]) == ["ours", "right", "slow"]
    assert [sum(s is not None for s in entry["seconds"]) for entry in found["contestants"].values()] == [
        3,
        3,
        1,
    ]
    assert found["skipped"] == {
        "unbuilt": "AttributeError: module 'numpy' has no attribute 'no_such_function'",
        "broken": "AttributeError: 'numpy.ndarray' object has no attribute 'no_such_method'",
    }
    assert comparisons.compare_case(found)[0].met is True
    quick = measuring.measure(case, "float64", {"numpy": worker}, TINY._replace(slow=False))
    assert quick["skipped"]["slow"] == "a call takes long: measured once, in a full run only"


def test_what_is_slow_is_called_seldom(monkeypatch):
    case, worker = planted(np.ones(3)), InProcess()
    monkeypatch.setitem(BY_NAME, case.name, case)
    calls = []

    def sleepy(problem):
        return lambda: calls.append(time.sleep(2 * TINY.most)) or np.ones(3)

    case.family.contestant("sleepy")(sleepy)
    found = measuring.measure(case, "float64", {"numpy": worker}, TINY)["contestants"]
    # for the answer, which may compile, and for the time: neither again nor for its memory
    assert len(calls) == 2
    assert [seconds is not None for seconds in found["sleepy"]["seconds"]].count(True) == 1
    assert found["sleepy"]["peak"] is None
    assert found["right"]["peak"] is not None
    measuring.measure(case, "float64", {"numpy": worker}, TINY._replace(least=2))
    assert len(calls) == 2 + 1 + 1 + 2  # the answer, one call to know, as many rounds as asked for


def test_where_measuring_takes_time_is_kept(monkeypatch):
    case, worker = planted(np.ones(3)), InProcess()
    monkeypatch.setitem(BY_NAME, case.name, case)
    worker.spent["time"] = 7.0  # of earlier cases
    worker.ask = lambda do, **request: worker.spent.update({do: 1.0}) or InProcess.ask(worker, do, **request)
    took = measuring.measure(case, "float64", {"numpy": worker}, TINY)["took"]
    assert took["answer"] == worker.asked.count("answer")
    assert took["time"] == worker.asked.count("time")
    assert set(took) >= {"make", "memory", "all"}


@pytest.mark.parametrize("threads", [False, True])
def test_a_block_of_several_threads_is_waited_out(threads, monkeypatch):
    case, worker, waited = planted(np.ones(3)), InProcess(), []
    monkeypatch.setitem(BY_NAME, case.name, case)
    monkeypatch.setattr(measuring.time, "sleep", waited.append)
    monkeypatch.setattr(workers.Server, "time", lambda *_, **__: {"seconds": 1e-4, "threads": threads})
    measuring.measure(case, "float64", {"numpy": worker}, TINY)
    assert set(waited) == ({measuring.SETTLE} if threads else set())


def test_other_threads_of_a_block_are_seen():
    server = workers.Server("numpy")

    def busy(seconds=0.02):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def two():
        other = threading.Thread(target=busy)
        other.start()
        busy()
        other.join()

    server.made = {"one": busy, "two": two}
    assert [server.time(name, calls=1, warm=False)["threads"] for name in server.made] == [False, True]


def test_peaks_of_memory_are_seen():
    def call():
        inner = np.ones(1_000_000)
        return inner - inner[0]

    assert 16_000_000 <= workers.traced_peak(call) < 17_000_000
    resident = workers.resident_peak(call)
    assert resident is None or 15_000_000 < resident < 24_000_000


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def tiny_run(monkeypatch, tmp_path):
    """The command with blocks of no length, ours alone, and a peer whose interpreter has no packages."""
    monkeypatch.setattr(run, "QUICK", TINY)
    monkeypatch.setattr(measuring, "SETTLE", 0.0)
    monkeypatch.setattr(run, "RUNTIMES", ("numpy", "jax"))
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    return lambda call: run.main([*call, "--python", f"jax={bare}"])


def test_the_command_measures_writes_and_redraws(tiny_run, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    call = [
        "--only",
        "a point, 2-3-4-1 relu",
        "--quick",
        "--threads",
        "1",
        "--no-scaling",
        "--output",
        str(tmp_path),
    ]
    assert tiny_run(call) == 0
    printed = capsys.readouterr().out
    assert "jax is not installed: ModuleNotFoundError" in printed
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    (only,) = results["cases"]
    assert only["contestants"]["backprop.compile(net)(x)"]["role"] == "ours"
    assert len(only["contestants"]["least matrix products by NumPy"]["seconds"]) == TINY.rounds
    assert results["machine"]["threads"] == 1
    written = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "not installed" in written  # no peer took part
    (tmp_path / "speed.md").unlink()
    assert tiny_run([*call, "--redraw"]) == 0
    assert (tmp_path / "speed.md").read_text(encoding="utf-8") == written
    assert (tmp_path / "speed.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_command_lists_the_cases_that_it_would_measure(capsys):
    with pytest.raises(SystemExit):
        run.main(["--only", "256 × 20", "--list"])
    listed = capsys.readouterr().out.splitlines()
    assert 0 < len(listed) < len(run.CASES)
    assert all("256 × 20" in name for name in listed)


def test_the_command_refuses_what_it_does_not_know(capsys, tmp_path):
    there = tmp_path / "file"
    there.touch()
    for call, sentence in (
        (["--only", "no such case"], "--only: found no case that matches no such case; --list prints them"),
        (
            ["--python", "jax"],
            "found 'jax', expected one of numpy, scipy, jax, torch, autograd, numdifftools, casadi, =",
        ),
        (
            ["--python", "jax=no/such/python"],
            "found 'no/such/python' for jax, expected an interpreter that can be run",
        ),
        (["--threads", "0"], "--threads: found '0', expected 1 to"),
        (["--threads", "two"], "--threads: found 'two', expected 1 to"),
        *(
            (
                ["--minutes", found],
                f"--minutes: found '{found}', expected a number of at least 0; --thorough has",
            )
            for found in ("-3", "nan", "inf", "ten")
        ),
        (["--redraw", "--output", str(tmp_path)], "results.json, expected what a run without --redraw has"),
        (["--output", str(there / "inside")], "expected a directory to write to (Not a directory)"),
    ):
        with pytest.raises(SystemExit):
            run.main(call)
        assert sentence in capsys.readouterr().err


def test_a_wrong_answer_is_an_exit_status(monkeypatch, tmp_path):
    results = {
        "date": "today", "effort": TINY._asdict(), "scaling": [],
        "machine": {
            "processor": "a", "cores": 1, "threads": 1, "system": "b", "versions": {}, "missing": {"jax": "no"},
        },
        "cases": [record(Goal("peer", 2), wrong="x") | {"contestants": {}}],
    }  # fmt: skip
    monkeypatch.setattr(run, "measured", lambda options, kept: results)
    assert run.main(["--output", str(tmp_path)]) == 1
    assert "- not installed: jax (no)" in (tmp_path / "speed.md").read_text(encoding="utf-8")


def test_the_table_stands_between_the_markers_of_the_page(monkeypatch, tmp_path):
    assert (
        run.between_markers(f"a\n{run.BEGIN}\nold\n{run.END}\nb", "new")
        == f"a\n{run.BEGIN}\n\nnew\n\n{run.END}\nb"
    )
    with pytest.raises(SystemExit, match="expected the markers"):
        run.between_markers("no markers", "new")
    page = (run.DOCUMENTATION / "speed.md").read_text(encoding="utf-8")
    (tmp_path / "speed.md").write_text(page, encoding="utf-8")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "speed.svg").write_text("<svg/>", encoding="utf-8")
    monkeypatch.setattr(run, "DOCUMENTATION", tmp_path)
    monkeypatch.setattr(run, "draw", lambda results, directory: None)
    monkeypatch.setattr(run, "document", lambda results: "new table")
    run.write_docs({})
    written = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert (
        f"{run.BEGIN}\n\nnew table\n\n### Ratios and goals\n\n![Ratios and goals](images/speed.svg)"
        in written
    )
    assert "images/scaling.svg" not in written


def test_growth_is_drawn_beside_the_cost_model():
    pytest.importorskip("matplotlib")
    said = {"multiplications": 10, "largest": 80, "answer": 40}
    cases = [
        SimpleNamespace(contestants={"ours": {"seconds": [k * 1e-3], "peak": 100 * k, "predicted": said}})
        for k in (1, 2)
    ]
    series = {"title": "width", "axis": "units", "values": [1, 2], "cases": [vars(case) for case in cases]}
    above, below = pictures.growth_figure([series]).axes
    assert above.get_ylabel() == "seconds a call"
    assert [list(line.get_ydata()) for line in below.lines] == [[100, 200], [80, 80], [40, 40]]
