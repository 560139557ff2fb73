"""What is measured of a student against its circuit, and what its likeness to the circuit would be by chance."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from recirc import circuits, compare
from recirc.analyses import Row, specification_key
from recirc.circuits import RateNetwork, Restarted, simulate
from recirc.circuits.base import numpy_generator
from recirc.compare.null_distribution import NullDistribution, beside
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024.circuit import N_KICKED, Recording
from recirc.studies.qian2024.design import DT, GAIN, SECONDS, TRIAL, is_example, is_hinted, student
from recirc.studies.qian2024.hinted import hinted_kicks, run_hinted
from recirc.train.student import first_states
from recirc.types import Activity, Score, Trials

LONGEST = SECONDS  # seconds: slower modes, and those that grow, count as so slow
N_STARTS = 8  # of a search for fixed points
MAP_PENALTY = 1e-3
N_DRAWS = 19  # of every null: the smallest p is .05
RELABELLED, UNTRAINED = "relabelled_units", "untrained_networks"


def empty_student(asked: Mapping[str, Any], circuit: dict) -> RateNetwork:
    """The circuit, cut down to the recorded units, without weights."""
    network, n_units = work.made(**circuit)[0].network, len(work.units_of(asked, circuit)[0])
    return dataclasses.replace(
        network, recurrent=jnp.zeros((n_units, n_units)), input_weights=jnp.zeros((n_units, 0)),
        readout=jnp.zeros((len(network.readout), n_units)), bias=jnp.zeros(n_units), start=jnp.zeros(n_units),
    )  # fmt: skip


def untrained_student(asked: Mapping[str, Any], circuit: dict, key: PRNGKeyArray) -> RateNetwork:
    """A random network of a student's size, whose first units are the recorded ones."""
    return circuits.with_hidden(empty_student(asked, circuit), asked["n_hidden"], key=key, gain=GAIN)


