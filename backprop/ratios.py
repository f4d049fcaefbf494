"""How many times dearer one order is than another, as a number and as text."""

from __future__ import annotations


def ratio(own: int, least: int) -> float:
    """Return how many times another number of multiplications one is; of none, 1 or inf."""
    if least == 0:
        return 1.0 if own == 0 else float("inf")
    return own / least


def format_ratio(ratio: float) -> str:
    """Return a ratio with three significant digits, ``50.5×``.

    Examples
    --------
    >>> format_ratio(50.5), format_ratio(1.0), format_ratio(123456.0)
    ('50.5×', '1×', '123,456×')
    """
    if ratio == float("inf"):
        return "∞×"
    return f"{ratio:,.0f}×" if ratio >= 1000 else f"{ratio:.3g}×"
