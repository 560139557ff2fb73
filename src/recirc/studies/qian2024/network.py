"""Fit the students of one circuit, and measure each against what the circuit is known to be."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from recirc import circuits, compare
from recirc.analyses import Result, Row, specification_key, with_twin
from recirc.analyses.arrays import weights_of
from recirc.circuits import RateNetwork, Restarted, simulate
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024.circuit import Recording
from recirc.studies.qian2024.design import DT, FRACTION, GAIN, NOISE, PUBLISHED, RANDOM, SECONDS, STEPS, TRIAL
from recirc.studies.qian2024.hinted import hinted_trials, run_hinted, task_error, train_hinted, untrained
from recirc.train import AbstractTrainer, BpttStudent, Cornn, Curbd, LinearDynamics, OneStepRidge, fit
from recirc.train.student import first_states
from recirc.types import Activity, Outcome, Score, Trials

LONGEST = SECONDS  # seconds: slower modes, and those that grow, count as so slow
EXAMPLE_SEED = 0  # whose weights and activity are kept: the first, whatever it looks like
KEPT_SECONDS, KEPT_UNITS = 3.0, 4
N_STARTS = 8  # of a search for fixed points
MAP_PENALTY = 1e-3


def train_students(specification: Mapping[str, Any]) -> Result:
    """All students of one circuit: rows and history of each, and of the first seed weights and activity.

    Students of one circuit see the same runs and, of fewer units, the first of the same order, so that they can be
    compared in pairs.

    Args:
        specification: an entry of `design.specifications`.
    """
    circuit = {name: specification[name] for name in ("study_seed", "seed", "circuit", "n_units")}
    done, arrays, twins = [], {}, {}
    for index, asked in enumerate(specification["students"]):
        seen = learned_from(asked, circuit)
        try:
            found, network = train_student(asked, circuit, seen, specification, twins)
        except ValueError as error:  # the others of its circuit go on
            found, network = {"outcome": str(error), "rows": [], "history": []}, None
        done.append(found)
        is_example = specification["seed"] == EXAMPLE_SEED and asked["fraction"] == FRACTION
        is_example &= asked["noise"] == NOISE and asked["recorded"] == RANDOM
        if network is not None and is_example:
            arrays |= {f"{index}_{name}": each for name, each in kept(network, asked, circuit).items()}
    return Result(arrays, {"students": done})


def learned_from(asked: Mapping[str, Any], circuit: dict) -> Trials:
    """What a student is shown: rates of the recorded units, and the outputs; nothing of the noise.

    A single run is cut into trials of a second, which loses the steps between them, for students that learn by
    gradient or full-FORCE, and left whole for others.
    """
    whole = work.recording(asked["data"], False, asked["noise"], **circuit)
    if asked["data"] != "trials":
        whole = whole.until(round(asked["length_s"] / whole.trials.dt))
    units = work.units_of(asked, circuit)[0]
    rates, outputs, dt = whole.rates[:, :, units], whole.outputs, whole.trials.dt
    if is_hinted(asked):
        return hinted_trials(rates, outputs, dt)
    if asked["arm"].startswith("bptt"):
        rates, outputs = work.in_trials(rates, dt), work.in_trials(outputs, dt)
    names = [str(i) for i in range(len(rates))]
    hints = {"hints": rates, "hint_units": [str(unit) for unit in units]}
    return Trials(np.zeros((*rates.shape[:2], 0)), outputs, dt=dt, conditions=names, **hints)


def is_hinted(asked: Mapping[str, Any]) -> bool:
    """Whether a student learns by full-FORCE, from hints, so that its units are not the recorded ones."""
    return asked["arm"].startswith("full_force")


def trainer_of(asked: Mapping[str, Any], seen: Trials, training: Mapping[str, Any]) -> AbstractTrainer:
    """How a student is fitted; ridge with the published penalty, and the others that have one with as much."""
    step = float(1 - np.exp(-seen.dt / work.TAU))
    n_pairs = seen.n_trials * (seen.n_steps - 1)
    published = float(PUBLISHED / step**2 / (np.mean(np.asarray(seen.hints) ** 2) * n_pairs))
    ways: dict[str, AbstractTrainer] = {
        "ridge": OneStepRidge(penalty=published, learns=("readout",)),
        "linear_dynamics": LinearDynamics(penalty=published, learns=("readout",)),
        "cornn": Cornn(penalty=published, learns=("readout",)),
        "curbd": Curbd(n_passes=5, update_interval=seen.dt),  # pyright: ignore
        "bptt": BpttStudent(task_weight=0.0, learns=("readout",), **training),
        "bptt_task": BpttStudent(task_weight=1.0, learns=("readout",), **training),
    }
    return ways[asked["arm"]]


def train_student(
    asked: Mapping[str, Any], circuit: dict, seen: Trials, specification: Mapping[str, Any], twins: dict
) -> tuple[dict, RateNetwork | None]:
    """Rows and history of one student, and what it is if its training did not diverge.

    `twins` holds what was measured of untrained students of this circuit: those of one size, shown one run, are one.
    """
    twin_key, fit_key = jax.random.split(specification_key(circuit | {"n_hidden": asked["n_hidden"]}))
    if is_hinted(asked):
        twin = untrained(seen, twin_key)
        trained = train_hinted(twin, seen, with_task=asked["arm"].endswith("task"), key=fit_key)
    else:
        empty = empty_student(asked, circuit)
        twin = circuits.with_hidden(empty, asked["n_hidden"], key=twin_key, gain=GAIN)
        start = twin if asked["arm"].startswith("bptt") else empty
        trained = fit(trainer_of(asked, seen, specification["training"]), start, seen, key=fit_key)
    about = {"history": trained.history}
    if trained.outcome is Outcome.DIVERGED:
        return about | {"outcome": trained.message, "rows": []}, None
    which = (
        is_hinted(asked) and asked["length_s"],
        *(asked[name] for name in ("data", "fraction", "n_hidden", "noise", "recorded")),
    )
    if which not in twins:
        twins[which] = measured(twin, asked, circuit, specification["is_shown"])
    rows = measured(trained.network, asked, circuit, specification["is_shown"])
    off = task_error(trained.network, seen) if is_hinted(asked) else trained.history[-1]["output_nmse"]
    error = Score("output_nmse", off, "performance", "lower")
    rows = [*with_twin(rows, twins[which]), Row.of(error, asked["arm"], {"set": "train"})]
    return about | {"rows": [dataclasses.asdict(row) for row in rows]}, trained.network


def empty_student(asked: Mapping[str, Any], circuit: dict) -> RateNetwork:
    """The circuit, cut down to the recorded units, without weights."""
    network, n_units = work.made(**circuit)[0].network, len(work.units_of(asked, circuit)[0])
    return dataclasses.replace(
        network, recurrent=jnp.zeros((n_units, n_units)), input_weights=jnp.zeros((n_units, 0)),
        readout=jnp.zeros((len(network.readout), n_units)), bias=jnp.zeros(n_units), start=jnp.zeros(n_units),
    )  # fmt: skip


def measured(network: RateNetwork, asked: Mapping[str, Any], circuit: dict, is_shown: bool) -> list[Row]:
    """A student against what its circuit is known to be; "teacher" is the circuit's number.

    DSA and InputDSA are measured where `is_shown`, of a tenth of the units, of students whose units these are.
    """
    teacher = work.made(**circuit)[0]
    truth, modes = compare.linear_modes(teacher), compare.linear_modes(network, state=np.zeros(network.n_units))
    slowest = lambda found: min(float(found.time_constants[0]), LONGEST)  # noqa: E731
    scores = [
        (Score("slowest_mode_s", slowest(modes), "mechanism", "lower", "s"), slowest(truth)),
        (Score("n_spurious_slow", float(compare.n_spurious_slow(modes, truth)), "mechanism", "lower"), 0.0),
        (Score("nonnormality", modes.nonnormality, "mechanism"), truth.nonnormality),
        (Score("slowest_mode_hz", float(modes.frequencies[0]), "mechanism", unit="Hz"), float(truth.frequencies[0])),
        *_kicks(network, asked, circuit),
        *_fixed_points(network, asked, circuit),
    ]
    rows = [Row.of(score, asked["arm"], {"set": "origin"}, teacher=known) for score, known in scores]
    return rows + _driven(network, asked, circuit, is_shown and asked["fraction"] <= FRACTION and not is_hinted(asked))


def _kicks(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> list[tuple[Score, None]]:
    """R² of what recorded units do after kicks, where the student has these units."""
    if is_hinted(asked):
        return []
    wanted = work.kicked(asked, circuit)
    with np.errstate(all="ignore"):
        off = work.after_kicks(network, np.arange(wanted.shape[2]), STEPS.get(circuit["circuit"], DT)) - wanted
        return [(Score("kicked_units_r2", float(1 - np.sum(off**2) / np.sum(wanted**2)), "mechanism"), None)]


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


def driven(network: RateNetwork, run: Recording, units: np.ndarray, asked: Mapping[str, Any]) -> np.ndarray:
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


def _driven(network: RateNetwork, asked: Mapping[str, Any], circuit: dict, with_dynamics: bool) -> list[Row]:
    """What a student does when it is driven as the recorded units were: their match, the other units, dynamics."""
    units, unseen = work.units_of(asked, circuit)
    runs = {name: work.shown_run(asked, is_new, circuit) for name, is_new in (("train", False), ("new_run", True))}
    rates = {name: driven(network, run, units, asked) for name, run in runs.items()}
    rows = []
    for name, run in runs.items():
        true = run.rates[:, 1:, units]
        with np.errstate(all="ignore"):
            error = np.sum((rates[name][:, :, : len(units)] - true) ** 2, axis=(0, 1))
            matched = float(np.median(1 - error / np.sum((true - true.mean((0, 1))) ** 2, axis=(0, 1))))
        rows.append(Row.of(Score("recorded_r2", matched, "unit"), asked["arm"], {"set": name}))
    if max(np.abs(each).max() for each in rates.values()) < 1e6:
        rows += _mapped(rates, runs, asked["arm"], unseen)
        if with_dynamics:
            rows += _dynamics(rates["new_run"], runs["new_run"], units, asked["arm"])
    return rows


def _mapped(rates, runs: Mapping[str, Recording], arm: str, unseen: np.ndarray) -> list[Row]:
    """Units that were not recorded, by a linear map that is fitted to one run and scored on another."""
    if not len(unseen):
        return []
    made, true = (
        {
            name: Activity(values, dt=runs[name].trials.dt, conditions=runs[name].trials.conditions)
            for name, values in each
        }
        for each in (rates.items(), ((name, run.rates[:, 1:, unseen]) for name, run in runs.items()))
    )
    mapped = compare.NeuronMap.fit(made["train"], true["train"], penalties=(MAP_PENALTY,))
    return [Row.of(mapped.score(made["new_run"], true["new_run"]), arm, {"set": "new_run"})]


def _dynamics(rates: np.ndarray, run: Recording, units: np.ndarray, arm: str) -> list[Row]:
    """DSA and InputDSA of the recorded units, in pieces of a second of a new run, in steps of 10 ms."""
    if run.trials.dt < DT:
        return []
    length = round(TRIAL / DT) - 1
    pieces = lambda values: values[:, : values.shape[1] // length * length].reshape(-1, length, len(units))  # noqa: E731
    found = [pieces(values) for values in (run.rates[:, 1:, units], rates[:, :, : len(units)])]
    names = [str(i) for i in range(len(found[0]))]
    true, made = (Activity(values, dt=DT, conditions=names) for values in found)
    where = {"set": "new_run"}
    rows = [Row.of(compare.DSA()(true, made), arm, where)]
    noise = pieces(np.asarray(run.trials.inputs)[:, 1:, units])
    inputs = Trials(noise, noise[:, :, :0], dt=DT, conditions=names)
    score = compare.InputDSA()(true, made, inputs, inputs)
    return [*rows, Row.of(score, arm, where)]


def kept(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> dict[str, np.ndarray]:
    """Weights of a student, and a few units in the run that it saw, beside what was recorded."""
    units, run = work.units_of(asked, circuit)[0], work.shown_run(asked, False, circuit)
    every, until = round(DT / run.trials.dt), round(KEPT_SECONDS / DT)
    thin = lambda values: values.reshape(-1, values.shape[2])[::every][:until, :KEPT_UNITS].astype(np.float32)  # noqa: E731
    rates = {"rates": thin(driven(network, run, units, asked)), "target_rates": thin(run.rates[:, 1:, units])}
    return {**weights_of(network, np.float32), **rates}
