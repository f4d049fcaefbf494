"""Sweeps from shapes alone against the chains of networks with numbers, and against counts of one's own."""

import csv
import html
import io
import re
from itertools import pairwise

import numpy as np
import pytest

from backprop import MLP, Chain, NetworkShape, compare, sweep
from backprop.cli import main
from backprop.families.table import COLUMNS, SHORT


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("loss", [False, True])
def test_a_shape_has_the_chains_of_a_network_with_numbers(batch, loss):
    sizes = (5, 4, 3, 2)
    net = MLP.initialize(sizes, activation="tanh", loss="squared-error", seed=0)
    x = np.ones((batch, 5)) if batch > 1 else np.ones(5)
    target = np.zeros((batch, 2)) if batch > 1 else np.zeros(2)
    made = net.loss_function(target, **({"batched": True} if batch > 1 else {})) if loss else None
    shape = NetworkShape(sizes, "tanh", batch, loss)
    assert shape.targets == ("input", *net.parameters)
    assert shape.parameters == net.parameter_count
    for by in shape.targets:
        chain = Chain.from_network(net, x, made, by=by, batched=batch > 1)
        assert shape.chain(by).specs == chain.specs, by
        for strategy in ("left", "right", "optimal"):
            assert shape.chain(by).plan(strategy).cost == chain.plan(strategy).execute().cost


def test_the_forward_cost_is_that_of_counted_scalars():
    class Counting:
        multiplications = additions = 0

        def __mul__(self, other):
            Counting.multiplications += 1
            return self

        def __add__(self, other):
            Counting.additions += 1
            return self

    sizes, points = (4, 3, 5), 2
    for _ in range(points):
        for d, h in pairwise(sizes):
            for _ in range(h):
                terms = [Counting() * Counting() for _ in range(d)]
                total = terms[0]
                for term in [*terms[1:], Counting()]:  # the bias last
                    total = total + term
    cost = NetworkShape(sizes, batch=points).forward
    assert (cost.multiplications, cost.additions) == (Counting.multiplications, Counting.additions)
    # what counters of matrix products report, 2 flops for each multiplication: 64-32-16-10 at one point
    assert 2 * NetworkShape((64, 32, 16, 10)).forward.multiplications == 5440


def test_rows_hold_what_a_comparison_of_each_network_says():
    found = sweep(
        "mlp", widths=[4, 16], depths=[2, 3], batches=[1, 5], inputs=16, outputs=8, by=["input", "0.W"]
    )
    assert len(found) == 16
    for row in found.rows:
        sizes = tuple(map(int, row["sizes"].split("-")))
        table = compare(NetworkShape(sizes, "tanh", row["batch"]).chain(row["by"]))
        for strategy in ("left", "right", "optimal"):
            assert row[f"{strategy}_multiplications"] == table[strategy].multiplications
            assert row[f"{strategy}_additions"] == table[strategy].additions
            assert row[f"{strategy}_peak"] == table[strategy].peak_elements


def test_what_it_takes_to_form_the_dense_gradient_of_the_first_weights():
    (row,) = sweep("mlp", widths=[32], depths=[2], inputs=64, outputs=10, by="0.W", loss=True).rows
    assert row["dense_multiplications"] == 32 * 64  # δ times the input, entry by entry


def test_where_left_and_right_change_places():
    found = sweep("mlp", widths=[4, 8, 16, 32], depths=[2], inputs=None, outputs=8)
    assert [str(line) for line in found.crossovers()] == [
        "depth 2, batch 1, tanh, input: right up to width 4, left = right from 8 to 8, left from 16"
    ]
    (line,) = found.crossovers()
    assert line.runs == (("right", 4, 4), ("left = right", 8, 8), ("left", 16, 32))
    assert found.crossovers("depth") == ()


def test_a_bottleneck_has_its_optimum_in_the_middle():
    for row in sweep("bottleneck", widths=[32, 64], depths=[4, 6]).rows:
        assert row["cheapest"] == "another"
        chain = NetworkShape(tuple(map(int, row["sizes"].split("-")))).chain()
        narrow = min(range(1, len(chain)), key=lambda place: chain.specs[place].shape[0])
        tree = chain.plan("optimal").tree
        first_right = tree[1]
        while isinstance(first_right, tuple):
            first_right = first_right[0]
        assert chain.specs[first_right].shape[0] == chain.specs[narrow].shape[0], (
            "both sides meet at the narrow layer"
        )


ROWS = sweep("mlp", widths=[4, 8], depths=[1, 2, 3], batches=[1, 3], outputs=3, by=["input", "0.W"])


def typed(cells, names):
    """Return texts as the values that they were of."""
    texts = {"family", "activation", "by", "sizes", "cheapest", "bracketing"}
    floats = {"left_ratio", "right_ratio"}
    return {
        name: cell if name in texts else float(cell) if name in floats else int(cell.replace(",", ""))
        for name, cell in zip(names, cells, strict=True)
    }


