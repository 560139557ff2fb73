"""The numbers of a fit: every prediction of left-out directions scored, and what they bear on."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from recirc.compare import (
    SVCCA,
    LinearCKA,
    NeuronMap,
    Procrustes,
    ShuffledConditions,
    bootstrap_interval,
    null_distribution,
    paired_test,
)
from recirc.compare.interpolation import INTERPOLATIONS, JointGP
from recirc.runs import Claim, Row
from recirc.studies.fit_inputs import FitConfig, Recording

N_PERMUTATIONS = 5000
N_DRAWS = 50
RIVALS = {
    "cosine_tuning": "cosine tuning",
    "gp_directions": "a Gaussian process over directions",
    "gp_joint": "a Gaussian process over directions and time, tuned inside the training set",
    "untrained": "an untrained network driven alike",
}
Predictions = Float[np.ndarray, "direction time unit"]


class Scored(NamedTuple):
    """What a fit came to.

    Args:
        networks: predictions of every seed, in spikes/s; nan where a network failed.
        baselines: predictions without a trained network, by name.
        output_errors: (set, seed) -> nMSE of the networks' outputs.
        failures: (seed, direction) -> what happened.
    """

    networks: Float[np.ndarray, "seed direction time unit"]
    baselines: Mapping[str, Predictions]
    output_errors: Mapping[tuple[str, int], float]
    failures: Mapping[tuple[int, int], str]

    @property
    def ensemble(self) -> Predictions:
        """Mean prediction of the networks that did not fail."""
        good = np.isfinite(self.networks)
        total = np.where(good, self.networks, 0.0).sum(axis=0)
        return np.where(good.any(axis=0), total / np.maximum(good.sum(axis=0), 1), np.nan)


def direction_r2(truth: np.ndarray, prediction: np.ndarray, scale: np.ndarray) -> float:
    r"""R² in one direction, all times and units together.

    $$R^2 = 1 - \frac{\sum_{tu} (y_{tu} - \hat y_{tu})^2 / s_u^2}{\sum_{tu} (y_{tu} - \bar y_u)^2 / s_u^2}$$

    The mean is over the time of this direction, so that knowing a unit's usual rate earns nothing.

    Args:
        truth, prediction: y, (time, unit).
        scale: s.
    """
    error = (((truth - prediction) / scale) ** 2).sum()
    return float(1 - error / (((truth - truth.mean(axis=0)) / scale) ** 2).sum())


def interpolated(recording: Recording, config: FitConfig, tests: Mapping[int, Sequence[int]]) -> dict[str, Predictions]:
    """What every direction looks like to those who saw only the others and need no network.

    Args:
        session, config: of the fit.
        tests: for every left-out direction those that choose the joint process.
    """
    rates, found = recording.rates, {name: [] for name in (*INTERPOLATIONS, "gp_joint")}
    for left_out, angle in enumerate(recording.angles):
        rest = np.delete(np.arange(len(rates)), left_out)
        angles, seen, new = recording.angles[rest], rates[rest], np.array([angle])
        for name, method in INTERPOLATIONS.items():
            found[name].append(method(angles, seen, new)[0])
        scale = recording.scale(left_out, config.soft_normalization)
        places = [int(np.flatnonzero(rest == test)[0]) for test in tests[left_out]]
        process = JointGP.choose(angles, seen / scale, dt=recording.activity.dt, tests=places)
        found["gp_joint"].append(process.predict(angles, seen, new, dt=recording.activity.dt)[0])
    return {name: np.stack(values) for name, values in found.items()}


def direct_map(recording: Recording, config: FitConfig, seed: int) -> Predictions:
    """Unseen units from the recorded ones by a linear map; it sees the left-out direction's recording."""
    found = np.zeros_like(recording.rates)
    for left_out in range(len(recording.rates)):
        rest = np.delete(np.arange(len(recording.rates)), left_out)
        scaled = recording.activity.replace(
            rates=recording.rates / recording.scale(left_out, config.soft_normalization), outputs=None
        )
        names = np.array(scaled.units)
        for fold, members in enumerate(recording.folds):
            recorded = scaled.select_units(list(names[recording.recorded(fold, config, seed)]))
            unseen = recording.activity.select_units(list(names[members]))
            fitted = NeuronMap.fit(recorded.select(rest), unseen.select(rest))
            found[left_out][:, members] = fitted.predict(recorded.select([left_out])).rates[0]
    return found


def r2_by_direction(
    recording: Recording, config: FitConfig, predictions: Predictions
) -> Float[np.ndarray, " direction"]:
    """`direction_r2` of every direction."""
    return np.diag(_r2_matrix(recording, config, predictions))


def _r2_matrix(recording: Recording, config: FitConfig, predictions: Predictions) -> np.ndarray:
    """R² in direction i of what was predicted for direction j, (i, j)."""
    scales = [recording.scale(i, config.soft_normalization) for i in range(len(predictions))]
    return np.array(
        [[direction_r2(truth, made, scale) for made in predictions] for truth, scale in zip(recording.rates, scales)]
    )


