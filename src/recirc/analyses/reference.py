"""Units and population of an activity beside those of a reference, each number with its null."""

import dataclasses

import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from recirc import compare
from recirc.analyses.table import Row
from recirc.compare import CCA, DSA, JPCA, AlignmentIndex, ParticipationRatio, Procrustes, Tangling, UnitFeatures
from recirc.compare.unit_features import FEATURES
from recirc.types import Activity, Score

SIMILARITIES = (CCA(), Procrustes(), DSA())
COMPARED = {"set": "compared"}  # the condition of every row: the reference's conditions, in its time window
TURN = 0.4  # seconds of movement in which rotations are looked for, about one turn in reaches
Window = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class VerdictConfig:
    """On what a network is compared with a reference.

    Args:
        preparation, movement: windows, (start, stop) in seconds on the reference's clock; None for what is before and
            after 0 if that is inside, else for the halves.
        rotation: window of jPCA; None for the first 0.4 s of `movement`.
        onset: when the reference's time 0 is on the network's own clock, seconds; None for the start of the epoch
            "movement" of the trials, if they have one, else 0.
        soft: constant of soft normalization for the reference, in the unit of its rates; 5 suits spikes/s, None takes
            0.2 of its median range and suits networks.
        n_draws: surrogates per null; 99 give a smallest p of .01.
        n_resamples: draws of units behind the reference's intervals.
        n_units: units per draw, at most as many as the reference has; None for as many as the network has.
        least_units: units that change under which nothing else is said of a network.
        epochs: of the trials in which fixed points are sought; it needs 64-bit floats.
    """

    preparation: Window | None = None
    movement: Window | None = None
    rotation: Window | None = None
    onset: float | None = None
    soft: float | None = 5.0
    n_draws: int = 99
    n_resamples: int = 100
    n_units: int | None = None
    least_units: int = 10
    epochs: tuple[str, ...] = ()

    def resolved(self, reference: Activity, n_units: int) -> "VerdictConfig":
        """The same with nothing left open but the onset, for this reference and networks of `n_units`."""
        start, stop = reference.start, float(reference.time[-1])
        middle = 0.0 if start < 0 < stop else (start + stop) / 2
        movement = self.movement or (middle, stop)
        return dataclasses.replace(
            self,
            preparation=self.preparation or (start, middle),
            movement=movement,
            rotation=self.rotation or (movement[0], min(movement[0] + TURN, movement[1])),
            soft=compare.soft_constant(reference) if self.soft is None else self.soft,
            n_units=self.n_units or n_units,
        )


@dataclasses.dataclass(frozen=True)
class Reference:
    """Activity to compare with.

    Args:
        activity: averages over repeats, on a clock whose 0 is the movement's onset if it has one.
        name: what it is, in words.
        single_trials: in the same window, at least two of every condition; how alike its halves are is what a network
            can hope for.
        another: a second circuit of the same kind, which serves instead where there are no single trials.
        mechanism: how its movements are known to arise, one of `compare.mechanism.VERDICTS`; None if unknown.
    """

    activity: Activity
    name: str = "reference"
    single_trials: Activity | None = None
    another: Activity | None = None
    mechanism: str | None = None


def rows_beside(
    a: Activity, reference: Reference, config: VerdictConfig, *, key: PRNGKeyArray, arm: str = "network"
) -> list[Row]:
    """Numbers of an activity at the reference's conditions and times, on units and population, each with its null.

    Units that never change are counted and left out; of fewer than `least_units` others nothing else is said.
    """
    changes = active_units(a)
    counted = Row.of(Score("silent_units", float((~changes).mean()), "unit", "lower"), arm, COMPARED)
    if changes.sum() < config.least_units:
        return [counted]
    a = a.select_units([unit for unit, does in zip(a.units, changes) if does])
    soft = compare.soft_constant(a, reference.activity, config.soft or 0.0)
    rows = [counted, *_unit_rows(a, reference, config, key, arm), *_portrait_rows(a, config, soft, key, arm)]
    for measure in SIMILARITIES:
        draws = min(config.n_draws, 39) if isinstance(measure, DSA) else config.n_draws
        chance = compare.null_distribution(measure, reference.activity, a, measure.nulls[0], n_draws=draws, key=key)
        rows.append(Row.of(chance.score, arm, COMPARED, null=chance, ceiling=_ceiling(measure, reference, key)))
    return rows


