"""The tables of a report, made once from its data; the page, Markdown and LaTeX show the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from backprop.compare import format_seconds
from backprop.ratios import format_ratio
from backprop.report.machine import MatrixProduct
from backprop.tables import latex_table, markdown_table
from jacobians.markup import Html, Keyed, Marked, escaped, html_table

Data = Mapping[str, Any]


class Table(NamedTuple):
    """A header, rows of texts, the columns of numbers, and what stands above."""

    header: list[str]
    rows: list[list[str]]
    numeric: tuple[int, ...]
    caption: str

    def html(self) -> Html:
        """Return the table for a page."""
        return html_table(self.header, self.rows, self.numeric, caption=self.caption, page=True)

    def markdown(self) -> str:
        """Return the table as Markdown, without its caption; of equal heads of rows the first is written."""
        return markdown_table(self.header, self._once(), self.numeric)

    def latex(self) -> str:
        """Return the table with the rules of booktabs; a long one goes on on the next page."""
        return latex_table(self.header, self._once(), self.numeric, caption=self.caption, long=True)

    def _once(self) -> list[list[str]]:
        above = ["", *(row[0] for row in self.rows)]
        return [
            ["" if row[0] == one else row[0], *row[1:]] for row, one in zip(self.rows, above, strict=False)
        ]


def badge(verdict: str) -> Marked:
    """Return a verdict in its colour."""
    return Marked(verdict, Html(f'<span class="verdict {escaped(verdict)}">{escaped(verdict)}</span>'))


def key(strategy: str) -> Marked:
    """Return an order with the colour that it has in pictures."""
    return Marked(strategy, Html(f'<span class="key {escaped(strategy)}"></span>{escaped(strategy)}'))


def sizes(shape: Sequence[int]) -> str:
    """Return a shape as text.

    Examples
    --------
    >>> sizes([2, 3]), sizes([])
    ('2×3', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


def layer_table(data: Data) -> Table:
    """Return the structures of the Jacobians of all layers."""
    header = ["layer", "in", "out", "parameters", "by", "shape", "structure", "stored", "dense"]
    rows = [
        [layer["name"], sizes(layer["in_shape"]), sizes(layer["out_shape"]), f"{layer['parameters']:,}", own["by"],
         sizes(own["shape"]), own["label"], f"{own['stored_numbers']:,}", f"{own['dense_numbers']:,}"]
        for layer in data["layers"]
        for own in layer["jacobians"]
    ]  # fmt: skip
    last = "; the loss is the last" if data["point"]["loss"] is not None else ""
    return Table(header, rows, (3, 7, 8), f"Layers, input side first{last}.")


def forward_table(data: Data) -> Table:
    """Return what each layer costs on the way forward, and what it holds."""
    header = [
        "layer",
        "kind",
        "value",
        "parameters",
        "forward ×",
        "forward +",
        "numbers kept",
        "gradients formed ×",
    ]
    rows = []
    for own in [*data["layer_costs"]["layers"], data["layer_costs"]["total"]]:
        counts = [own[name] for name in ("forward_multiplications", "forward_additions")]
        rows.append([
            own["name"], own["kind"], "" if own["shape"] is None else sizes(own["shape"]), f"{own['parameters']:,}",
            *("–" if count is None else f"{count:,}" for count in counts), f"{own['kept']:,}",
            f"{own['dense_multiplications']:,}",
        ])  # fmt: skip
    return Table(
        header, rows, (3, 4, 5, 6, 7),
        "The network at one point on the way forward; of evaluations such as tanh nothing is counted. The last column "
        "is what it takes to write the gradients by the parameters out in full.",
    )  # fmt: skip


def check_table(data: Data) -> Table:
    """Return the verdict about every Jacobian of a layer."""
    header = ["Jacobian", "verdict", "agree", "worst entry [i, j]", "agreeing witnesses, or what is wrong"]
    rows = [
        [own["title"], badge(own["check"]["verdict"]), agreeing(own["check"]), _worst(own["check"]["worst"]),
         _remark(own["check"])]
        for layer in data["layers"]
        for own in layer["jacobians"]
    ]  # fmt: skip
    return Table(header, rows, (), "Checks of the Jacobians of the layers, each at the layer's own input.")


def witness_table(data: Data) -> Table:
    """Return what each witness says."""
    header = ["Jacobian", "witness", "says", "error", "remark"]
    rows = [
        [own["title"], witness["name"], witness["status"], _error(witness["error"]), witness["reason"]]
        for layer in data["layers"]
        for own in layer["jacobians"]
        for witness in own["check"]["witnesses"]
    ]
    return Table(header, rows, (3,), "Largest error as a fraction of the size of the entry's row.")


def cost_table(data: Data, points: int, *, brief: bool = False) -> Table:
    """Return the orders of all derivatives for so many points: predicted, counted, measured.

    A brief one is without counts, results and verdicts, which fit on no sheet of paper beside the rest.
    """
    header = ["derivative", "order", "predicted ×", "predicted +", "counted ×", "counted +", "ratio", "as one product",
              "measured", "distance", "largest intermediate", "result", "verdict"]  # fmt: skip
    product = product_of(data)
    rows = []
    for own in data["derivatives"]:
        if own["points"] != points:
            continue
        for item in own["alternatives"]:
            count, seconds = item["multiplications"], item["seconds"]
            ideal = product.time_of(count) if product and count else None
            distance = product.distance(count, seconds) if product else None
            ratio = float("inf") if item["ratio"] is None else item["ratio"]
            rows.append([
                own["title"], key(item["strategy"]), f"{count:,}", f"{item['additions']:,}",
                f"{item['counted_multiplications']:,}", f"{item['counted_additions']:,}",
                Keyed(format_ratio(ratio), ratio), _seconds(ideal), _seconds(seconds),
                "–" if distance is None else Keyed(format_ratio(distance), distance), f"{item['peak_elements']:,}",
                item["result"], badge(own["verdict"]),
            ])  # fmt: skip
    dead = max(
        (own["dead_units"]["dead"] for own in data["derivatives"] if own["points"] == points), default=0
    )
    live = f", with up to {dead:,} units in each that are dead at this point" if dead else ""
    at = "at one point" if points == 1 else f"for {points} points at once"
    numeric: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9, 10)
    if brief:
        kept = (0, 1, 2, 3, 6, 7, 8, 9, 10)
        header, numeric = [header[place] for place in kept], tuple(range(2, 9))
        rows = [[row[place] for place in kept] for row in rows]
    return Table(
        header, rows, numeric,
        f"Costs {at}. × multiplications, + additions; ratio of multiplications to the fewest. The whole chains are "
        f"counted{live}.",
    )  # fmt: skip


