"""Fit the students of one circuit, each beside its untrained twin."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from recirc.analyses import Result, Row, specification_key, with_twin
from recirc.analyses.arrays import weights_of
from recirc.circuits import RateNetwork
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024.design import DT, PUBLISHED, is_example, is_hinted, is_judged, n_own
from recirc.studies.qian2024.driven import driven, empty_student, untrained_student
from recirc.studies.qian2024.hinted import hinted_trials, task_error, train_hinted, untrained
from recirc.studies.qian2024.measures import N_DRAWS, Chance, measured
from recirc.train import AbstractTrainer, BpttStudent, Cornn, Curbd, LinearDynamics, OneStepRidge, fit
from recirc.types import Outcome, Score, Trials

EXAMPLE_SEED = 0  # whose weights and activity are kept: the first, whatever it looks like
KEPT_SECONDS, KEPT_UNITS = 3.0, 4


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
        if network is not None and specification["seed"] == EXAMPLE_SEED and is_example(asked):
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

    `twins` holds the untrained students of this circuit, what was measured of them, and what chance is drawn from:
    those of one size, shown one run, are one.
    """
    twin_key, fit_key = jax.random.split(specification_key(circuit | {"n_hidden": asked["n_hidden"]}))
    is_shown = specification["is_shown"] and is_judged(asked, circuit["circuit"])
    names_key, network_key = jax.random.split(jax.random.fold_in(fit_key, 1))
    which = (
        is_hinted(asked) and (asked["length_s"], n_own(asked)),
        *(asked[name] for name in ("data", "fraction", "n_hidden", "noise", "recorded")),
    )
    if which not in twins:
        random = lambda key: (  # noqa: E731
            untrained(seen, n_own(asked), key) if is_hinted(asked) else untrained_student(asked, circuit, key)
        )
        others = [random(key) for key in jax.random.split(network_key, N_DRAWS) if is_shown and is_hinted(asked)]
        twin = random(twin_key)
        twins[which] = twin, measured(twin, asked, circuit, is_shown=is_shown), Chance(names_key, others)
    twin, by_twin, chance = twins[which]
    if is_hinted(asked):
        trained = train_hinted(twin, seen, with_task=asked["arm"].endswith("task"), key=fit_key)
    else:
        start = twin if asked["arm"].startswith("bptt") else empty_student(asked, circuit)
        trained = fit(trainer_of(asked, seen, specification["training"]), start, seen, key=fit_key)
    about = {"history": trained.history}
    if trained.outcome is Outcome.DIVERGED:
        return about | {"outcome": trained.message, "rows": []}, None
    rows = measured(trained.network, asked, circuit, is_shown=is_shown, chance=chance if is_shown else None)
    if is_hinted(asked):
        error, of_twin = task_error(trained.network, seen), task_error(twin, seen).value
    else:
        error, of_twin = (
            Score("output_nmse", trained.history[-1]["output_nmse"], "performance", "lower"),
            1.0,
        )  # of zeros
    rows = [*with_twin(rows, by_twin), Row.of(error, asked["arm"], {"set": "train"}, baselines={"untrained": of_twin})]
    return about | {"rows": [dataclasses.asdict(row) for row in rows]}, trained.network


def kept(network: RateNetwork, asked: Mapping[str, Any], circuit: dict) -> dict[str, np.ndarray]:
    """Weights of a student, and a few units in the run that it saw, beside what was recorded."""
    units, run = work.units_of(asked, circuit)[0], work.shown_run(asked, False, circuit)
    every, until = round(DT / run.trials.dt), round(KEPT_SECONDS / DT)
    thin = lambda values: values.reshape(-1, values.shape[2])[::every][:until, :KEPT_UNITS].astype(np.float32)  # noqa: E731
    rates = {"rates": thin(driven(network, run, units, asked)), "target_rates": thin(run.rates[:, 1:, units])}
    return {**weights_of(network, np.float32), **rates}
