"""How nouns and results show in a notebook: small tables without scripts or colors, of what is there already."""

import dataclasses
import enum
import typing
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = 'style="text-align: left; vertical-align: top"'  # of every cell: notebooks align each to the right
_MOST, _LONGEST = 6, 60  # entries of a list, and characters of each


def table(title: str, lines: Iterable[tuple[str, object]]) -> str:
    """A title and a line per name and value as HTML; everything is escaped.

    >>> ">&lt;gain&gt;<" in table("settings", [("<gain>", 1.5)])
    True
    """
    caption = f"<caption {_STYLE}><b>{escape(title)}</b></caption>"
    cells = (f"<tr><th {_STYLE}>{escape(name)}</th><td {_STYLE}>{_cell(value)}</td></tr>" for name, value in lines)
    return f"<table>{caption}{''.join(cells)}</table>"


def fields_table(module) -> str:
    """A dataclass as HTML: its fields that are not empty, arrays by their shapes, with names of axes if declared."""
    lines = []
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        if value is not None and not (hasattr(value, "__len__") and not hasattr(value, "shape") and not len(value)):
            lines.append((field.name, _axes(value, field.type) if hasattr(value, "shape") else value))
    return table(type(module).__name__, lines)


def _axes(array, declared) -> str:
    """Shape of an array: "trial 8 × time 300 × input 2"; a single number as it is."""
    if not array.shape:
        return str(array)
    names = [each.dim_str.split() for each in (declared, *typing.get_args(declared)) if hasattr(each, "dim_str")]
    pairs = zip(names[0], array.shape) if names else (("", size) for size in array.shape)
    return " × ".join(f"{name} {size}".strip() for name, size in pairs)


def _cell(value) -> str:
    """A value as HTML; other nouns in it stay folded."""
    if hasattr(value, "_repr_html_") and not hasattr(value, "shape"):
        return f"<details><summary>{escape(type(value).__name__)}</summary>{value._repr_html_()}</details>"
    return escape(_text(value))


def _text(value) -> str:
    if hasattr(value, "shape"):
        return _axes(value, None)
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _listed(
            [f"{_cut(str(name))}: {_text(each)}" for name, each in [*value.items()][:_MOST]], len(value), "; "
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        last = isinstance(value, list) and isinstance(value[-1], Mapping)  # a history: its end tells most
        return f"{len(value)}, the last {_text(value[-1])}" if last else _listed(value[:_MOST], len(value), ", ")
    return getattr(value, "__name__", None) or str(value)


def _listed(shown: Iterable, n: int, between: str) -> str:
    text = between.join(_cut(_text(each)) for each in shown)
    return f"{text}{between}… ({n} in all)" if n > _MOST else text


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
