"""`metrics.json`: every number of a run, one row per number, and the claims they bear on."""

import json
import math
from collections.abc import Mapping, Sequence

from recirc.analyses.table import Claim, Row

SCHEMA = 2
_quoted = json.encoder.encode_basestring_ascii
_RENAMED = {"heldout_neuron_r2": "heldout_direction_r2"}  # in fits of schema 1; elsewhere it is the linear map's


def metrics_text(study: str, preset: str, rows: Sequence[Row], claims: Sequence[Claim]) -> str:
    """The text of `metrics.json`; numbers that are not finite become null."""
    numbers = {"rows": [vars(row) for row in rows], "claims": [vars(claim) for claim in claims]}
    return strict_json({"schema": SCHEMA, "study": study, "preset": preset} | numbers)


def read_metrics(text: str) -> tuple[dict[str, str], list[Row], list[Claim]]:
    """Study and preset, rows and claims from the text of `metrics.json`; null numbers come back as NaN.

    Raises:
        ValueError: if it is not JSON, has another schema, or an entry lacks a field or has one too many.

    Example:
        >>> about, rows, claims = read_metrics('{"schema": 2, "study": "fit", "preset": "", "rows": [], "claims": []}')
        >>> about["study"], rows
        ('fit', [])
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"metrics.json is not JSON: {error}.") from None
    if not isinstance(data, dict) or data.get("schema") not in (1, SCHEMA):
        raise ValueError(f"metrics.json must have schema {SCHEMA}, or 1; it was written by another version.")
    try:
        renamed = _RENAMED if (data["schema"], data["study"]) == (1, "fit") else {}
        rows = [row | {"metric": renamed.get(row["metric"], row["metric"])} for row in data["rows"]]
        rows = [_from_json(Row, row, ("value",)) for row in rows]
        claims = [
            _from_json(Claim, {"smallest": None, "power": None} | claim, ("effect", "p", "smallest", "power"))
            for claim in data["claims"]
        ]
        return {"study": str(data["study"]), "preset": str(data["preset"])}, rows, claims
    except (KeyError, TypeError) as error:
        raise ValueError(f"metrics.json lacks or misspells a field: {error}.") from None


def _from_json(cls, entry: dict, numbers: Sequence[str]):
    present = {name: _number(entry[name]) for name in numbers} | {"ci": tuple(map(_number, entry["ci"]))}
    for name in ("null", "baselines"):
        if entry.get(name):
            present[name] = {key: _number(value) for key, value in entry[name].items()}
    return cls(**(entry | present))


def _number(value):
    return math.nan if value is None else value


def strict_json(data, indent: int | None = 1) -> str:
    """JSON text that every reader accepts: NumPy numbers become numbers, numbers that are not finite null."""
    margins = ["\n" + " " * (indent * depth) for depth in range(20)] if indent else [""] * 20
    return _text(data, margins, "," if indent else ", ")


def _text(data, margins: Sequence[str], comma: str, depth: int = 1) -> str:
    """As `json.dumps`, several times faster where lines are indented."""
    if isinstance(data, str):
        return _quoted(data)
    if isinstance(data, Mapping):
        parts = [f"{_quoted(str(name))}: {_text(value, margins, comma, depth + 1)}" for name, value in data.items()]
        ends = "{}"
    elif isinstance(data, (list, tuple)):
        parts, ends = [_text(value, margins, comma, depth + 1) for value in data], "[]"
    elif hasattr(data, "tolist"):
        return _text(data.tolist(), margins, comma, depth)
    else:
        return "null" if isinstance(data, float) and not math.isfinite(data) else json.dumps(data)
    if not parts:
        return ends
    return f"{ends[0]}{margins[depth]}{(comma + margins[depth]).join(parts)}{margins[depth - 1]}{ends[1]}"
