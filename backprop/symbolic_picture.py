"""The plane of two sizes, and which bracketing costs least where: the picture of "left beats right iff …"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop.families.pictures import COLOURS, INK, boundary, drawing, label

SIZES = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256)
"""Of both axes: steps by √2."""
USUAL = 16
"""The size of a letter that is on neither axis."""
_ORDERS = ("#2e9e6b", "#8e6bbf", "#b8a13a", "#c46a8f", "#4aa3a8")
_CELL = 24


def plane_svg(
    across: str,
    down: str | None,
    winners: Mapping[tuple[int, int], Sequence[str]],
    bracketings: Mapping[str, str],
    conditions: Sequence[str],
    fixed: str,
) -> str:
    """Return a grid of the sizes of two letters, a cell in the colour of what costs least there.

    Parameters
    ----------
    across, down : str
        The letters; without a second one it is a row.
    winners : dict
        The names of the cheapest by the sizes of the two letters.
    bracketings : dict
        By name.
    conditions : sequence of str
        Lines below.
    fixed : str
        What the other letters are.
    """
    rows = SIZES if down is not None else SIZES[:1]
    names = {_name(own) for own in winners.values()}
    left, parts, y = 46.0, [], 6.0
    keys = [(own, f"{own} costs least: {text}") for own, text in bracketings.items() if own in names]
    if any(" = " in own for own in names):
        keys.append((" = ", "several cost least"))
    for name, words in keys:
        parts.append(f'<rect x="{left:g}" y="{y:g}" width="13" height="13" fill="{_colour(name)}"/>')
        parts.append(label(left + 19, y + 11, f"{_letter(name)}  {words}", anchor="start"))
        y += 17
    y += 6
    lines = []
    for place, row in enumerate(rows):
        for column, size in enumerate(SIZES):
            name = _name(winners[size, row])
            x, top = left + _CELL * column, y + _CELL * place
            sizes = f"{across} = {size}" + (f", {down} = {row}" if down is not None else "")
            parts.append(
                f'<g><title>{sizes}: {name}</title><rect x="{x:g}" y="{top:g}" width="{_CELL - 1}" '
                f'height="{_CELL - 1}" fill="{_colour(name)}"/><text x="{x + _CELL / 2:g}" y="{top + 16:g}" '
                f'text-anchor="middle" font-size="11" font-weight="600" fill="{INK}">{_letter(name)}</text></g>'
            )
            if column and _name(winners[SIZES[column - 1], row]) != name:
                lines.append(f"M{x - 0.5:g} {top - 0.5:g}v{_CELL}")
            if place and _name(winners[size, rows[place - 1]]) != name:
                lines.append(f"M{x - 0.5:g} {top - 0.5:g}h{_CELL}")
        if down is not None:
            parts.append(label(left - 6, y + _CELL * place + 16, str(row), anchor="end"))
    if lines:
        parts.append(boundary("".join(lines)))
    y += _CELL * len(rows)
    for column, size in enumerate(SIZES):
        parts.append(label(left + _CELL * (column + 0.5), y + 12, str(size), size=10))
    y += 28
    axes = f"{across} →" + (f"   ({down} ↓)" if down is not None else "") + (f"   {fixed}" if fixed else "")
    for line in (axes, *conditions):
        parts.append(label(left, y, line, anchor="start"))
        y += 16
    width = max(
        left + _CELL * len(SIZES) + 12,
        left + 6.6 * max(map(len, (axes, *conditions, *(words for _, words in keys)))),
    )
    return drawing(width, y, "Which bracketing costs least, by two sizes", parts)


def _name(winners: Sequence[str]) -> str:
    return " = ".join(winners)


def _letter(name: str) -> str:
    if " = " in name:
        return "="
    return {"left": "L", "right": "R"}.get(name, name.rpartition(" ")[2])


def _colour(name: str) -> str:
    if " = " in name:
        return COLOURS["left = right"]
    number = name.rpartition(" ")[2]
    return COLOURS[name] if name in COLOURS else _ORDERS[(int(number) - 1) % len(_ORDERS)]
