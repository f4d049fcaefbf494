"""The commands of `verify`, a file each; they are imported only when the command line is used."""

from __future__ import annotations
