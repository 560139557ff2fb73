"""The reference circuit of the study: a motor cortex that moves two muscles in eight directions."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc import circuits
from recirc.analyses import specification_key
from recirc.circuits import StabilityOptimized, simulate
from recirc.data import spline_tail
from recirc.tasks import CenterOutReach
from recirc.types import Activity, Trials

LEAD = 1.0  # seconds of preparation before the part of the trial that is recorded
GAIN_SPREAD = 0.1  # s.d. of gains around 1 where conditions are gain patterns
TAIL = 0.11  # seconds; the paper's 110 samples


def with_muscles(
    cortex: StabilityOptimized, task: CenterOutReach, *, key: PRNGKeyArray, conditions: str = "initial_state"
) -> StabilityOptimized:
    """The circuit with two muscles, read out from its excitatory units, that it moves in the task's directions.

    Args:
        cortex: the reference circuit.
        task: gives directions and timing.
        key: draws the muscles' targets.
        conditions: as in `ground_truth`.
    """
    trials, activity = _move(cortex, task, key, conditions)
    angles = np.deg2rad([float(label) for label in trials.conditions])
    targets = circuits.direction_targets(angles, trials.time - task.preparation, 2, key=key)
    return circuits.fit_muscles(cortex, activity, targets, penalty=10.0)[0]


def ground_truth(
    cortex: StabilityOptimized, task: CenterOutReach, *, key: PRNGKeyArray, conditions: str = "initial_state"
) -> tuple[Trials, Activity]:
    r"""The reference circuit at work: trials that ask for its muscles, and its activity.

    Preparation brings the circuit toward $x_0(\theta) = \cos\theta\,v_1 + \sin\theta\,v_2$, with v its preferred
    states; at the go cue its input switches off. Trials start `task.preparation` seconds before go.

    Args:
        cortex: the circuit; muscles are made for the task's directions if it has none.
        task: gives the directions, the network's inputs and the timing.
        key: draws the muscles, and the gain patterns where those make the conditions.
        conditions: "initial_state", as above, or "gains": one initial state $v_1$, and gains
            $1 + 0.1 (\cos\theta\,a + \sin\theta\,b)$ with random a and b.

    Returns:
        Trials with the muscles as targets, and the circuit's rates (deviations from baseline, spikes/s) with the
        muscles as outputs; unit names start with E or I.

    Raises:
        ValueError: if `conditions` is unknown.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> cortex = recirc.circuits.stability_optimized(key=jax.random.key(0), n_units=50)
        >>> task = recirc.tasks.CenterOutReach()
        >>> trials, target = ground_truth(cortex, task, key=jax.random.key(1))
        >>> trials.targets.shape, target.rates.shape
        ((8, 550, 2), (8, 550, 50))
    """
    if cortex.readout.shape[0] == 0:
        cortex = with_muscles(cortex, task, key=key, conditions=conditions)
    trials, activity = _move(cortex, task, key, conditions)
    return trials.replace(targets=activity.outputs), activity


def _move(cortex: StabilityOptimized, task: CenterOutReach, key: PRNGKeyArray, conditions: str):
    trials = task.trials(len(task.angles), key=key)
    if conditions == "initial_state":
        return trials, _prepared(cortex, _starts(cortex, task), trials, task, key)
    if conditions != "gains":
        raise ValueError(f'conditions must be "initial_state" or "gains", got {conditions!r}.')
    directions = circuits.random_gains(cortex, 2, GAIN_SPREAD, key=key) - 1
    state = circuits.preferred_states(cortex, 1)
    turned = [dataclasses.replace(cortex, gains=1 + directions @ place) for place in _plane(task).T]
    made = [_prepared(each, state, trials.select([i]), task, key) for i, each in enumerate(turned)]
    rates, outputs = (jnp.concatenate(parts) for parts in zip(*((part.rates, _outputs(part)) for part in made)))
    return trials, made[0].replace(rates=rates, outputs=outputs, conditions=trials.conditions)


def _plane(task: CenterOutReach) -> np.ndarray:
    angles = np.deg2rad(task.angles)
    return np.stack([np.cos(angles), np.sin(angles)])


def _starts(cortex: StabilityOptimized, task: CenterOutReach):
    """States that preparation brings the circuit toward, one column per direction."""
    return circuits.preferred_states(cortex, 2) @ _plane(task)


def _prepared(cortex, states, trials: Trials, task: CenterOutReach, key: PRNGKeyArray) -> Activity:
    """Activity from the start of the trials on, after `LEAD` seconds of preparation that are not recorded."""
    n_lead, driven = round(LEAD / task.dt), _driven(cortex, states, trials, task)
    names = [f"{'E' if i < cortex.n_excitatory else 'I'}{i}" for i in range(cortex.n_units)]
    whole = simulate(cortex, driven, key=key, units=names)
    return whole.replace(rates=whole.rates[:, n_lead:], outputs=_outputs(whole)[:, n_lead:])


def driving(cortex: StabilityOptimized, task: CenterOutReach, *, key: PRNGKeyArray) -> Trials:
    """The trials of `ground_truth` with what drives the circuit as inputs, from `LEAD` seconds before them on."""
    return _driven(cortex, _starts(cortex, task), task.trials(len(task.angles), key=key), task)


def _driven(cortex, states, trials: Trials, task: CenterOutReach) -> Trials:
    go, n_steps = LEAD + task.preparation, round(LEAD / task.dt) + trials.n_steps
    currents = circuits.preparation_currents(cortex, states, n_steps=n_steps, dt=task.dt, go=go)
    targets, epochs = jnp.zeros((*currents.shape[:2], cortex.readout.shape[0])), {"movement": (go, go + task.movement)}
    return Trials(currents, targets, dt=task.dt, conditions=trials.conditions, epochs=epochs)


def _outputs(activity: Activity):
    """Outputs of a simulated circuit, which always has them, if only none."""
    return activity.rates[:, :, :0] if activity.outputs is None else activity.outputs


@functools.lru_cache(maxsize=2)
def reference(
    study_seed: int, index: int, n_units: int, conditions: str = "initial_state", pulse: bool = True, tail: bool = True
) -> tuple[tuple[Trials, Activity], tuple[Trials, Activity]]:
    """Trained and held-out trials and activities of one circuit of a study; once per process.

    Args:
        study_seed, index, n_units: of the study, of the circuit, and its size.
        conditions: as in `ground_truth`.
        pulse: whether the direction is shown before go only.
        tail: whether signals end in a decay to zero.
    """
    cortex, task, key = _circuit(study_seed, index, n_units, conditions, pulse)
    made = (ground_truth(cortex, each, key=key, conditions=conditions) for each in (task, task.between()))
    trained, between = (tailed(*each) if tail else each for each in made)
    return trained, between


@functools.lru_cache(maxsize=1)
def kicked_reference(study_seed: int, index: int, n_units: int) -> tuple[StabilityOptimized, Trials]:
    """The circuit of `reference`, whose state may be kicked, and what drives it in the held-out directions."""
    cortex, task, key = _circuit(study_seed, index, n_units, "initial_state", True)
    return cortex, driving(cortex, task.between(), key=key)


def _circuit(study_seed: int, index: int, n_units: int, conditions: str, pulse: bool):
    """A circuit of a study with its muscles, its task, and the key that drew them."""
    key = specification_key({"study_seed": study_seed, "circuit": index})
    circuit_key, muscle_key = jax.random.split(key)
    cortex, task = circuits.stability_optimized(key=circuit_key, n_units=n_units), CenterOutReach(pulse=pulse)
    return with_muscles(cortex, task, key=muscle_key, conditions=conditions), task, muscle_key


def tailed(trials: Trials, activity: Activity) -> tuple[Trials, Activity]:
    """Trials and activity with the end of every signal replaced by a smooth decay to zero."""
    tail = functools.partial(spline_tail, duration=TAIL, dt=trials.dt)
    outputs = tail(_outputs(activity))
    return trials.replace(targets=outputs), activity.replace(rates=tail(activity.rates), outputs=outputs)