def make_rows(recording: Recording, config: FitConfig, scored: Scored, *, key) -> list[Row]:
    """Every number of `metrics.json`."""
    labels, fraction = recording.activity.conditions, {"fraction": config.fraction}
    simple = {name: r2_by_direction(recording, config, made) for name, made in scored.baselines.items()}
    matrix = _r2_matrix(recording, config, scored.ensemble)
    single = [r2_by_direction(recording, config, made) for made in scored.networks]
    ceilings = [recording.ceiling(i, config.soft_normalization) for i in range(len(labels))]
    rows = []
    for i, direction in enumerate(labels):
        where = {"set": "heldout_direction", "direction": direction, **fraction}
        beside = {name: float(values[i]) for name, values in simple.items()}
        for seed, values in enumerate(single):
            rows.append(_row("network", values[i], where | {"seed": seed}, scored, i, beside, ceilings[i]))
        null = _others(matrix, i)
        rows.append(_row("ensemble", matrix[i, i], where, scored, i, beside, ceilings[i], null))
    together = {"set": "heldout_directions", **fraction}
    finite = np.flatnonzero(np.isfinite(np.diag(matrix)))
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        if not len(finite):
            continue
        values, where = np.diag(matrix)[finite], together | {"statistic": name}
        beside = {other: float(statistic(numbers)) for other, numbers in simple.items()}
        interval = bootstrap_interval(values, key=key, statistic=statistic)
        null = shuffled_null(matrix[np.ix_(finite, finite)], statistic)
        rows.append(
            Row("heldout_neuron_r2", "generalization", "ensemble", float(statistic(values)), interval,
                len(finite), where, null=null, baselines=beside,
                ceiling=None if None in ceilings else float(statistic(np.array(ceilings, float)[finite])))
        )  # fmt: skip
    for (name, seed), error in scored.output_errors.items():
        place = {"set": name, "seed": seed, **fraction}
        rows.append(Row("output_nmse", "performance", "network", error, condition=place, direction="lower"))
    return rows + _population(recording, config, scored, key)


def _row(
    arm: str, value: float, where: dict, scored: Scored, direction: int, baselines: dict, ceiling, null=None
) -> Row:
    if not math.isfinite(value):
        why = [text for (_, place), text in scored.failures.items() if place == direction]
        where = where | {"outcome": why[0] if why else "no value"}
    n_networks = 1 if "seed" in where else len(scored.networks)
    return Row(
        "heldout_neuron_r2", "generalization", arm, float(value), n=n_networks, condition=where, null=null,
        baselines=baselines, ceiling=ceiling,
    )  # fmt: skip


def _others(matrix: np.ndarray, i: int) -> dict | None:
    """Null: what was predicted for the other directions, scored on this one."""
    others = np.delete(matrix[i], i)
    others = others[np.isfinite(others)]
    if not len(others) or not math.isfinite(matrix[i, i]):
        return None
    p = (1 + int((others >= matrix[i, i]).sum())) / (1 + len(others))
    return {"kind": "other_directions", "mean": float(others.mean()), "p95": float(np.percentile(others, 95)), "p": p}


def shuffled_null(matrix: np.ndarray, statistic) -> dict:
    """Null: predictions change places among directions; all orders of up to 7, otherwise 5000 random ones.

    Args:
        matrix: R² in direction i of what was predicted for direction j.
        statistic: over directions.
    """
    n = len(matrix)
    if n <= 7:
        orders = np.array(list(itertools.permutations(range(n))))[1:]
    else:
        random = np.random.default_rng(0)
        orders = np.array([random.permutation(n) for _ in range(N_PERMUTATIONS)])
    draws = statistic(matrix[np.arange(n)[None, :], orders], axis=1) if len(orders) else np.array([np.nan])
    p = (1 + int((draws >= statistic(np.diag(matrix))).sum())) / (1 + len(orders))
    return {"kind": "shuffled_conditions", "mean": float(draws.mean()), "p95": float(np.percentile(draws, 95)), "p": p}


def _population(recording: Recording, config: FitConfig, scored: Scored, key) -> list[Row]:
    """Likeness of the whole predicted population to the recorded one, every direction predicted while left out."""
    made = scored.ensemble
    if not np.isfinite(made).all():
        return []
    scale = np.ptp(recording.rates, axis=(0, 1)) + config.soft_normalization
    truth, guess = (recording.activity.replace(rates=a / scale, outputs=None) for a in (recording.rates, made))
    rows = []
    for measure in (SVCCA(), LinearCKA(), Procrustes()):
        null = null_distribution(measure, truth, guess, ShuffledConditions(), n_draws=N_DRAWS, key=key)
        bounds = null.bounds
        rows.append(
            Row(null.score.metric, "population", "ensemble", null.score.value, n=len(made), unit=null.score.unit,
                condition={"set": "heldout_direction", "fraction": config.fraction}, null=bounds,
                direction="lower" if null.score.direction == "lower" else "higher")
        )  # fmt: skip
    return rows


def make_claims(recording: Recording, config: FitConfig, scored: Scored, *, key) -> list[Claim]:
    """Whether the networks' mean prediction beats what needs no training, pair by pair over directions."""
    own = r2_by_direction(recording, config, scored.ensemble)
    finite = np.isfinite(own)
    claims = []
    for name, rival in RIVALS.items():
        other = r2_by_direction(recording, config, scored.baselines[name])[finite]
        sentence = f"The networks predict unseen units in a left-out direction better than {rival}."
        if not finite.any():
            claims.append(Claim(sentence, "this fit", None))
            continue
        test = paired_test(own[finite], other, "greater")
        interval = bootstrap_interval(own[finite] - other, key=jax.random.fold_in(key, len(claims)))
        supported = None if math.isnan(test.p) else bool(test.p < 0.05 and test.difference > 0)
        claims.append(Claim(sentence, "this fit", supported, test.difference, interval, test.p, int(finite.sum())))
    return claims
