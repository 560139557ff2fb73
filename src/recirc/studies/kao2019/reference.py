"""What the networks of the study are compared with: a recording, or a circuit in its place."""

import tomllib
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from recirc import circuits
from recirc.analyses import Row
from recirc.analyses.verdict_config import Reference
from recirc.circuits import simulate
from recirc.compare import window
from recirc.compare.normalization import average_repeats
from recirc.data import Preprocessing, directions, read_prepared
from recirc.runs.provenance import hash_file
from recirc.studies.kao2019.design import COMPARED
from recirc.tasks import CenterOutReach, DelayedReach
from recirc.tasks.angles import angle_label, unit_vectors, wrap_angles
from recirc.types import Activity, Trials

CIRCUIT_UNITS = 200
FEWEST_DIRECTIONS = 5
MARGIN = 0.05  # seconds of a session read beyond what is compared
DT, FINE = 0.01, 0.001  # seconds per sample kept, and per step of the circuit
BEFORE, AFTER = 0.7, 0.6  # seconds of the circuit around movement onset
DELAY = 0.5  # seconds before movement onset at which the target comes on
LEAD = 0.1  # seconds by which the circuit, let go, leads the movement
EFFORT = 0.01  # of control, beside the prospective error
RIDGE = 0.01


def describe(path: Path | None, onset: float, seed: int) -> dict:
    """The reference as part of a specification: which file with which contents, or which circuit."""
    if path is None:
        return {"kind": "circuit", "seed": seed, "n_units": CIRCUIT_UNITS}
    if not path.is_file():
        what = "it is a folder; give a file" if path.is_dir() else "there is no such file; check the path"
        raise ValueError(f"{path}: {what}.")
    return {"kind": "recording", "path": str(path.resolve()), "sha256": hash_file(path), "onset": onset}


def load(description: dict) -> Reference:
    """The reference that a specification describes; time 0 is movement onset and condition labels are angles.

    Raises:
        ValueError: if a recording's window does not cover what is compared, its labels are not angles, two are the
            same, or there are fewer than five.
        DataFileError: if it cannot be read.
    """
    if description["kind"] == "recording":
        return _recording(description["path"], description["onset"])
    keys = jax.random.split(jax.random.fold_in(jax.random.key(description["seed"]), 2019), 2)
    one, other = (_prepared_reach(key, description["n_units"]) for key in keys)
    name = "a stability-optimized circuit, prepared by optimal anticipatory control, in place of a recording"
    return Reference(one, name, another=other, mechanism="initial-condition driven")


def published() -> dict:
    """Published values of motor cortex; under "otherwise" those that are measured in another way than here."""
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def published_rows() -> list[Row]:
    """The values that are measured as here, arm "published": each with its source and window."""
    found = []
    for each in (source for name, source in published().items() if name != "otherwise"):
        where = {"set": "compared", "source": each["source"], "window": each["window"]}
        for metric, (value, low, high) in each["values"].items():
            level = "unit" if metric.startswith("unit_") else "population"
            found.append(Row(metric, level, "published", float(value), (float(low), float(high)), condition=where))
    return found


def angles_of(reference: Reference | None) -> tuple[float, ...]:
    """Directions in degrees, in the order of the conditions; those of the circuit if None."""
    return CenterOutReach().angles if reference is None else tuple(directions(reference.activity).tolist())


def _recording(path: str, onset: float) -> Reference:
    around = Preprocessing(window=(COMPARED[0] - MARGIN, COMPARED[1] + MARGIN))
    found = read_prepared(path, around, for_fit=False)
    if onset and found.single_trials is not None:
        raise ValueError(f"{path} is a session, which is aligned by its own events; leave --reference-onset out.")
    whole = found.averages if found.single_trials is None else found.single_trials
    whole = whole.replace(start=whole.start - onset)
    ends = whole.start, whole.start + whole.rates.shape[1] * whole.dt
    late = max(ends[0] - COMPARED[0], COMPARED[1] - ends[1])
    if late > 0.49 * whole.dt:  # windows are cut to whole steps
        problem = f"{path} runs from {ends[0]:.3g} to {ends[1]:.3g} s around movement onset, and {COMPARED[0]} to"
        mend = "give the onset on the file's own clock with --reference-onset."
        raise ValueError(f"{problem} {COMPARED[1]} s are compared; {mend}")
    hair = 0.01 * whole.dt  # a tie is rounded outward, so that windows inside fit
    cut = window(whole, max(COMPARED[0] - hair, ends[0]), min(COMPARED[1] + hair, ends[1]))
    cut = cut.replace(conditions=[angle_label(angle) for angle in wrap_angles(directions(cut))])
    counts, names = Counter(cut.conditions), sorted(set(whole.conditions))
    if len(counts) < len(names):
        raise ValueError(f"{path} has a direction under two names among {names}; use one for each.")
    if len(counts) < FEWEST_DIRECTIONS:
        few = f"{path} has {len(counts)} directions; with fewer than {FEWEST_DIRECTIONS} no shuffle of them can tell"
        raise ValueError(f"{few} likeness from chance. `recirc compare` scores any two conditions.")
    averages = average_repeats(cut).replace(outputs=None)
    return Reference(averages, Path(path).name, single_trials=cut if min(counts.values()) > 1 else None)


def _prepared_reach(key, n_units: int) -> Activity:
    """Rates of a circuit that is steered to a state in the delay and let go of shortly before the movement begins."""
    cortex, angles = circuits.stability_optimized(key=key, n_units=n_units), CenterOutReach().angles
    states = circuits.preferred_states(cortex, 2) @ unit_vectors(np.array(angles)).T
    held = _run(cortex, _held(cortex, states), angles, key)
    readout = _velocity_readout(held, angles)
    times = {"n_steps": round((BEFORE + AFTER) / FINE), "dt": FINE, "onset": BEFORE - DELAY, "go": BEFORE - LEAD}
    currents = circuits.anticipatory_currents(cortex, states, readout, effort=EFFORT, **times)
    return window(_run(cortex, currents, angles, key), *COMPARED)


def _held(cortex, states):
    """Inputs that hold the states from target onset on, and stop when the movement is let go."""
    steps = round((BEFORE + AFTER) / FINE)
    currents = circuits.preparation_currents(cortex, states, n_steps=steps, dt=FINE, go=BEFORE - LEAD, rise=np.inf)
    return currents * (np.arange(steps) * FINE >= BEFORE - DELAY).astype(float)[None, :, None]


def _run(cortex, currents, angles, key) -> Activity:
    labels, no_targets = [angle_label(angle) for angle in angles], jnp.zeros((*currents.shape[:2], 0))
    made = simulate(cortex, Trials(currents, no_targets, dt=FINE, conditions=labels), key=key)
    every = round(DT / FINE)
    return made.replace(rates=made.rates[:, every - 1 :: every], outputs=None, dt=DT, start=-BEFORE)


def _velocity_readout(made: Activity, angles) -> np.ndarray:
    """The ridge readout of a reach's velocity from the rates, which is zero in preparation."""
    rates, reach = np.asarray(made.rates, float), DelayedReach().reach
    speed = np.exp(-0.5 * ((made.time - reach / 2) / (reach / 7)) ** 2)
    velocity = speed[None, :, None] * unit_vectors(np.array(angles))[:, None, :]
    x, y = rates.reshape(-1, rates.shape[2]), velocity.reshape(-1, 2)
    ridge = RIDGE * np.mean(np.sum(x**2, axis=0)) * np.eye(x.shape[1])
    return np.linalg.solve(x.T @ x + ridge, x.T @ y).T
