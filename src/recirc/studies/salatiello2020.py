"""Salatiello & Giese 2020: hints from a few recorded units make a network reproduce a circuit's dynamics.

The study as data: its reference circuit, arms, regimes and presets. `networks` trains and measures one network,
`salatiello2020_verdict` judges the claims and writes the report.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc import circuits
from recirc.circuits import StabilityOptimized, simulate
from recirc.data import spline_tail
from recirc.tasks import CenterOutReach
from recirc.types import Activity, Trials

SOURCE = "Salatiello & Giese 2020, doi 10.1007/978-3-030-61609-0_69"
LEAD = 1.0  # seconds of preparation before the part of the trial that is recorded
GAIN_SPREAD = 0.1  # s.d. of gains around 1 where conditions are gain patterns
TAIL = 0.11  # seconds; the paper's 110 samples


@dataclasses.dataclass(frozen=True)
class Regime:
    """Everything that decides how one arm is trained.

    Args:
        embedder_gain: g of the embedder (and of the random network of the arms without one).
        drive: output weights into the embedder, or feedback weights of FORCE.
        hint_gain: factor on normalized hints.
        normalization: of hints, "sd" or "maximum".
        input_scale, bias_scale: of the network.
        noise: private noise while learning.
        update_interval: seconds.
        n_passes: passes over the trials.
    """

    embedder_gain: float
    drive: float
    hint_gain: float
    normalization: str
    input_scale: float
    bias_scale: float
    noise: float
    update_interval: float
    n_passes: int


_PAPER = Regime(1.5, 1.0, 5.0, "maximum", 1.0, 0.0, 0.0, 0.002, 20)
_TUNED = Regime(0.92, 0.08, 4.3, "maximum", 0.5, 0.06, 0.07, 0.01, 50)  # see benchmarks/regime_search.py

REGIMES: dict[str, dict[str, Regime]] = {
    "paper": {"hints": _PAPER, "no_hints": _PAPER, "force": _PAPER, "untrained": _PAPER},
    "tuned": {
        "hints": _TUNED,
        "no_hints": dataclasses.replace(_TUNED, embedder_gain=1.2, drive=0.12, input_scale=0.6),
        "force": dataclasses.replace(_TUNED, embedder_gain=1.2, drive=0.5, noise=0.05, bias_scale=0.0),
        "untrained": _TUNED,
    },
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: networks per arm.
        fractions: shares of units recorded.
        hint_gains: of the ablation, at the smallest of 5 % or the smallest fraction.
        kinds: of units in the ablation.
        normalizations: of hints in the ablation.
        left_out: numbers of directions to leave out of training.
    """

    n_seeds: int
    fractions: tuple[float, ...]
    hint_gains: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    normalizations: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()


PRESETS = {
    "quick": Preset(5, (0.05, 0.25)),
    "full": Preset(
        20,
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
        hint_gains=(1.0, 2.0, 10.0),
        kinds=("excitatory", "inhibitory"),
        normalizations=("sd",),
        left_out=(1, 2, 4),
    ),
}
REFERENCE_FRACTION = 0.05


def specifications(preset: Preset, seed: int) -> list[dict]:
    """One entry per network, everything that decides its numbers included."""
    arms = []
    for fraction in preset.fractions:
        arms.append({"arm": "hints", "fraction": fraction})
    arms += [{"arm": arm} for arm in ("no_hints", "force", "untrained")]
    arms += [{"arm": "hints", "fraction": REFERENCE_FRACTION, "hint_gain": g} for g in preset.hint_gains]
    arms += [{"arm": "hints", "fraction": REFERENCE_FRACTION, "kind": kind} for kind in preset.kinds]
    arms += [{"arm": "hints", "fraction": REFERENCE_FRACTION, "normalization": n} for n in preset.normalizations]
    for n_left_out in preset.left_out:
        arms += [{"arm": "hints", "fraction": REFERENCE_FRACTION, "left_out": n_left_out}]
        arms += [{"arm": "no_hints", "left_out": n_left_out}]
    blank = {"fraction": None, "hint_gain": None, "kind": None, "normalization": None, "left_out": None}
    return [
        {**blank, **arm, "regime": regime, "settings": dataclasses.asdict(REGIMES[regime][arm["arm"]])}
        | {"seed": index, "study_seed": seed, "n_units": 300, "circuit_units": 200}
        for index in range(preset.n_seeds)
        for regime in REGIMES
        for arm in arms
    ]


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
    since_go = trials.time - task.preparation
    targets = circuits.direction_targets(angles, since_go, 2, key=key)
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
    angles = np.deg2rad(task.angles)
    plane = np.stack([np.cos(angles), np.sin(angles)])
    names = [f"{'E' if i < cortex.n_excitatory else 'I'}{i}" for i in range(cortex.n_units)]
    if conditions == "initial_state":
        states = circuits.preferred_states(cortex, 2) @ plane
        activity = _prepared(cortex, states, trials, task, names, key)
    elif conditions == "gains":
        directions = circuits.random_gains(cortex, 2, GAIN_SPREAD, key=key) - 1
        state = circuits.preferred_states(cortex, 1)
        made = [
            _prepared(
                dataclasses.replace(cortex, gains=1 + directions @ plane[:, i]),
                state,
                trials.select([i]),
                task,
                names,
                key,
            )
            for i in range(trials.n_trials)
        ]
        activity = made[0].replace(
            rates=jnp.concatenate([part.rates for part in made]),
            outputs=jnp.concatenate([_outputs(part) for part in made]),
            conditions=trials.conditions,
        )
    else:
        raise ValueError(f'conditions must be "initial_state" or "gains", got {conditions!r}.')
    return trials, activity


def _prepared(cortex, states, trials: Trials, task: CenterOutReach, names, key: PRNGKeyArray) -> Activity:
    """Activity from the start of the trials on, after `LEAD` seconds of preparation that are not recorded."""
    n_lead = round(LEAD / task.dt)
    currents = circuits.preparation_currents(
        cortex, states, n_steps=n_lead + trials.n_steps, dt=task.dt, go=LEAD + task.preparation
    )
    driven = Trials(currents, jnp.zeros((*currents.shape[:2], 0)), dt=task.dt, conditions=trials.conditions)
    whole = simulate(cortex, driven, key=key, units=names)
    return whole.replace(rates=whole.rates[:, n_lead:], outputs=_outputs(whole)[:, n_lead:])


def _outputs(activity: Activity):
    """Outputs of a simulated circuit, which always has them, if only none."""
    return activity.rates[:, :, :0] if activity.outputs is None else activity.outputs


@functools.lru_cache(maxsize=2)
def reference(study_seed: int, n_units: int) -> tuple[tuple[Trials, Activity], tuple[Trials, Activity]]:
    """Trained and held-out trials and activities of the study's circuit, with tails; once per process."""
    circuit_key, muscle_key = jax.random.split(jax.random.key(study_seed))
    task = CenterOutReach()
    cortex = circuits.stability_optimized(key=circuit_key, n_units=n_units)
    cortex = with_muscles(cortex, task, key=muscle_key)
    trained, between = (tailed(*ground_truth(cortex, each, key=muscle_key)) for each in (task, task.between()))
    return trained, between


def tailed(trials: Trials, activity: Activity) -> tuple[Trials, Activity]:
    """Trials and activity with the end of every signal replaced by a smooth decay to zero."""
    tail = functools.partial(spline_tail, duration=TAIL, dt=trials.dt)
    outputs = tail(_outputs(activity))
    return trials.replace(targets=outputs), activity.replace(rates=tail(activity.rates), outputs=outputs)