def measured(
    network: RateNetwork, asked: Mapping[str, Any], circuit: dict, *, chance: PRNGKeyArray | None = None
) -> list[Row]:
    """A student against what its circuit is known to be; "teacher" is the circuit's number.

    Args:
        network: the student.
        asked: an entry of `design.student`.
        circuit: arguments of `circuit.made`.
        chance: draws nulls, if there are to be any. Those of R² are the same student with the names of the recorded
            units changed round, so that it knows all of its circuit but which unit is which; those of DSA and InputDSA,
            which do not see names, untrained networks. Either is exact, as far as it goes: if the student were one of
            these, p would be at its level. But whatever has modes more like the circuit's than a random network has is
            beyond the latter, which is why it is not certified. Nulls of runs, DSA and InputDSA are of students of a
            tenth of the units, which are small.
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
    orders = [] if chance is None else relabellings(len(work.units_of(asked, circuit)[0]), chance)
    rows.append(_kicks(network, asked, circuit, orders))
    has_steps = is_example(asked) and work.step_of(asked, circuit) == DT
    rows += _driven(network, asked, circuit, orders if has_steps else [])
    return rows + (_dynamics(network, asked, circuit) if orders and has_steps and not is_hinted(asked) else [])


def relabellings(n_units: int, key: PRNGKeyArray) -> list[Int[np.ndarray, " unit"]]:
    """Random orders of the recorded units, those that are kicked and those that are not each among themselves."""
    random = numpy_generator(key)
    groups = np.split(np.arange(n_units), [min(N_KICKED, n_units)])
    return [np.concatenate([random.permutation(group) for group in groups]) for _ in range(N_DRAWS)]


def by_chance(score: Score, draws: Sequence[float] | np.ndarray, kind: str) -> NullDistribution | None:
    """The null of a score, if any was drawn."""
    if not len(draws):
        return None
    worst = np.finfo(np.float32).max * (-1 if score.direction == "higher" else 1)
    finite = np.where(np.isfinite(draws), draws, worst)
    return dataclasses.replace(beside(score, finite, kind), is_certified=kind == RELABELLED)


def _kicks(network: RateNetwork, asked: Mapping[str, Any], circuit: dict, orders: Sequence[np.ndarray]) -> Row:
    """R² of what recorded units do after kicks, from the second step on."""
    wanted, dt = work.kicked(asked, circuit), work.step_of({"data": "recording"}, circuit)
    if is_hinted(asked):
        made = hinted_kicks(network, wanted, dt)
    else:
        made = work.after_kicks(network, np.arange(wanted.shape[2]), dt)[:, :, : wanted.shape[2]]
    wanted, made, n_kicks = wanted[:, 1:], made[:, 1:], len(wanted)
    with np.errstate(all="ignore"):
        r2 = lambda values: float(1 - np.sum((values - wanted) ** 2) / np.sum(wanted**2))  # noqa: E731
        score = Score("kicked_units_r2", r2(made), "mechanism")
        null = by_chance(score, [r2(made[order[:n_kicks]][:, :, order]) for order in orders], RELABELLED)
    return Row.of(score, asked["arm"], {"set": "origin"}, null=null)


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


def driven(
    network: RateNetwork, run: Recording, units: np.ndarray, asked: Mapping[str, Any]
) -> Float[np.ndarray, "trial time unit"]:
    """Rates of a student that starts from what was recorded and gets the recorded units' own noise.

    Students by full-FORCE, which have no such units, get no noise; what they make of these units comes first.
    """
    if is_hinted(asked):
        return run_hinted(network, run, units)
    n_units, inputs, hints = len(units), run.trials.inputs[:, :, units], run.rates[:, :, units]
    shared = {"dt": run.trials.dt, "conditions": run.trials.conditions}
    seen = Trials(inputs, hints[:, :, :0], hints=hints, hint_units=[str(unit) for unit in units], **shared)
    later = Trials(inputs[:, 1:], hints[:, 1:, :0], **shared)
    weights = jnp.eye(network.n_units)[:, :n_units]
    alone = dataclasses.replace(network, input_weights=weights, readout=network.readout[:0], noise=None)
    return np.asarray(simulate(Restarted(alone, first_states(network, seen)), later, key=jax.random.key(0)).rates)


def _driven(network: RateNetwork, asked: Mapping[str, Any], circuit: dict, orders: Sequence[np.ndarray]) -> list[Row]:
    """What a student does when it is driven as the recorded units were: their match, and the other units."""
    units, unseen = work.units_of(asked, circuit)
    runs = {name: work.shown_run(asked, is_new, circuit) for name, is_new in (("train", False), ("new_run", True))}
    scores = _matches({name: driven(network, run, units, asked) for name, run in runs.items()}, runs, units, unseen)
    draws = []
    if orders:
        again = {name: _renamed(network, run, units, orders, asked) for name, run in runs.items()}
        made = ({name: each[i] for name, each in again.items()} for i in range(len(orders)))
        draws = [_matches(rates, runs, units[order], unseen) for rates, order in zip(made, orders)]
    rows = []
    for place, score in scores.items():
        null = by_chance(score, [each[place].value if place in each else np.nan for each in draws], RELABELLED)
        rows.append(Row.of(score, asked["arm"], {"set": place[1]}, null=null))
    return rows


def _renamed(network, run: Recording, units, orders, asked) -> Float[np.ndarray, "order trial time unit"]:
    """Rates of a student whose units are taken for others of the recorded ones, all in one run."""
    both = (np.concatenate([np.asarray(each)[:, :, units[order]] for order in orders])
            for each in (run.trials.inputs, run.rates))  # fmt: skip
    inputs, rates = both
    names = [str(i) for i in range(len(rates))]
    trials = Trials(inputs, inputs[:, :, :0], dt=run.trials.dt, conditions=names)
    many = Recording(trials, rates, np.tile(run.outputs, (len(orders), 1, 1)))
    made = driven(network, many, np.arange(len(units)), asked)
    return made.reshape(len(orders), -1, *made.shape[1:])


def _matches(rates, runs: Mapping[str, Recording], units, unseen) -> dict[tuple[str, str], Score]:
    """R² by metric and run; a student whose rates explode has none of units that were not recorded."""
    scores = {}
    for name, run in runs.items():
        true = run.rates[:, 1:, units]
        with np.errstate(all="ignore"):
            error = np.sum((rates[name][:, :, : len(units)] - true) ** 2, axis=(0, 1))
            matched = float(np.median(1 - error / np.sum((true - true.mean((0, 1))) ** 2, axis=(0, 1))))
        scores["recorded_r2", name] = Score("recorded_r2", matched, "unit")
    if len(unseen) and max(np.abs(each).max() for each in rates.values()) < 1e6:
        scores["heldout_neuron_r2", "new_run"] = _mapped(rates, runs, unseen)
    return scores


def _mapped(rates, runs: Mapping[str, Recording], unseen: np.ndarray) -> Score:
    """Units that were not recorded, by a linear map that is fitted to one run and scored on another."""
    activity = lambda values, run: Activity(values, dt=run.trials.dt, conditions=run.trials.conditions)  # noqa: E731
    made = {name: activity(values, runs[name]) for name, values in rates.items()}
    true = {name: activity(run.rates[:, 1:, unseen], run) for name, run in runs.items()}
    mapped = compare.NeuronMap.fit(made["train"], true["train"], penalties=(MAP_PENALTY,))
    return mapped.score(made["new_run"], true["new_run"])


def _dynamics(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> list[Row]:
    """DSA and InputDSA of the recorded units in a new run, beside those of untrained networks."""
    found = np.array(_untrained_dynamics(asked["n_hidden"], asked["data"], **circuit))
    return [
        Row.of(score, asked["arm"], {"set": "new_run"}, null=by_chance(score, draws, UNTRAINED),
               baselines={"untrained": float(np.median(draws))})
        for score, draws in zip(_dynamical(network, asked, circuit), found.T)
    ]  # fmt: skip


@functools.lru_cache(maxsize=2)
def _untrained_dynamics(n_hidden: int, data: str, **circuit) -> list[list[float]]:
    """DSA and InputDSA of as many untrained networks as a null has draws."""
    asked = student("untrained", data=data, n_hidden=n_hidden)
    keys = jax.random.split(specification_key(circuit | asked), N_DRAWS)
    networks = (untrained_student(asked, circuit, key) for key in keys)
    return [[score.value for score in _dynamical(network, asked, circuit)] for network in networks]


def _dynamical(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> tuple[Score, Score]:
    """In pieces of a second."""
    run, units = work.shown_run(asked, True, circuit), work.units_of(asked, circuit)[0]
    length = round(TRIAL / run.trials.dt) - 1

    def pieces(values) -> np.ndarray:
        return values[:, : values.shape[1] // length * length].reshape(-1, length, len(units))

    noise = pieces(np.asarray(run.trials.inputs)[:, 1:, units])
    names = [str(i) for i in range(len(noise))]
    inputs = Trials(noise, noise[:, :, :0], dt=DT, conditions=names)
    activity = lambda rates: Activity(pieces(rates[:, :, : len(units)]), dt=DT, conditions=names)  # noqa: E731
    true, made = activity(run.rates[:, 1:, units]), activity(driven(network, run, units, asked))
    return compare.DSA()(true, made), compare.InputDSA()(true, made, inputs, inputs)
