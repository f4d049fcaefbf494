"""A wheel of this program as it is installed here, in place or from an index: what a container installs offline."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import zipfile
from importlib.metadata import distribution
from pathlib import Path

NAME = "explicit-jacobians"
_TAG = "Wheel-Version: 1.0\nGenerator: explicit-jacobians\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def own_wheel() -> tuple[str, bytes]:
    """Return the name of a wheel of the installed program, and its bytes: the same for the same files.

    The packages are those that its entry points name, and the one that this needs itself.

    Examples
    --------
    >>> name, data = own_wheel()
    >>> name.endswith("-py3-none-any.whl"), zipfile.is_zipfile(io.BytesIO(data))
    (True, True)
    """
    installed = distribution(NAME)
    stem = f"{NAME.replace('-', '_')}-{installed.version}"
    packages = {"jacobians"} | {entry.module.partition(".")[0] for entry in installed.entry_points}
    files: dict[str, bytes] = {}
    for package in sorted(packages):
        spec = importlib.util.find_spec(package)
        for place in [] if spec is None else spec.submodule_search_locations or []:
            for file in sorted(Path(place).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    files[f"{package}/{file.relative_to(place).as_posix()}"] = file.read_bytes()
    for name in ("METADATA", "entry_points.txt"):
        text = installed.read_text(name)
        if text is not None:
            files[f"{stem}.dist-info/{name}"] = text.encode()
    files[f"{stem}.dist-info/WHEEL"] = _TAG.encode()
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{stem}.dist-info/RECORD"] = "\n".join([*lines, f"{stem}.dist-info/RECORD,,", ""]).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # no time of day goes in
    return f"{stem}-py3-none-any.whl", stream.getvalue()


def read_wheel(path: str | Path) -> tuple[str, bytes]:
    """Return the name of a wheel of this program that somebody made, and its bytes.

    Raises
    ------
    ValueError
        If it is none, or one of another program.
    """
    path, stem = Path(path), NAME.replace("-", "_")
    inside: list[str] = []
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    own = any(name.startswith(f"{stem}-") and name.endswith(".dist-info/METADATA") for name in inside)
    if not own or path.suffix != ".whl":
        raise ValueError(
            f"wheel: found {path.name}, expected a wheel of {NAME}; without one this program makes it"
        )
    return path.name, path.read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
