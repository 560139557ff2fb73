"""How far a network, or an activity, is like a reference: units, population, mechanism."""

import dataclasses

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from recirc.analyses.levels import level_verdicts
from recirc.analyses.likeness import named_as
from recirc.analyses.reference import active_units, reference_rows, rows_beside
from recirc.analyses.result import AnalysisResult
from recirc.analyses.sources import stated_sources
from recirc.analyses.table import Row, frame
from recirc.analyses.verdict_config import Reference, VerdictConfig
from recirc.arguments import check_key, check_kind
from recirc.circuits import AbstractCircuit, simulate
from recirc.compare import (
    FixedPointCount,
    MechanismSummary,
    SlowestMode,
    find_fixed_points,
    fixed_points_in_epoch,
    mechanism_of,
)
from recirc.compare.mechanism import VERDICTS
from recirc.compare.normalization import average_repeats
from recirc.data import check_activity
from recirc.types import Activity, Trials


def verdict(
    network: AbstractCircuit | Activity,
    reference: Activity,
    trials: Trials | None = None,
    *,
    key: PRNGKeyArray,
    config: VerdictConfig = VerdictConfig(),  # noqa: B008
    single_trials: Activity | None = None,
    another: Activity | None = None,
    mechanism: str | None = None,
) -> AnalysisResult:
    """Compare units, population and mechanism of a network with a reference's.

    Similarities come with a null, portraits with a null and the reference's interval over its units. Like units do not
    make a like population, nor that a like mechanism, which only a circuit that can be run tells.

    Args:
        network: a circuit, which is run on the trials, or what one did.
        reference: a recording or another network, of conditions that are among the network's; repeats are averaged.
        trials: what the circuit is driven with, one or more of every condition.
        key: of nulls, intervals and the circuit's noise.
        config: windows and sizes; its windows follow from the reference's clock unless given.
        single_trials, another, mechanism: of the reference, as in `Reference`, if there are any; the reference itself
            serves as single trials if it has repeats of every condition.

    Returns:
        Rows of arms "network", "reference" and, of a network that has twins, "twin 0" and so on (metrics as in
        `metrics.json`; of its untrained twins how many pass is told), a sentence for "units", "population" and
        "mechanism", and both activities on the reference's clock.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if a circuit has no trials, an activity is not finite, conditions or clocks do not fit, or there
            is too little to compare.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(0))
        >>> keys, size = jax.random.split(jax.random.key(1)), {"n_units": 20, "n_inputs": 3, "n_outputs": 4}
        >>> one, other = (recirc.circuits.RateNetwork.random(key=key, **size) for key in keys)
        >>> reference = recirc.simulate(other, trials, key=jax.random.key(3)).replace(start=-0.7)
        >>> config = recirc.analyses.VerdictConfig(soft=None, n_draws=9, n_resamples=9)
        >>> found = recirc.analyses.verdict(one, reference, trials, key=jax.random.key(4), config=config)
        >>> list(found.sentences)
        ['units', 'population', 'mechanism']
    """
    _check_arguments(network, trials, config, mechanism, key)
    if isinstance(network, Activity):
        made = network
    elif trials is None:
        raise ValueError("a circuit is run on trials to be compared; give trials of the reference's conditions.")
    else:
        made = simulate(network, trials, key=key)
    for where, side in {"the network": made, "single_trials": single_trials, "another": another}.items():
        if side is not None:
            check_activity(side, where, signed=True, keep=True)
    reference = check_activity(reference, "the reference", signed=True)
    if single_trials is None and min(map(reference.conditions.count, reference.conditions)) > 1:
        single_trials = reference
    averages = average_repeats(reference).replace(outputs=None)
    theirs = Reference(averages, single_trials=single_trials, another=another, mechanism=mechanism)
    config = config.resolved(averages, len(made.units))
    onset = movement_begins(trials, averages) if config.onset is None else config.onset
    seen, twins = on_the_reference_clock(made, averages, onset), []
    if not isinstance(network, Activity) and trials is not None:
        drawn = [network.twin(key=jax.random.fold_in(key, i)) for i in range(config.n_twins)]
        made = [simulate(twin, trials, key=key) for twin in drawn if twin is not None]
        twins = [on_the_reference_clock(each, averages, onset) for each in made]
        twins = [twin for twin in twins if np.isfinite(twin.rates).all()]
    rows = [*reference_rows(theirs, config, key=key), *rows_beside(seen, theirs, config, key=key, twins=twins)]
    for i, twin in enumerate(twins):
        rows += rows_beside(twin, theirs, config, key=key, arm=f"twin {i}", brief=True)
    summary, unjudged = None, "activity alone does not tell; give the circuit, and trials to run it on."
    if not isinstance(network, Activity) and trials is not None:
        try:
            summary = mechanism_of(network, trials, key=key)
            rows += mechanism_rows(network, trials, summary, config.epochs, key=key)
        except ValueError as error:
            unjudged = f"not judged, since {error}"
    table = frame(rows)
    own = table[table["arm"] == "network"]
    untrained = table[table["arm"].str.startswith("twin")]
    levels = level_verdicts(own, table, mechanism, by=["arm"], twins=untrained)
    sentences = {each.level: each.sentence for each in levels}
    if (n := active_units(seen).sum()) < config.least_units:
        why = f"{n} of its {len(seen.units)} units change, and least_units of the config is {config.least_units}"
        sentences |= {level: f"{level.capitalize()}: not judged, since {why}." for level in ("units", "population")}
    sentences["mechanism"] = f"{sentences['mechanism']} {summary.sentence}" if summary else f"Mechanism: {unjudged}"
    used = [] if summary is None else [type(network), mechanism_of, find_fixed_points]
    return AnalysisResult(
        "verdict", tuple(rows), arrays=_arrays(seen, averages), sentences=sentences, figures=("units", "rotations"),
        about={"config": dataclasses.asdict(config) | {"onset": onset}, "sources": stated_sources(*used)},
    )  # fmt: skip


