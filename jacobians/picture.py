"""Pictures: SVG texts that notebooks show, and that follow the colours of what is around them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jacobians.numerics.arguments import checked_instance, checked_path

if TYPE_CHECKING:
    from pathlib import Path

PAGE_STYLE = (
    "<style>svg{color:#1c2330;color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){svg{color:#e4e8ee}}</style>"
)
"""The style of a picture that stands alone, as in a file."""


class Picture(str):
    """A drawing as SVG text, which a notebook shows by itself.

    Parameters
    ----------
    svg : str

    Raises
    ------
    TypeError
        If it is no text.

    Examples
    --------
    >>> Picture("<svg/>")
    <Picture: 6 characters of SVG; a notebook shows it>
    """

    __slots__ = ()

    def __new__(cls, svg: str) -> Picture:
        """Return the picture of a text."""
        return super().__new__(cls, checked_instance(svg, "svg", str))

    @property
    def svg(self) -> str:
        """The drawing as plain text."""
        return str(self)

    def __str__(self) -> str:
        return self[:]

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f"<figure>{self.inline}</figure>"

    @property
    def inline(self) -> str:
        """The SVG without a style of its own: inside a page it takes the colour of the text around it."""
        return self.svg.replace(PAGE_STYLE, "", 1)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing as an .svg file, beside the target first and then renamed.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ValueError
            If the name does not end in .svg.
        """
        target = checked_path(path, "path")
        if target.suffix != ".svg":
            raise ValueError(f"path: found {target.name!r}, expected a name that ends in .svg")
        beside = target.with_name(f".{target.name}.part")
        beside.write_text(self.svg, encoding="utf-8")
        beside.replace(target)
        return target

    def __repr__(self) -> str:
        return f"<Picture: {len(self):,} characters of SVG; a notebook shows it>"
