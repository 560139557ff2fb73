"""What is measured of a student against its circuit, and what its likeness to the circuit would be by chance."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from recirc import circuits, compare
from recirc.analyses import Row, specification_key
from recirc.circuits import RateNetwork
from recirc.circuits.base import numpy_generator
from recirc.compare.null_distribution import NullDistribution, beside
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024.circuit import AFTER, N_KICKED, Recording
from recirc.studies.qian2024.design import DT, SECONDS, is_example, is_hinted, student
from recirc.studies.qian2024.driven import driven, runs_of, runs_renamed, untrained_student
from recirc.studies.qian2024.hinted import hinted_kicks
from recirc.types import Activity, Score, Trials

LONGEST = SECONDS  # seconds: slower modes, and those that grow, count as so slow
N_STARTS = 8  # of a search for fixed points
MAP_PENALTY = 1e-3
MOST = 1e6  # rates that are larger have exploded
N_DRAWS = 19  # of every null: the smallest p is .05
RELABELLED, UNTRAINED = "relabelled_units", "untrained_networks"


class Chance(NamedTuple):
    """What nulls are drawn from.

    Args:
        key: of the order in which names are changed round.
        others: untrained students by full-FORCE, each with a readout of its own; none for students of another kind.
    """

    key: PRNGKeyArray
    others: Sequence[RateNetwork]


def measured(
    network: RateNetwork, asked: Mapping[str, Any], circuit: dict, *, is_shown: bool = False,
    chance: Chance | None = None,
) -> list[Row]:  # fmt: skip
    """A student against what its circuit is known to be; "teacher" is the circuit's number.

    By chance R² is that of the same student with the names of the recorded units changed round, which has the same
    modes, but does not know which unit is which. That is exact: where the weights do not depend on names, p is at its
    level. The readout of students by full-FORCE does, trained or not, and DSA and InputDSA do not see names: beside
    these stand untrained networks. What is more like the circuit than those are is beyond them, for whatever reason, so
    that they are not certified.

    Args:
        network: the student.
        asked: an entry of `design.student`.
        circuit: arguments of `circuit.made`.
        is_shown: whether DSA is measured and, of students that get the circuit's noise, InputDSA.
        chance: draws nulls, if there are to be any: of kicks; and, of students of a tenth of the units and all by
            full-FORCE, of what their runs say.
    """
    teacher = work.made(**circuit)[0]
    truth, modes = compare.linear_modes(teacher), compare.linear_modes(network, state=np.zeros(network.n_units))
    slowest = lambda found: min(float(found.time_constants[0]), LONGEST)  # noqa: E731
    scores = [
        (Score("slowest_mode_s", slowest(modes), "mechanism", "lower", "s"), slowest(truth)),
        (Score("n_spurious_slow", float(compare.n_spurious_slow(modes, truth)), "mechanism", "lower"), 0.0),
        (Score("nonnormality", modes.nonnormality, "mechanism"), truth.nonnormality),
        (Score("slowest_mode_hz", float(modes.frequencies[0]), "mechanism", unit="Hz"), float(truth.frequencies[0])),
        *_fixed_points(network, asked, circuit),
    ]
    rows = [Row.of(score, asked["arm"], {"set": "origin"}, teacher=known) for score, known in scores]
    runs, rates = runs_of(network, asked, circuit)
    kind, draws = _by_chance(network, asked, circuit, chance)
    likeness = [(_kicks(network, asked, circuit) | _matches(rates, runs, asked, circuit), kind, draws)]
    if is_shown:
        has_own = chance is not None and not is_hinted(asked) and is_example(asked)
        others = _untrained_dynamics(asked["n_hidden"], asked["data"], **circuit) if has_own else draws
        likeness.append((_dynamics(rates["new_run"], asked, circuit), UNTRAINED, others))
    for scores, kind, draws in likeness:
        for place, score in scores.items():
            values = [each.get(place, np.nan) for each in draws] if any(place in each for each in draws) else []
            rows.append(Row.of(score, asked["arm"], {"set": place[1]}, null=null_of(score, values, kind)))
    return rows


def null_of(score: Score, draws: Sequence[float] | np.ndarray, kind: str) -> NullDistribution | None:
    """The null of a score, if any was drawn; draws that are not finite are as bad as the worst."""
    if not len(draws):
        return None
    draws, worst = np.asarray(draws, float), np.min if score.direction == "higher" else np.max
    finite = np.where(np.isfinite(draws), draws, worst([score.value, *draws[np.isfinite(draws)]]))
    return dataclasses.replace(beside(score, finite, kind), is_certified=kind == RELABELLED)


Place = tuple[str, str]  # a metric, and what it is measured on


def _by_chance(
    network: RateNetwork, asked: Mapping[str, Any], circuit: dict, chance: Chance | None
) -> tuple[str, list[dict[Place, float]]]:
    """Of which kind the null of a student's likeness is, and what every draw gives."""
    if chance is None:
        return RELABELLED, []
    if is_hinted(asked):
        draws = []
        for other in chance.others:
            runs, rates = runs_of(other, asked, circuit)
            alike = _kicks(other, asked, circuit) | _matches(rates, runs, asked, circuit)
            draws.append(_values(alike | _dynamics(rates["new_run"], asked, circuit)))
        return UNTRAINED, draws
    orders = relabellings(len(work.units_of(asked, circuit)[0]), chance.key)
    draws = _kicks_renamed(network, asked, circuit, orders)
    if is_example(asked):
        runs, made = runs_renamed(network, asked, circuit, orders)
        for i, order in enumerate(orders):
            scores = _matches({name: each[i] for name, each in made.items()}, runs, asked, circuit, order)
            draws[i] |= _values(scores)
    return RELABELLED, draws