def active_units(a: Activity) -> Bool[np.ndarray, " unit"]:
    """Which units change at all."""
    return np.ptp(np.asarray(a.rates), axis=(0, 1)) > 0


def _portraits(config: VerdictConfig, soft: float) -> tuple[JPCA, Tangling, AlignmentIndex, ParticipationRatio]:
    start, stop = config.rotation or (None, None)
    alignment = AlignmentIndex(*_epochs(config), soft=soft)
    return JPCA(soft=soft, start=start, stop=stop), Tangling(soft=soft), alignment, ParticipationRatio(soft=soft)


def _epochs(config: VerdictConfig) -> tuple[Window, Window]:
    if config.preparation is None or config.movement is None:
        raise ValueError("the windows are open; use config.resolved(reference, n_units).")
    return config.preparation, config.movement


def _unit_rows(a: Activity, reference: Reference, config: VerdictConfig, key, arm: str) -> list[Row]:
    measure = UnitFeatures(*_epochs(config))
    found = compare.unit_feature_distance(measure(a), measure(reference.activity), key=key)
    alike = float(np.mean(found.parts["distance"] <= found.parts["floor_p95"]))
    centers = zip(found.parts["feature"].tolist(), found.parts["center"].tolist())
    scores = [Score(f"unit_{name}", middle, "unit", unit=FEATURES[name][0]) for name, middle in centers]
    scores.insert(0, Score("unit_features_alike", alike, "unit"))
    ceiling = float(found.parts["floor"].mean())
    return [Row.of(found, arm, COMPARED, ceiling=ceiling), *(Row.of(score, arm, COMPARED) for score in scores)]


def _portrait_rows(a: Activity, config: VerdictConfig, soft: float, key, arm: str) -> list[Row]:
    rotation, tangling, alignment, participation = _portraits(config, soft)
    null = compare.TensorMaximumEntropy()
    judged = compare.null_distributions([rotation, tangling], a, null, n_draws=config.n_draws, key=key)
    fastest = float(judged["jpca_ratio"].score.parts["frequency_hz"][0])
    aligned = compare.random_subspaces(alignment, a, n_draws=1000, key=key)
    rows = [
        *(Row.of(chance.score, arm, COMPARED, null=chance) for chance in judged.values()),
        Row.of(Score("jpca_frequency", fastest, "population", unit="Hz"), arm, COMPARED),
        Row.of(aligned.score, arm, COMPARED, null=aligned),
        Row.of(participation(a), arm, COMPARED),
    ]
    if a.outputs is not None and np.ptp(np.asarray(a.outputs), axis=(0, 1)).any():
        tangled = Tangling(soft=soft, of="outputs", n_components=2)(a)
        rows.append(Row.of(tangled, arm, COMPARED | {"of": "outputs"}))
    return rows


def _ceiling(measure, reference: Reference, key) -> float | None:
    """What a perfect model would score; not known without single trials. A second circuit is another individual."""
    if reference.single_trials is None:
        return None
    return compare.noise_ceiling(measure, reference.single_trials, key=key).value


def reference_rows(reference: Reference, config: VerdictConfig, *, key: PRNGKeyArray) -> list[Row]:
    """Portraits and unit features of the reference, with intervals over its units, and likeness of a second circuit."""
    a, soft = reference.activity, config.soft or 0.0
    intervals = {}
    for portrait in _portraits(config, soft):
        intervals |= compare.over_units(portrait, a, n_units=config.n_units, n_draws=config.n_resamples, key=key)
    features = UnitFeatures(*_epochs(config))(a).parts
    for name in FEATURES.keys() & features.keys():
        values = np.asarray(features[name], float)
        center = np.mean if name == "multiphasic" else np.median
        intervals[f"unit_{name}"] = compare.bootstrap_interval(values[np.isfinite(values)], key=key, statistic=center)
    rows = _portrait_rows(a, config, soft, key, "reference") + _unit_rows(a, reference, config, key, "reference")[2:]
    rows = [dataclasses.replace(r, n=len(a.units), ci=intervals.get(r.metric, (np.nan, np.nan))) for r in rows]
    if reference.another is not None:
        rows += rows_beside(reference.another, reference, config, key=key, arm="second circuit")
    return rows
