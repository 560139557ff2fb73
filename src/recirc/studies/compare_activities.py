"""`recirc compare`: two activities scored on every similarity, each against its nulls."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from recirc import figures
from recirc.compare import (
    CCA,
    DSA,
    SVCCA,
    AbstractNull,
    AbstractSimilarity,
    FlippedComponents,
    LinearCKA,
    NullDistribution,
    Procrustes,
    ShuffledConditions,
    null_distribution,
)
from recirc.compare.samples import check_same_samples
from recirc.data import DataFileError
from recirc.data.read import read
from recirc.figures.style import label
from recirc.runs import Claim, Row, RunFolder, dump_config, read_dataset
from recirc.runs.report import Picture, ReportText, Section, Table, build, write_text
from recirc.types import Activity

NULLS = (ShuffledConditions(), FlippedComponents())
MEASURES: tuple[tuple[AbstractSimilarity, tuple[AbstractNull, ...]], ...] = (
    (SVCCA(), NULLS),
    (SVCCA(per_condition=True), NULLS),
    (LinearCKA(), NULLS),
    (Procrustes(), NULLS),
    (CCA(), NULLS),
    (DSA(), (FlippedComponents(),)),  # the order of conditions is nothing to it
)
_CHANGES = {"shuffled_conditions": "conditions shuffled", "flipped_components": "components flipped"}


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """What decides a comparison but the two activities.

    Args:
        n_draws: surrogates per similarity and null.
        seed: of the surrogates.
    """

    n_draws: int = 100
    seed: int = 0


def run(a: Path, b: Path, *, out: Path, config: CompareConfig = CompareConfig()) -> bool:
    """Score two activities and write a run folder.

    Args:
        a: netCDF recording, or run folder; nulls are made of it.
        b: the same.
        out: the run folder.
        config: number of draws, and the seed.

    Returns:
        Whether no similarity fell short of its nulls.

    Raises:
        ValueError: if one cannot be read, or conditions or time axes differ; nothing is cut to fit.
        StorageError: if results cannot be written.
    """
    sides = [read_activity(Path(path)) for path in (a, b)]
    (first, note_a), (second, note_b) = sides
    second = _in_order_of(first, second)
    check_same_samples(first, second)
    files = [path / "activity.nc" if path.is_dir() else path for path in (Path(a), Path(b))]
    specification = {"study": "compare", "config": config, "files": [str(path.absolute()) for path in files]}
    with RunFolder.open(out, specification=specification, inputs=files) as folder:
        rows, claims = score(first, second, arm=Path(b).stem, config=config)
        folder.write("config.toml", dump_config(config))
        folder.write_dataset("activity.nc", _dataset(first, second))
        folder.write_metrics("compare", "default", rows, claims)
        folder.write_manifest(sys.argv, [config.seed])
        write_text(folder, _words(Path(a).name, Path(b).name, (note_a, note_b), first, rows, claims))
        build(folder, draw)
        folder.finish()
    return all(claim.supported is not False for claim in claims)


def read_activity(path: Path) -> tuple[Activity, str]:
    """An activity from a recording, or of the first network of a run folder, and which it is.

    A session of spikes becomes averages as `recirc check` says it would.

    Raises:
        DataFileError: if there is no readable file, or a run folder without the rates of a network.
        ValueError: if something in a session blocks its use.
    """
    if not path.is_dir():
        found = read(path)
        words = (f"{path.name}: {found.rates.shape[2]} units.", *found.notes)
        return found.replace(outputs=None), " ".join(words)
    file = path / "activity.nc"
    if not file.is_file():
        raise DataFileError(f"{path} is a folder without activity.nc; give a netCDF file or a run folder.")
    dataset = read_dataset(file)
    if "rates" not in dataset or not {"condition", "time"} <= set(dataset["rates"].dims):
        raise DataFileError(
            f"{file} holds no rates of a network by condition and time; give the folder of `recirc fit` or "
            "`recirc reproduce`."
        )
    rates = dataset["rates"]
    axis = next((str(name) for name in rates.dims if str(name).endswith("unit")), None)
    if axis is None or "time" not in rates.coords:
        raise DataFileError(f"{file}: its rates lack an axis of units or times; make the run again.")
    leading = [name for name in rates.dims if name not in ("condition", "time", axis)]
    stacked = rates.transpose(*leading, "condition", "time", axis)
    values = stacked.values.reshape(-1, *stacked.shape[-3:])
    good = np.flatnonzero(np.isfinite(values).all(axis=(1, 2, 3)))
    if not len(good):
        raise DataFileError(f"{file}: every network in it failed.")
    where = np.unravel_index(good[0], stacked.shape[: len(leading)]) if leading else ()
    words = [
        f"{coordinate} {rates[coordinate].values[i]}"
        for name, i in zip(leading, where)
        for coordinate in rates.coords
        if rates[coordinate].dims == (name,)
    ]
    time = np.asarray(rates["time"].values, float)
    dt = float((time[-1] - time[0]) / (len(time) - 1))
    activity = Activity(
        values[good[0]],
        dt=dt,
        start=float(time[0]) - dt,
        conditions=[str(name) for name in dataset["condition"].values],
    )
    note = f"{path.name}: {values.shape[3]} units of one network of {len(values)} in the folder"
    return activity, f"{note} ({', '.join(words)})." if words else f"{note}."


def _in_order_of(a: Activity, b: Activity) -> Activity:
    """`b` with its conditions in the order of `a`, where both have the same ones, once each.

    Raises:
        ValueError: if the time axes start apart.
    """
    if abs(a.time[0] - b.time[0]) > 0.5 * min(a.dt, b.dt):
        raise ValueError(
            f"the time axes start at {a.time[0]:g} s and {b.time[0]:g} s; cut or shift one so that equal times mean "
            "equal moments of the trial."
        )
    if sorted(a.conditions) != sorted(b.conditions) or len(set(a.conditions)) < len(a.conditions):
        return b
    return b.select([b.conditions.index(name) for name in a.conditions])


def score(a: Activity, b: Activity, *, arm: str, config: CompareConfig) -> tuple[list[Row], list[Claim]]:
    """Every similarity against its nulls, and whether all are beaten.

    Args:
        a, b: at the same conditions and times; surrogates are made of `a`.
        arm: what `b` is called in the rows.
        config: number of draws, and the seed.
    """
    rows, claims = [], []
    for i, (measure, nulls) in enumerate(MEASURES):
        try:
            found = [
                null_distribution(measure, a, b, null, n_draws=config.n_draws, key=_key(config, i, j))
                for j, null in enumerate(nulls)
            ]
        except ValueError as error:
            where = {"set": "all", "outcome": str(error)}
            rows.append(Row(type(measure).__name__, "population", arm, np.nan, condition=where))
            continue
        rows += [_row(chance, arm, len(set(a.conditions))) for chance in found]
        claims.append(_claim(a, found, nulls))
    return rows, claims


def _key(config: CompareConfig, i: int, j: int):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), i), j)


def _row(chance: NullDistribution, arm: str, n: int) -> Row:
    score = chance.score
    return Row(
        score.metric,
        "population",
        arm,
        score.value,
        n=n,
        condition={"set": "all", "null": chance.kind},
        unit=score.unit,
        direction="lower" if score.direction == "lower" else "higher",
        null=chance.bounds,
    )


def _claim(a: Activity, found: list[NullDistribution], nulls: tuple[AbstractNull, ...]) -> Claim:
    """Against the null that is nearer; too few conditions to shuffle say nothing."""
    nearest = max(found, key=lambda chance: chance.p)
    can_tell = all(1 / null.n_arrangements(a) < 0.05 for null in nulls)
    changes = " or ".join(_CHANGES[null.kind] for null in nulls)
    sentence = f"{nearest.score.metric}: the two are more alike than with {changes}."
    supported = bool(nearest.p < 0.05) if can_tell else None
    effect = abs(nearest.score.value - nearest.mean) * (1 if nearest.p < 0.5 else -1)
    return Claim(sentence, "this comparison", supported, effect, p=nearest.p, n=len(set(a.conditions)))


def _dataset(a: Activity, b: Activity) -> xr.Dataset:
    variables = {
        name: (("condition", "time", f"{name}_unit"), np.asarray(side.rates, np.float32), {"units": "1"})
        for name, side in (("a", a), ("b", b))
    }
    coordinates = {
        "condition": ("condition", np.array(a.conditions, object)),
        "time": ("time", a.time, {"units": "s"}),
        "a_unit": ("a_unit", np.array(a.units, object)),
        "b_unit": ("b_unit", np.array(b.units, object)),
    }
    return xr.Dataset(variables, coordinates)


def draw(folder: Path) -> None:
    """Draw the figures of a run folder anew from its numbers."""
    activity = read_dataset(Path(folder) / "activity.nc")
    a, b = (activity[name].rename({f"{name}_unit": "unit"}).drop_vars("unit") for name in ("a", "b"))
    systems = xr.concat([b], xr.Variable("arm", np.array(["second"], object)))
    figures.save(
        figures.principal_components(a, systems, name="first"), Path(folder) / "figures", "principal_components"
    )


def _words(a: str, b: str, notes, first: Activity, rows: list[Row], claims: list[Claim]) -> ReportText:
    found = {
        name: [label(claim.claim.partition(":")[0]) for claim in claims if claim.supported is name]
        for name in (True, False)
    }
    parts = [f"More alike than chance by {', '.join(found[True]) or 'no similarity'}."]
    if found[False]:
        parts.append(f"Not more alike than chance by {', '.join(found[False])}.")
    if any(claim.supported is None for claim in claims):
        parts.append(f"{len(set(first.conditions))} conditions are too few for the shuffling null to reach p < 0.05.")
    lines = [
        [row.metric, row.value, label(row.null["kind"]) if row.null else row.condition["outcome"], *_null_numbers(row)]
        for row in rows
    ]
    table = Table(["similarity", "value", "null", "null mean", "null p95", "p"], lines)
    text = (
        f"{' '.join(notes)} {len(set(first.conditions))} conditions, {first.rates.shape[1]} times.\n\n"
        "Shuffled conditions keep all that conditions share, and ask whether the right conditions match. Flipped "
        "components keep each trial's covariance, envelope and smoothness, and ask whether time courses match. "
        "Phase-randomized surrogates are not used: they call any two transients alike. Conditions are not shuffled "
        "for dsa, which asks how states follow one another, not which condition they belong to. A value near its "
        "null's mean "
        "can be high and still say nothing: within one condition, five smooth components nearly always match.\n\n"
        "A network is like the recording that it was trained on because it was fitted to it. Whether its dynamics "
        "explain that recording shows only in what it never saw: see the report of `recirc fit`."
    )
    picture = Picture("principal_components", f"{b}, rotated and scaled onto the components of {a}.")
    return ReportText(f"{a} against {b}", " ".join(parts), [Section("Similarities", text, [picture], [table])])


def _null_numbers(row: Row) -> list[float | None]:
    return [row.null[name] if row.null else None for name in ("mean", "p95", "p")]