def _values(scores: Mapping[Place, Score]) -> dict[Place, float]:
    return {place: score.value for place, score in scores.items()}


def relabellings(n_units: int, key: PRNGKeyArray) -> list[Int[np.ndarray, " unit"]]:
    """Random orders of the recorded units, those that are kicked and those that are not each among themselves."""
    random = numpy_generator(key)
    groups = np.split(np.arange(n_units), [min(N_KICKED, n_units)])
    return [np.concatenate([random.permutation(group) for group in groups]) for _ in range(N_DRAWS)]


def _kicks(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> dict[Place, Score]:
    """How well what recorded units do after kicks is matched, from the second step on."""
    value = _kicked_r2(_kicked(network, asked, circuit), work.kicked(asked, circuit))
    return {("kicked_units_r2", "kicks"): Score("kicked_units_r2", value, "mechanism")}


def _kicks_renamed(network, asked: Mapping[str, Any], circuit: dict, orders) -> list[dict[Place, float]]:
    made, wanted = _kicked(network, asked, circuit), work.kicked(asked, circuit)
    renamed = (made[order[: len(made)]][:, :, order] for order in orders)
    return [{("kicked_units_r2", "kicks"): _kicked_r2(each, wanted)} for each in renamed]


def _kicked(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> Float[np.ndarray, "kick time unit"]:
    n_units, dt = len(work.units_of(asked, circuit)[0]), work.step_of("recording", circuit["circuit"])
    if is_hinted(asked):
        return hinted_kicks(network, n_units, round(AFTER / dt), dt)
    return work.after_kicks(network, np.arange(n_units), dt)[:, :, :n_units]


def _kicked_r2(made: np.ndarray, wanted: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(1 - np.sum((made[:, 1:] - wanted[:, 1:]) ** 2) / np.sum(wanted[:, 1:] ** 2))


def _fixed_points(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> list[tuple[Score, float]]:
    """How many are found from states of a run, where units are not linear, and from as many of the whole circuit."""
    if network.nonlinearity is circuits.linear:
        return []
    run, own = work.shown_run(asked, False, circuit), work.units_of(asked, circuit)[0]
    if is_hinted(asked):
        rates = driven(network, run, own, asked)[:, :, len(own) :]
    else:
        rates = np.pad(run.rates[:, :, own], [(0, 0), (0, 0), (0, network.n_units - len(own))])
    score = Score("n_fixed_points", float(_n_fixed_points(network, rates)), "mechanism", "lower")
    return [(score, float(_n_true(asked["data"], asked["noise"], **circuit)))]


def _n_fixed_points(network: RateNetwork, rates: np.ndarray) -> int:
    starts = np.arctanh(rates[0, :: rates.shape[1] // N_STARTS][:N_STARTS])
    alone = dataclasses.replace(network, input_weights=network.input_weights[:, :0])
    return len(compare.find_fixed_points(alone, np.zeros(0), starts).points)


@functools.lru_cache(maxsize=1)
def _n_true(data: str, noise: float, **circuit) -> int:
    """Fixed points of a circuit; where its units are linear, the origin."""
    teacher = work.made(**circuit)[0].network
    if teacher.nonlinearity is circuits.linear:
        return 1
    return _n_fixed_points(teacher, work.shown_run({"data": data, "noise": noise}, False, circuit).rates)


def _matches(
    rates: Mapping[str, np.ndarray], runs: Mapping[str, Recording], asked: Mapping[str, Any], circuit: dict, order=None
) -> dict[Place, Score]:
    """R² of the recorded units, in an order, in each run, and of the others in the new one, where rates do not explode.

    Args:
        rates: of a student, by run.
        runs: of the circuit.
        asked, circuit: as of `measured`.
        order: of the recorded units that the student's units are taken for.
    """
    units, unseen = work.units_of(asked, circuit)
    units = units if order is None else units[order]
    scores = {}
    for name, run in runs.items():
        true = run.rates[:, 1:, units]
        with np.errstate(all="ignore"):
            error = np.sum((rates[name][:, :, : len(units)] - true) ** 2, axis=(0, 1))
            matched = float(np.median(1 - error / np.sum((true - true.mean((0, 1))) ** 2, axis=(0, 1))))
        scores["recorded_r2", name] = Score("recorded_r2", matched, "unit")
    if len(unseen) and max(np.abs(each).max() for each in rates.values()) < MOST:
        scores["heldout_neuron_r2", "new_run"] = _mapped(rates, runs, unseen)
    return scores


def _mapped(rates, runs: Mapping[str, Recording], unseen: np.ndarray) -> Score:
    """Units that were not recorded, by a linear map that is fitted to one run and scored on another."""
    activity = lambda values, run: Activity(values, dt=run.trials.dt, conditions=run.trials.conditions)  # noqa: E731
    made = {name: activity(values, runs[name]) for name, values in rates.items()}
    true = {name: activity(run.rates[:, 1:, unseen], run) for name, run in runs.items()}
    mapped = compare.NeuronMap.fit(made["train"], true["train"], penalties=(MAP_PENALTY,))
    return mapped.score(made["new_run"], true["new_run"])


@functools.lru_cache(maxsize=2)
def _untrained_dynamics(n_hidden: int, data: str, **circuit) -> list[dict[Place, float]]:
    """DSA and InputDSA of as many untrained networks as a null has draws, which all students of the data share."""
    asked = student("untrained", data=data, n_hidden=n_hidden)
    run, units = work.shown_run(asked, True, circuit), work.units_of(asked, circuit)[0]
    keys = jax.random.split(specification_key(circuit | asked), N_DRAWS)
    networks = (untrained_student(asked, circuit, key) for key in keys)
    return [_values(_dynamics(driven(network, run, units, asked), asked, circuit)) for network in networks]


def _dynamics(rates: np.ndarray, asked: Mapping[str, Any], circuit: dict) -> dict[Place, Score]:
    """DSA of the recorded units in a new run, from the second step of every second on, in steps of 10 ms.

    Students by full-FORCE get no noise, others have InputDSA as well; rates that explode have neither.

    Args:
        rates: of a student, from the second step of the run on.
        asked, circuit: as of `measured`.
    """
    if not np.abs(rates).max() < MOST:
        return {}
    run, units = work.shown_run(asked, True, circuit), work.units_of(asked, circuit)[0]
    every = round(DT / run.trials.dt)

    def pieces(values) -> Float[np.ndarray, "second time within unit"]:
        values = work.in_trials(values, run.trials.dt)
        return values.reshape(len(values), -1, every, len(units))[:, 1:]

    noise = pieces(np.asarray(run.trials.inputs)[:, :, units]).mean(2)
    names = [str(i) for i in range(len(noise))]
    made = np.concatenate([run.rates[:, :1, units], rates[:, :, : len(units)]], axis=1)
    true, made = (Activity(pieces(each)[:, :, -1], dt=DT, conditions=names) for each in (run.rates[:, :, units], made))
    scores = {("dsa", "new_run"): compare.DSA()(true, made)}
    if not is_hinted(asked):
        inputs = Trials(noise, noise[:, :, :0], dt=DT, conditions=names)
        scores["input_dsa", "new_run"] = compare.InputDSA()(true, made, inputs, inputs)
    return scores
