"""The page of a sweep: one HTML file that asks no other host for anything."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from backprop.families.pictures import grid_svg, grids, key_svg, lines_svg
from backprop.families.table import COLUMNS, TEXTS, Row, counted, shown_value
from jacobians.markup import html_table
from verification.web_page import web_page

_SHOWN = tuple(name for name in COLUMNS if name != "family")


def sweep_page(rows: Sequence[Row], lines: Sequence[str]) -> str:
    """Return the page of a sweep with its crossovers."""
    family = escape(rows[0]["family"])
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    changes = (
        f"<p>The cheapest strategy changes along {len(lines):,} lines.</p>"
        f"<details{' open' if len(lines) <= 30 else ''}><summary>Each line</summary><ul>{listed}</ul></details>"
        if lines
        else "<p>The cheapest strategy is the same everywhere.</p>"
    )
    table = html_table(
        [COLUMNS[name] for name in _SHOWN],
        [[shown_value(name, row[name]) for name in _SHOWN] for row in rows],
        numeric=[place for place, name in enumerate(_SHOWN) if name not in TEXTS],
        caption="Costs of every network: × multiplications, + additions, predicted from shapes alone; "
        "an order is the cheapest by multiplications. A click on a head sorts.",
        page=True,
    )
    drawn = "".join(
        f'<figure class="wide" tabindex="0" aria-label="{escape(title or "Grid")}">'
        f"{grid_svg(own, title=title)}</figure>"
        for title, own in grids(rows).items()
    )
    another = [row for row in rows if row["cheapest"] == "another"]
    one = min(another, key=lambda row: (row["depth"], row["batch"], -row["width"]), default=None)
    example = (
        f'<p style="overflow-wrap:anywhere">In {len(another):,} of {len(rows):,} rows another order is the cheapest. '
        f"Of {escape(one['sizes'])}, by {escape(one['by'])}, it is {escape(one['bracketing'])}, whose halves meet at "
        f"the layer of {one['meeting']:,} units: {one['optimal_multiplications']:,} multiplications, from the left "
        f"{one['left_multiplications']:,}, from the right {one['right_multiplications']:,}.</p>"
        if one is not None
        else ""
    )
    body = f"""<header><h1>The family {family}: {counted(rows)}</h1>
<p class="lead">What multiplying Jacobians from the left, from the right and in the cheapest order costs.</p></header>
<main><h2 id="cheapest">Which order is the cheapest</h2>
{key_svg()}
<div class="pair">{drawn}</div>
{example}<h2 id="changes">Where they change places</h2>{changes}
<h2 id="costs">Costs by width</h2>
<figure class="wide" tabindex="0" aria-label="Costs by width">{lines_svg(rows)}</figure>
<h2 id="table">All numbers</h2>{table}
<h2 id="conventions">Conventions</h2><ul>
<li>Left multiplies from the output (reverse mode, backpropagation), right from the input (forward mode); optimal
has the fewest multiplications, among equals the fewest additions.</li>
<li>Forward counts the affine layers, Wx + b; values of activations are not counted.</li>
<li>Activations kept are the numbers that a backward pass needs: inputs of layers and activations, for all points.</li>
<li>The halves of an order are the two factors of its last product, which meet at the units of one layer; 0 of a chain
of one factor.</li>
<li>To form it dense: what it takes to write the result out as a full matrix, beyond the products.</li></ul></main>"""
    return web_page(f"Sweep of {rows[0]['family']}", body)