def same(found, names):
    assert len(found) == len(ROWS.rows)
    for row, expected in zip(found, ROWS.rows, strict=True):
        for name in names:
            wanted = expected[name]
            if isinstance(wanted, float):
                assert row[name] == pytest.approx(wanted, rel=5e-3, nan_ok=True)  # three digits
            else:
                assert row[name] == wanted, name


def test_csv_and_parquet_hold_every_row_and_column(tmp_path):
    rows = list(csv.DictReader(io.StringIO(ROWS.to_csv())))
    assert [*rows[0]] == [*COLUMNS]
    same([typed(row.values(), COLUMNS) for row in rows], COLUMNS)
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(ROWS.to_parquet(tmp_path / "a.parquet"))
    assert table.to_pylist() == list(ROWS.rows)


@pytest.mark.parametrize("every", [False, True])
def test_markdown_and_latex_are_read_back_equal(every):
    names = [*COLUMNS] if every else [*SHORT]
    lines = ROWS.to_markdown(every=every).split("\n\n")[0].splitlines()
    same([typed([cell.strip() for cell in line.strip("|").split("|")], names) for line in lines[2:]], names)
    text = ROWS.to_latex(every=every)
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    plain = [line.removesuffix(r" \\").replace(r"$\cdot$", "·").replace(r"\_", "_") for line in body]
    same([typed([cell.strip() for cell in line.split(" & ")], names) for line in plain], names)


def test_the_page_is_read_back_equal_and_asks_no_other_host():
    page = ROWS.to_html()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    names = [name for name in COLUMNS if name != "family"]
    body = page.rpartition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in body.split("<tr>")[1:]]
    same([typed([html.unescape(re.sub("<[^>]*>", "", cell)) for cell in row], names) for row in rows], names)


def test_lines_of_the_grid_are_where_the_cheapest_order_changes():
    found = sweep("mlp", widths=[4, 8, 16, 32], depths=[2], inputs=None, outputs=8)
    picture = found.picture()
    # right | left = right | left: two changes, each between two cells of one row
    (cheapest,) = re.findall(
        r'<path d="([^"]*)" stroke="#0b1016"[^>]*/></?', picture.partition("width 4")[2]
    ) or [""]
    assert cheapest.count("v24") == 2
    lines = found.picture("lines")
    assert lines.count("left = right, between") == 2


def test_batches_in_which_nothing_changes_are_one_grid():
    alike = sweep("mlp", widths=[4, 8], depths=[2, 3], batches=[1, 2, 5], outputs=3)
    page = alike.to_html()
    assert page.count("batch 1, 2, 5 (alike)") >= 1
    assert page.count('aria-label="Which strategy is the cheapest, by width and depth"') == 1


def test_a_thousand_networks_say_where_left_right_and_optimal_change_places():
    found = sweep("fan", widths=range(8, 168, 8), depths=range(2, 7), batches=[1, 32], inputs=16, outputs=64,
                  by=["input", "0.W", "0.b", "2.W", "2.b"])  # fmt: skip
    assert len(found) == 1000
    assert {"right", "left = right", "another"} <= {row["cheapest"] for row in found.rows}
    page = found.to_html()
    for line in found.crossovers():
        assert str(line) in html.unescape(page)
    assert "200 networks, 5 derivatives of each" in page, "a network by five derivatives is one"
    assert repr(found) == "<Sweep of 200 networks, 5 derivatives of each>"


def test_a_thousand_networks_of_widths_depths_and_batches_reach_all_orders():
    found = sweep("fan", widths=range(8, 168, 8), depths=range(2, 12), batches=[1, 2, 8, 32, 128], inputs=64,
                  outputs=64, by="0.W")  # fmt: skip
    assert {row["cheapest"] for row in found.rows} == {"left", "right", "left = right", "another"}
    page = found.to_html()
    assert "1,000 networks</h1>" in page
    swapped = re.findall(r"<title>left = right, between (\d+) and (\d+)</title>", page)
    rows = {(row["width"], row["depth"]): row for row in found.rows if row["batch"] == 1}
    signs = [
        np.sign(rows[width, 11]["left_multiplications"] - rows[width, 11]["right_multiplications"])
        for width in range(8, 168, 8)
    ]
    places = [(8 * k, 8 * k + 8) for k in range(1, 20) if signs[k - 1] != signs[k]]
    assert places
    assert set(places) <= {(int(low), int(high)) for low, high in swapped}


def test_words_in_the_picture_of_costs_do_not_cover_each_other():
    found = sweep(widths=range(8, 168, 8), depths=[11], inputs=64, outputs=64, by="0.W")
    picture = found.picture("lines")
    assert picture.count("left = right, between") == 2
    assert picture.count(">left = right</text>") == 1


