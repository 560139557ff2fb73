"""The numbers of a fit: every prediction of left-out directions scored, and what they bear on."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, PRNGKeyArray

from recirc.analyses.claims import Effect, judged
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_trials import ceilings, judging_scales
from recirc.analyses.table import BASELINE, Claim, Row, number, select
from recirc.compare import SVCCA, LinearCKA, Procrustes, half_p, null_distribution
from recirc.compare.left_out import other_directions_null, r2_matrix, shuffled_directions_null
from recirc.compare.statistics import bootstrap_interval
from recirc.types import Activity

N_DRAWS = 50
METRIC = "heldout_direction_r2"
SMALLEST_GAIN = 0.02  # of R²; variants of one fit that are as good as each other differ by that (benchmarks/README.md)
RIVALS = {
    "cosine_tuning": "cosine tuning",
    "gp_directions": "a Gaussian process over directions",
    "gp_joint": "a Gaussian process over directions and time, tuned inside the training set",
    "untrained": "an untrained network driven alike",
}
Predictions = Float[np.ndarray, "direction time unit"]


def ensemble_mean(networks: Float[np.ndarray, "seed direction time unit"]) -> Predictions:
    """Mean prediction of the networks that did not fail; nan where all did."""
    good = np.isfinite(networks)
    total = np.where(good, networks, 0.0).sum(axis=0)
    return np.where(good.any(axis=0), total / np.maximum(good.sum(axis=0), 1), np.nan)


def make_rows(
    activity: Activity,
    config: FitConfig,
    networks: Float[np.ndarray, "seed direction time unit"],
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
        networks: predictions of every seed, in spikes/s; nan where a network failed.
        baselines: predictions without a trained network, by name.
        output_errors: (set, seed) -> nMSE of the networks' outputs.
        failures: (arm, seed, direction) -> what happened; arms are "network" and "untrained".
        key: of the intervals and of the surrogates.
    """
    rates, fraction = np.asarray(activity.rates, np.float64), {"fraction": config.fraction}
    scales = judging_scales(activity, config)
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
            why = failures.get(("network", seed, i), "no value")
            rows.append(_left_out_row("network", values[i], where | {"seed": seed}, why, n=1, **beside))
        why = next((text for (arm, _, place), text in failures.items() if arm == "network" and place == i), "no value")
        null = other_directions_null(matrix, i)
        rows.append(_left_out_row("ensemble", matrix[i, i], where, why, n=len(networks), null=null, **beside))
        rows += [
            _left_out_row("untrained", math.nan, where | {"seed": seed}, text, n=1)
            for (arm, seed, place), text in failures.items()
            if arm == "untrained" and place == i
        ]
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
    """Mean and median over the left-out directions."""
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
    """Likeness of the predicted units that count to those recorded, every direction predicted while left out."""
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


def make_claims(table: pd.DataFrame, *, key: PRNGKeyArray) -> list[Claim]:
    """Whether the networks' mean prediction beats what needs no training, in the mean over directions.

    Signs of the differences are flipped direction by direction. Directions share training data, so that their
    differences are no independent draws: p speaks of these directions, and not of another recording.
    """
    rows = select(table, METRIC, "ensemble", set="heldout_direction").dropna(subset="value")
    effects = []
    for name, rival in RIVALS.items():
        text = f"The networks predict unseen units in a left-out direction better than {rival} (difference of R²)."
        gains = rows["value"] - rows[f"{BASELINE}{name}"] if len(rows) else rows["value"]
        effects.append(Effect(text, gains.dropna().to_numpy(float), SMALLEST_GAIN))  # a rival may have failed
    return judged(effects, "this fit", key=key)


def sentence(rows: Sequence[Row], claims: Sequence[Claim]) -> str:
    """What a fit found, in words that its numbers write."""
    found = {row.condition["statistic"]: row for row in rows if row.condition["set"] == "heldout_directions"}
    if "median" not in found:
        return "No network gave a prediction, so nothing can be said; see the failures."
    median, mean = found["median"], found["mean"]
    interval = f" ({number(mean.ci[0], 2)} to {number(mean.ci[1], 2)})" if np.isfinite(mean.ci).all() else ""
    ceiling = "" if median.ceiling is None else f" The noise of the averages allows {number(median.ceiling, 2)}."
    said = [
        f"Predictions of unseen units in directions that no network had seen, averaged over networks, have R² "
        f"{number(median.value, 2)} in the median and {number(mean.value, 2)} in the mean{interval} of "
        f"{mean.n} directions; shuffled directions give {number((mean.null or {}).get('mean'), 2)}.{ceiling}"
    ]
    words = {True: "better than", False: f"not better by {SMALLEST_GAIN} than", None: "not decided against"}
    for claim, (name, rival) in zip(claims, RIVALS.items()):
        p = "" if not np.isfinite(claim.p) else f", p = {number(claim.p, 2)}"
        said.append(f"They are {words[claim.supported]} {rival} (mean R² {number(mean.baselines[name], 2)}{p}).")
    if any(claim.supported is not True for claim in claims if "Gaussian" in claim.claim):
        said.append(
            "Where a Gaussian process predicts as well, the fit does not show that the networks' dynamics explain "
            "more than smooth tuning does."
        )
    return " ".join(said)