def training_table(data: Data) -> Table:
    """Return loss and accuracy after each epoch."""
    rows = [
        [str(own["epoch"]), f"{own['loss']:.4f}",
         "–" if own["accuracy"] is None else f"{100 * own['accuracy']:.1f} %"]
        for own in data["training"]["history"]
    ]  # fmt: skip
    return Table(["epoch", "loss", "accuracy"], rows, (0, 1, 2), "Mean loss of the training digits.")


def product_of(data: Data) -> MatrixProduct | None:
    """Return how fast the machine multiplied matrices, if that was measured."""
    found = data["matrix_product"]
    return None if found is None else MatrixProduct(found["size"], found["seconds"])


def agreeing(check: Data) -> str:
    """Return how many of the witnesses that ran agree."""
    ran = [witness for witness in check["witnesses"] if witness["status"] != "unavailable"]
    return f"{sum(witness['status'] == 'agrees' for witness in ran)} of {len(ran)}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else Keyed(format_seconds(seconds), seconds)


def _error(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return Keyed(f"{value:.1e}" if value else "0", value)


def _worst(worst: Data | None) -> str:
    if worst is None:
        return "–"
    found, expected = (f"{float(worst[name]):.10g}" for name in ("found", "expected"))
    return f"[{worst['index'][0]}, {worst['index'][1]}]: {found}, expected {expected}"


def _remark(check: Data) -> str:
    """Return who agrees, or for a Jacobian that is not right why."""
    if check["passed"]:
        return ", ".join(witness["name"] for witness in check["witnesses"] if witness["status"] == "agrees")
    return "; ".join(text for text in (check["reason"], check["diagnosis"]) if text)
