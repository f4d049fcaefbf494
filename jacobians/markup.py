"""HTML for notebooks and pages: one writer of tables, and text that is escaped unless it is HTML already."""

from __future__ import annotations

from collections.abc import Collection, Sequence

SHORT = 28
"""Letters up to which all cells of a column stay in one line; longer texts are wrapped."""


class Html(str):
    """Text that is HTML already: it is not escaped again, here or by a template."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


class Marked(str):
    """A text that is shown in its own HTML, as a verdict in its colour; elsewhere it is the text."""

    __slots__ = ("markup",)
    markup: Html

    def __new__(cls, text: str, markup: Html) -> Marked:
        """Return the text with its HTML."""
        made = super().__new__(cls, text)
        made.markup = markup
        return made

    def __html__(self) -> str:
        return self.markup


class Keyed(str):
    """The text of a cell with the number that a table is sorted by, as 0.002 for "2 ms"."""

    __slots__ = ("key",)
    key: float

    def __new__(cls, text: str, key: float) -> Keyed:
        """Return the text with its number."""
        made = super().__new__(cls, text)
        made.key = key
        return made


def escaped(text: object) -> Html:
    """Return text as HTML.

    Examples
    --------
    >>> escaped("a < b"), escaped(Html("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    from html import escape  # with its table of entities, for who shows something

    return Html(text.__html__() if isinstance(text, Html | Marked) else escape(str(text)))


def aligned(text: object) -> Html:
    """Return text whose columns are aligned by spaces; notebooks take the letters of running text for a bare <pre>."""
    return Html(f'<pre style="font-family:monospace">{escaped(text)}</pre>')


def html_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Collection[int] = (),
    *,
    caption: str = "",
    page: bool = False,
) -> Html:
    """Return a table as HTML, its text escaped; on a page the first cell of each row is its head.

    It has no colours of its own, so that it follows the theme around it. Numbers stay in one line, long texts are
    wrapped anywhere, and on a page a table wider than its place scrolls by itself, as the outputs of notebooks do.

    Parameters
    ----------
    header : sequence of str
        Empty for a table of names and values.
    rows : sequence of sequence of str
        :class:`Html` stays as it is, :class:`Marked` has its own, :class:`Keyed` says what its cell is sorted by.
    numeric : collection of int
        The columns that are aligned to the right.
    caption : str
        Stands above.
    page : bool
        Whether it is for a page of :func:`verification.web_page.web_page`, whose style sheet aligns the cells and whose
        script sorts them; without it the cells say how they are aligned, as notebooks need.

    Examples
    --------
    >>> html_table([], [["shape", "2 < 3"]]).count("2 &lt; 3")
    1
    >>> '<th scope="row" class="text">W</th><td>1</td>' in html_table(["name", "n"], [["W", "1"]], [1], page=True)
    True
    """
    count = max(map(len, [header, *rows]), default=0)
    long = {
        place
        for place in set(range(count)) - set(numeric)
        if max((len(row[place]) for row in rows if place < len(row)), default=0) > SHORT
    }

    def cells(row: Sequence[str], above: Sequence[str] = (), head: bool = False) -> str:
        made = []
        for place, text in enumerate(row):
            # notebooks have no style for heads of rows but bold letters, which names of values get alone
            heads_row = place == 0 and (page or not header)
            tag = f'th scope="{"col" if head else "row"}"' if head or heads_row else "td"
            kind = _kind(place in numeric, place in long, page)
            if page and place == 0 and not head and above and above[0] == text:
                kind = kind.replace('class="', 'class="again ')  # said in the row above
            key = f' data-key="{text.key!r}"' if isinstance(text, Keyed) else ""
            made.append(f"<{tag}{kind}{key}>{escaped(text)}</{tag[:2]}>")
        return f"<tr>{''.join(made)}</tr>"

    head = f"<thead>{cells(header, head=True)}</thead>" if header else ""
    body = "".join(cells(row, above) for row, above in zip(rows, [(), *rows], strict=False))
    stays = f'<span class="stays">{escaped(caption)}</span>' if page else escaped(caption)
    above = f"<caption>{stays}</caption>" if caption else ""
    opened = '<table class="sortable">' if page else "<table>"
    table = f"{opened}{above}{head}<tbody>{body}</tbody></table>"
    if not page:
        return Html(table)
    return Html(
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(caption)}">{table}</div>'
    )


def _kind(numeric: bool, long: bool, page: bool) -> str:
    """Return the attribute that aligns a cell."""
    if page:
        return "" if numeric else ' class="text wide"' if long else ' class="text"'
    align = "right" if numeric else "left"
    more = ";white-space:nowrap" if numeric else ";min-width:16em;overflow-wrap:anywhere" if long else ""
    return f' style="text-align:{align}{more}"'
