"""Figures of a run folder, as they stand in its report."""

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path

from recirc.figures.layout import WIDTH

NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LARGEST_SVG = 1_500_000


def embed(folder: Path, place: str, name: str, suffixes: Sequence[str] = ("svg", "png")) -> str:
    """A figure as a data address, or nothing if the folder does not hold it."""
    for suffix in suffixes:
        path = folder / place / f"{name}.{suffix}"
        if not NAME.fullmatch(name) or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            continue
        data = path.read_bytes()
        if suffix == "png" or len(data) <= _LARGEST_SVG:
            kind, data = ("svg+xml", data) if suffix == "svg" else ("png", _few_colors(data))
            return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return ""


def _few_colors(data: bytes) -> bytes:
    """A drawing in 128 colors, a quarter as large; a file that holds no picture stays as it is."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["png"]) as image:
            small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return data
    small.save(made := io.BytesIO(), "png", optimize=True)
    return made.getvalue()


def width(path: Path) -> float:
    """Points that a picture is wide; of what says nothing, the usual width."""
    start = path.read_bytes()[:2000] if path.is_file() else b""
    found = re.search(rb'<svg [^>]*\bwidth="([0-9.]{1,9})pt"', start)
    return float(found[1]) if found else 72 * WIDTH
