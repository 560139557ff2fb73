"""The numbers of a fit: every prediction of left-out conditions scored."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.analyses.fit_claims import ensemble_mean
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_trials import ceilings, judging_scales
from recirc.analyses.table import Row
from recirc.compare import SVCCA, LinearCKA, Procrustes, half_p, null_distribution
from recirc.compare.left_out import left_out_r2, other_directions_null, r2_matrix, shuffled_directions_null
from recirc.compare.statistics import bootstrap_interval
from recirc.types import Activity

N_DRAWS = 50
METRIC = "heldout_direction_r2"
Predictions = Float[np.ndarray, "condition time unit"]


def make_rows(
    activity: Activity,
    config: FitConfig,
    groups: Sequence[Sequence[int]],
    networks: Float[np.ndarray, "seed condition time unit"],
    baselines: Mapping[str, Predictions],
    output_errors: Mapping[tuple[str, int], float],
    failures: Mapping[tuple[str, int, int], str],
    *,
    key: PRNGKeyArray,
) -> list[Row]:
    """Every number of a fit.

    Args:
        activity: the recording made ready.
        config: of the fit.
        groups: places of the conditions that are left out together.
        networks: predictions of every seed, in spikes/s; nan where a network failed.
        baselines: predictions without a trained network, by name.
        output_errors: (set, seed) -> nMSE of the networks' outputs.
        failures: (arm, seed, group) -> what happened; arms are "network" and "untrained".
        key: of the intervals and of the surrogates.
    """
    rates, fraction = np.asarray(activity.rates, np.float64), {"fraction": config.fraction}
    scales = judging_scales(activity, config, groups)
    group_of = {place: index for index, group in enumerate(groups) for place in group}
    score = lambda made: np.diag(r2_matrix(rates, made, scales))  # noqa: E731
    simple, single = {name: score(made) for name, made in baselines.items()}, [score(made) for made in networks]
    ensemble = ensemble_mean(networks)
    matrix = r2_matrix(rates, ensemble, scales)
    tops = ceilings(activity, scales)
    rows = []
    for i, direction in enumerate(activity.conditions):
        where = {"set": "heldout_direction", "direction": direction, **fraction}
        beside: dict = {"baselines": {name: float(values[i]) for name, values in simple.items()}, "ceiling": tops[i]}
        for seed, values in enumerate(single):
            why = failures.get(("network", seed, group_of[i]), "no value")
            rows.append(_left_out_row("network", values[i], where | {"seed": seed}, why, n=1, **beside))
        here = {(arm, seed): text for (arm, seed, group), text in failures.items() if group == group_of[i]}
        why = next((text for (arm, _), text in here.items() if arm == "network"), "no value")
        null = other_directions_null(matrix, i)
        rows.append(_left_out_row("ensemble", matrix[i, i], where, why, n=len(networks), null=null, **beside))
        rows += [
            _left_out_row("untrained", math.nan, where | {"seed": seed}, text, n=1)
            for (arm, seed), text in here.items()
            if arm == "untrained"
        ]
        alike = left_out_r2(baselines["gp"][i], ensemble[i], scales[i])
        rows.append(_left_out_row("ensemble", alike, where | {"set": "process"}, why, n=len(networks)))
    rows += _together(matrix, simple, tops, fraction, key=key)
    for (name, seed), error in output_errors.items():
        place = {"set": name, "seed": seed, **fraction}
        rows.append(Row("output_nmse", "performance", "network", error, condition=place, direction="lower"))
    return rows + _population(activity, ensemble, np.isfinite(scales.max(axis=0)), config, key)


def _left_out_row(arm: str, value: float, where: dict, why: str, **fields) -> Row:
    if not math.isfinite(value):
        where = where | {"outcome": why}
    return Row(METRIC, "generalization", arm, float(value), condition=where, **fields)


def _together(matrix: np.ndarray, simple: dict, tops: list, fraction: dict, *, key) -> list[Row]:
    """Mean and median over the left-out conditions."""
    finite = np.flatnonzero(np.isfinite(np.diag(matrix)))
    values = np.diag(matrix)[finite]
    return [
        Row(METRIC, "generalization", "ensemble", float(statistic(values)),
            bootstrap_interval(values, key=key, statistic=statistic), len(finite),
            {"set": "heldout_directions", **fraction, "statistic": name},
            null=shuffled_directions_null(matrix[np.ix_(finite, finite)], statistic),
            baselines={other: _over(statistic, numbers) for other, numbers in simple.items()},
            ceiling=None if None in tops else float(statistic(np.array(tops, float)[finite])))
        for name, statistic in (("mean", np.mean), ("median", np.median)) if len(finite)
    ]  # fmt: skip


def _over(statistic, numbers: np.ndarray) -> float:
    """Of the numbers that are finite; nan if none is."""
    finite = numbers[np.isfinite(numbers)]
    return float(statistic(finite)) if len(finite) else math.nan


def _population(activity: Activity, ensemble: np.ndarray, counts: np.ndarray, config: FitConfig, key) -> list[Row]:
    """Likeness of the predicted units that count to those recorded, every condition predicted while left out."""
    if not np.isfinite(ensemble).all():
        return []
    rates, units = np.asarray(activity.rates, np.float64), [u for u, is_in in zip(activity.units, counts) if is_in]
    scale = np.ptp(rates, axis=(0, 1)) + config.soft_normalization
    truth, guess = (
        activity.replace(rates=each / scale, outputs=None).select_units(units) for each in (rates, ensemble)
    )
    where, rows = {"set": "heldout_direction", "fraction": config.fraction}, []
    for measure in (SVCCA(), LinearCKA(), Procrustes()):
        chance = null_distribution(measure, truth, guess, measure.nulls[0], n_draws=N_DRAWS, key=key)
        if len(units) > 1:
            half = half_p(measure, truth, measure.nulls[0], n_draws=N_DRAWS, key=key)
            chance = dataclasses.replace(chance, half_p=half)
        rows.append(Row.of(chance.score, "ensemble", where, n=len(rates), null=chance))
    return rows