def _check_arguments(network, trials, config, mechanism, key) -> None:
    check_key(key)
    check_kind((AbstractCircuit, Activity), "a circuit or an Activity; the reference comes second", network=network)
    check_kind((Trials, type(None)), "Trials, as those of a task or recirc.Trials(inputs, targets, ...)", trials=trials)
    check_kind(VerdictConfig, "a VerdictConfig", config=config)
    if mechanism is not None and mechanism not in VERDICTS:
        raise ValueError(f"mechanism is {mechanism!r}; give one of {', '.join(VERDICTS)}, or None if it is not known.")


def movement_begins(trials: Trials | None, reference: Activity) -> float:
    """When the movement begins in trials of a reference's conditions, seconds from their start; 0 if none is said.

    Raises:
        ValueError: if it begins at several times.
    """
    if trials is None or "movement" not in trials.epochs:
        return 0.0
    spans = trials.epochs["movement"][np.isin(trials.conditions, reference.conditions)]
    if len(spans) and np.ptp(spans[:, 0]) > trials.dt / 2:
        raise ValueError(
            f"the movement begins between {spans[:, 0].min():g} and {spans[:, 0].max():g} s in the trials, which "
            "cannot be averaged; give trials of one delay."
        )
    return float(spans[0, 0]) if len(spans) else 0.0


def on_the_reference_clock(made: Activity, reference: Activity, onset: float) -> Activity:
    """A network's averages at the reference's conditions and times, interpolated linearly.

    Where the reference's steps are longer, each is the mean over the network's steps in it, as in binned spikes.

    Args:
        made: by the network.
        reference: averages over repeats.
        onset: when the reference's time 0 is on the network's clock, seconds.

    Raises:
        ValueError: if a condition of the reference is missing, or its times are outside those of the network.
    """
    made = named_as(reference, made)
    if missing := sorted(set(reference.conditions) - set(made.conditions)):
        raise ValueError(
            f"the reference has conditions {missing[:5]} that the network has not, whose are "
            f"{sorted(set(made.conditions))[:8]}; label both alike, or select those that both have."
        )
    made = average_repeats(made)
    made = made.select([made.conditions.index(condition) for condition in reference.conditions])
    n_within = max(1, round(reference.dt / made.dt))
    before = np.arange(n_within)[None, :] * reference.dt / n_within
    place = (reference.time[:, None] - before + (onset - made.start)) / made.dt - 1
    if place.min() < -1 or place.max() > made.rates.shape[1]:
        raise ValueError(
            f"the network's activity runs from {made.start - onset:.3g} to {made.time[-1] - onset:.3g} s around the "
            f"reference's time 0, and the reference from {reference.start:.3g} to {reference.time[-1]:.3g} s; give the "
            "onset on the network's clock, or cut the reference with compare.window."
        )
    low = np.clip(np.floor(place).astype(int), 0, made.rates.shape[1] - 2)
    weight = (place - low)[None, :, :, None]

    def between(values):
        values = np.asarray(values, np.float64)
        return (values[:, low] * (1 - weight) + values[:, low + 1] * weight).mean(axis=2)

    return Activity(
        between(made.rates), outputs=None if made.outputs is None else between(made.outputs), dt=reference.dt,
        conditions=made.conditions, units=made.units, start=reference.start,
    )  # fmt: skip


def mechanism_rows(
    circuit: AbstractCircuit, trials: Trials, summary: MechanismSummary, epochs: tuple[str, ...], *,
    key: PRNGKeyArray, arm: str = "network",
) -> list[Row]:  # fmt: skip
    """The numbers behind a mechanism, and fixed points of the epochs."""
    rows = [Row.of(score, arm, ci=tuple(score.parts.get("interval", (np.nan, np.nan)))) for score in summary.scores()]
    for epoch in epochs:
        found = fixed_points_in_epoch(circuit, trials, epoch, key=key)
        rows += [Row.of(probe.of(found), arm) for probe in (FixedPointCount(epoch), SlowestMode(epoch))]
    return rows


def _arrays(seen: Activity, reference: Activity) -> xr.Dataset:
    return xr.Dataset(
        {
            "rates": (("condition", "time", "network_unit"), np.asarray(seen.rates), {"units": "1"}),
            "target_rates": (("condition", "time", "unit"), np.asarray(reference.rates), {"units": "spikes/s"}),
        },
        {
            "condition": list(reference.conditions),
            "time": ("time", reference.time, {"units": "s", "long_name": "time from movement onset"}),
            "unit": list(reference.units), "network_unit": list(seen.units),
        },
    )  # fmt: skip