def test_the_page_of_a_bottleneck_shows_its_optimum_in_the_middle():
    found = sweep("bottleneck", widths=[64], depths=[6])
    (row,) = found.rows
    assert (row["cheapest"], row["meeting"], row["sizes"]) == ("another", 8, "64-64-64-8-64-64-64")
    assert "whose halves meet at the layer of 8 units" in found.to_html()


@pytest.mark.filterwarnings("ignore")  # of dask's own
def test_a_cluster_gives_the_rows_of_one_process():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        there = sweep(widths=[4, 8], depths=[2, 3], scheduler=cluster.scheduler_address)
    assert there.rows == sweep(widths=[4, 8], depths=[2, 3]).rows


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch, capsys):
    pytest.importorskip("distributed")
    from verification.grading import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with pytest.raises(ValueError, match=r"dask: found no scheduler at 'tcp://127.0.0.1:9', expected one"):
        sweep(widths=[4], depths=[2], scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="jobs, scheduler: found 2 and 'tcp://a:1', expected one of them"):
        sweep(widths=[4], jobs=2, scheduler="tcp://a:1")
    with pytest.raises(TypeError, match="scheduler: found 3, expected an address"):
        sweep(widths=[4], scheduler=3)
    assert main(["sweep", "--dask", "tcp://a:1", "--jobs", "2"]) == 2
    assert "--dask: found 'tcp://a:1' with --jobs 2, expected" in " ".join(capsys.readouterr().err.split())
    assert main(["sweep", "--widths", "4", "--depths", "2", "--dask", "tcp://127.0.0.1:9"]) == 2
    assert "--dask: found no scheduler at" in " ".join(capsys.readouterr().err.split())


def test_processes_give_the_rows_of_one(tmp_path):
    pytest.importorskip("joblib")
    one, two = (sweep(widths=[4, 8], depths=[2, 3], jobs=jobs) for jobs in (1, 2))
    assert one.rows == two.rows


def test_a_family_of_ones_own():
    found = sweep(lambda width, depth: [width] * depth + [1], widths=[3], depths=[2])
    assert found.rows[0]["sizes"] == "3-3-1"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"family": "mpl"},
            "family: found 'mpl', expected one of 'mlp', 'bottleneck', 'funnel', 'fan', or a function",
        ),
        ({"widths": 8}, "widths: found 8, expected a list of integers such as"),
        ({"widths": []}, "widths: found none, expected at least one"),
        ({"depths": [0]}, r"depths\[0\]: found 0, expected an integer of at least 1"),
        ({"activations": ["tan"]}, "activations: found 'tan', expected one of"),
        ({"by": "7.W"}, "by: found '7.W', expected one of 'input', '0.W', '0.b'"),
        ({"family": lambda w, d: 3}, "family: found 3 of width 8 and depth 2, expected sizes"),
        ({"family": lambda w, d: [w, 0]}, r"sizes\[1\]: found 0"),
        (
            {"family": lambda w, d: [w, 1], "inputs": 3},
            "inputs, outputs: found one with a function as the family",
        ),
    ],
)
def test_what_is_no_sweep_is_refused_by_name(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        sweep(**arguments)


def test_the_command_writes_the_table_and_the_page(tmp_path, capsys):
    call = ["sweep", "--family", "bottleneck", "--widths", "8..24..8", "--depths", "3", "--batches", "1,4"]
    assert main([*call, "--csv"]) == 0
    assert capsys.readouterr().out.count("\n") == 7
    assert main([*call, "--output", str(tmp_path)]) == 0
    assert {"sweep.html", "sweep.csv", "sweep.md", "sweep.tex"} <= {path.name for path in tmp_path.iterdir()}
    for arguments, sentence in (
        (["--widths", "8..4"], "--widths: found the range '8..4', expected at most 10,000 sizes that grow"),
        (
            ["--widths", "a"],
            "--widths: found 'a', expected integers such as 8,16,32 or a range such as 8..64..8",
        ),
        (["--family", "x"], "--family: found 'x'"),
        (["--csv", "--latex"], "--csv, --markdown, --latex: found more than one"),
        (["--jobs", "1,2"], "--jobs: found '1,2', expected one integer"),
        (["--jobs", "0"], "--jobs: found 0, expected an integer of at least 1"),
    ):
        assert main(["sweep", *arguments]) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_halves_meet_at_the_columns_of_the_left_one():
    sizes = {4: (9, 4, 6, 2), 5: (2, 6, 4, 9), 6: (7, 7)}
    found = sweep(lambda width, depth: sizes[width], widths=[4, 5, 6], depths=[3], activations=["none"])
    for row in found.rows:
        first = row["bracketing"].startswith("(")  # (W₂·W₁)·W₀ meets at the first hidden layer
        own = sizes[row["width"]]
        assert row["meeting"] == (0 if len(own) == 2 else own[1] if first else own[2])
    assert [row["meeting"] for row in found.rows] == [4, 4, 0]
