"""`metrics.json`: every number of a run, one row per number, and the claims they bear on."""

import dataclasses
import json
import math
import typing
from collections.abc import Mapping, Sequence

SCHEMA = 1
Level = typing.Literal["performance", "unit", "population", "mechanism", "generalization", "robustness"]
Direction = typing.Literal["higher", "lower"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One number.

    Args:
        metric: its name.
        level: what kind of likeness or ability it measures.
        arm: which networks (or baseline) it was measured on.
        value: the number; not finite only if `condition` has an "outcome" that says why.
        ci: interval (low, high); not finite if there is none.
        n: how many independent things the value summarizes.
        condition: on what it was measured, such as {"set": "train"}.
        unit: unit of the value; "1" for a pure number.
        direction: whichever is better.
        null: {"kind", "mean", "p95", "p"} of the null distribution, if one was drawn.
        baselines: the same number for simpler explanations, by name.
        ceiling: the value that the data's own noise allows, if known.

    Raises:
        ValueError: if a field is outside these bounds.
    """

    metric: str
    level: Level
    arm: str
    value: float
    ci: tuple[float, float] = (math.nan, math.nan)
    n: int = 1
    condition: Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    unit: str = "1"
    direction: Direction = "higher"
    null: Mapping[str, typing.Any] | None = None
    baselines: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ceiling: float | None = None

    def __post_init__(self):
        for field, choices in (("level", typing.get_args(Level)), ("direction", typing.get_args(Direction))):
            if getattr(self, field) not in choices:
                raise ValueError(f"{self.metric}: {field} is {getattr(self, field)!r}; use one of {choices}.")
        if not math.isfinite(self.value) and "outcome" not in self.condition:
            raise ValueError(
                f"{self.metric} of {self.arm} is {self.value}; leave the row out, or say why with "
                'condition={..., "outcome": "a sentence"}.'
            )
        if self.null is not None and set(self.null) != {"kind", "mean", "p95", "p"}:
            raise ValueError(f"{self.metric}: a null has kind, mean, p95 and p, got {sorted(self.null)}.")
        _check_interval(self.metric, self.ci, self.n)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A published statement and what this run says about it.

    Args:
        claim: the statement, as one sentence.
        source: where it was made.
        supported: the verdict; None if the run is too small to say.
        effect: size of the effect.
        ci: its interval (low, high).
        p: probability of an effect this large if there were none.
        n: how many independent things it rests on.

    Raises:
        ValueError: if the interval is reversed or `n` is negative.
    """

    claim: str
    source: str
    supported: bool | None
    effect: float = math.nan
    ci: tuple[float, float] = (math.nan, math.nan)
    p: float = math.nan
    n: int = 0

    def __post_init__(self):
        _check_interval(self.claim, self.ci, self.n)


def _check_interval(name: str, ci, n: int) -> None:
    if len(ci) != 2 or ci[0] > ci[1]:
        raise ValueError(f"{name}: ci must be (low, high), got {ci}.")
    if n < 0:
        raise ValueError(f"{name}: n must not be negative, got {n}.")


def metrics_text(study: str, preset: str, rows: Sequence[Row], claims: Sequence[Claim]) -> str:
    """The text of `metrics.json`; numbers that are not finite become null."""
    return strict_json(
        {
            "schema": SCHEMA,
            "study": study,
            "preset": preset,
            "rows": [dataclasses.asdict(row) for row in rows],
            "claims": [dataclasses.asdict(claim) for claim in claims],
        }
    )


def read_metrics(text: str) -> tuple[dict[str, str], list[Row], list[Claim]]:
    """Study and preset, rows and claims from the text of `metrics.json`; null numbers come back as NaN.

    Raises:
        ValueError: if it is not JSON, has another schema, or an entry lacks a field or has one too many.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"metrics.json is not JSON: {error}.") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"metrics.json must have schema {SCHEMA}; it was written by another version.")
    try:
        rows = [_from_json(Row, row, ("value",)) for row in data["rows"]]
        claims = [_from_json(Claim, claim, ("effect", "p")) for claim in data["claims"]]
        return {"study": str(data["study"]), "preset": str(data["preset"])}, rows, claims
    except (KeyError, TypeError) as error:
        raise ValueError(f"metrics.json lacks or misspells a field: {error}.") from None


def _from_json(cls, entry: dict, numbers: Sequence[str]):
    present = {name: math.nan if entry[name] is None else entry[name] for name in numbers}
    ci = tuple(math.nan if bound is None else bound for bound in entry["ci"])
    return cls(**(entry | present | {"ci": ci}))


def strict_json(data, indent: int | None = 1) -> str:
    """JSON text that every reader accepts: NumPy numbers become numbers, numbers that are not finite null."""
    return json.dumps(_plain(data), indent=indent, allow_nan=False)


def _plain(data):
    if isinstance(data, Mapping):
        return {str(name): _plain(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if hasattr(data, "tolist"):
        return _plain(data.tolist())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
