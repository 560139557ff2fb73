"""Train one network of the delayed reach study, and measure it on every level."""

import jax
import numpy as np

from recirc.analyses import specification_key
from recirc.circuits import RateNetwork, simulate
from recirc.circuits.rate_network import WEIGHT_AXES
from recirc.compare import (
    FixedPointCount,
    InputNoise,
    NewTrials,
    OutputR2,
    PrivateNoise,
    SlowestMode,
    fixed_points_in_epoch,
    mechanism_of,
)
from recirc.runs import Result
from recirc.studies import kao2019 as study
from recirc.studies.kao2019_likeness import LEAST_UNITS, likeness, n_active
from recirc.studies.kao2019_pictures import EPOCHS, flows
from recirc.studies.kao2019_reference import Reference, load
from recirc.studies.summaries import score_entry
from recirc.tasks import DelayedReach
from recirc.train import Fit, fit
from recirc.types import Activity, Outcome, Score, Trials

N_REPEATS = 4  # of every direction, where a test is random
R2 = OutputR2(groups=study.GROUPS)


def train_network(specification: dict) -> Result:
    """One network of the study: its weights, activity, history and scores.

    Networks of one seed share their random numbers over arms, so that arms can be compared in pairs.

    Args:
        specification: an entry of `kao2019.specifications`.
    """
    reference = load(specification["reference"])
    seed = {name: specification[name] for name in ("study_seed", "seed", "n_units")}
    network_key, task_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    name = specification["arm"].removeprefix("untrained_")
    network = study.network(name, n_units=specification["n_units"], key=network_key)
    line, angles = specification["target_line"], reference.angles
    trained = None
    if not specification["arm"].startswith("untrained"):
        trials = study.task(angles, line).trials(study.N_TRIALS, key=task_key)
        trained = fit(
            study.trainer(specification["rate_penalty"], **specification["training"]), network, trials, key=fit_key
        )
        if trained.outcome is Outcome.DIVERGED:
            return Result({}, {"outcome": trained.message, "scores": [], "history": trained.history})
        network = trained.network
    task = study.measured_task(angles, line)
    trials = task.trials(len(angles), key=task_key)
    made = simulate(network, trials, key=probe_key)
    seen = on_the_reference_clock(made, task, reference)
    scores = _performance(network, trials, made, trained, probe_key)
    scores += likeness(seen, reference, n_draws=specification["n_draws"], key=probe_key)
    arrays = _arrays(network, made, seen)
    if trained is None:
        return Result(arrays, {"scores": scores, "history": []})
    scores += _robustness(network, trials, probe_key) + _generalization(network, task, probe_key, arrays)
    scores += _mechanism(network, trials, probe_key)
    if specification["seed"] == 0 and n_active(made) >= LEAST_UNITS:
        arrays |= flows(network, trials, key=probe_key)
    return Result(arrays, {"scores": scores, "history": trained.history})


def on_the_reference_clock(made: Activity, task: DelayedReach, reference: Reference) -> Activity:
    """A network's activity at the reference's times from movement onset, interpolated linearly.

    Where the reference's steps are longer, each is the mean over the network's steps in it, as in binned spikes.
    """
    onset = task.hold[0] + task.delay[0] + task.reaction
    n_within = max(1, round(reference.activity.dt / made.dt))
    before = np.arange(n_within)[None, :] * reference.activity.dt / n_within
    place = (reference.activity.time[:, None] - before + onset) / made.dt - 1
    low = np.clip(np.floor(place).astype(int), 0, made.rates.shape[1] - 2)
    weight = (place - low)[None, :, :, None]

    def between(values):
        values = np.asarray(values, np.float64)
        return (values[:, low] * (1 - weight) + values[:, low + 1] * weight).mean(axis=2)

    return Activity(
        between(made.rates),
        outputs=between(made.outputs),
        dt=reference.activity.dt,
        conditions=made.conditions,
        start=reference.activity.start,
    )


def _arrays(network: RateNetwork, made: Activity, seen: Activity) -> dict[str, np.ndarray]:
    """What the run folder keeps of a network: activity as it was compared, outputs of whole trials, weights."""
    arrays = {"rates": np.asarray(seen.rates, np.float32), "outputs": np.asarray(made.outputs, np.float32)}
    weights = {name: getattr(network, name) for name in WEIGHT_AXES}
    return arrays | {name: np.asarray(value) for name, value in weights.items() if value is not None}


def _performance(network, trials: Trials, made: Activity, trained: Fit | None, key) -> list[dict]:
    asked = made.replace(rates=made.rates[:, :, :1], units=None, outputs=trials.targets)
    score = R2(made, asked)
    rate = Score("mean_squared_rate", float(np.mean(np.asarray(made.rates) ** 2)), "performance", "lower")
    scores = [score_entry(score, {"set": "train"}), score_entry(rate, {"set": "train"})]
    scores.append(score_entry(NewTrials("train")(network, trials, key=key)))
    if trained is not None:
        reached = Score("goal_reached", float(trained.outcome is Outcome.REACHED), "performance")
        passes = Score("n_passes", float(len(trained.history)), "performance", "lower")
        scores += [score_entry(each, {"set": "train"}) for each in (reached, passes)]
    return scores


def _robustness(network: RateNetwork, trials: Trials, key) -> list[dict]:
    """Errors under noise; every trial has its own draw."""
    repeated = trials.select(np.tile(np.arange(trials.n_trials), N_REPEATS))
    probes = [InputNoise(sigma, network.time_constant) for sigma in study.NOISES]
    probes += [PrivateNoise(sigma) for sigma in (0.5, 1.0, 2.0)]
    return [score_entry(probe(network, repeated, key=key)) for probe in probes]


def _generalization(network: RateNetwork, task: DelayedReach, key, arrays: dict) -> list[dict]:
    """R² where training never went: new angles, radii and delays, and targets that jump.

    A target that jumps after go has to be seen, so that its line is on in those trials in every arm; positions are
    kept for the figures.
    """
    n, longest = len(task.angles), {"target_off": None}
    tests = [("heldout_direction", {}, task.between())]
    tests += [("radius", {"scale": scale}, task.replace(radius=scale)) for scale in study.RADII]
    tests += [("delay", {"delay_s": delay}, task.replace(delay=delay)) for delay in study.DELAYS]
    for time in study.SWITCHES:
        tests.append(
            ("target_switch", {"time_s": time}, task.replace(switch=(time, 90.0), **longest if time >= 0 else {}))
        )
    scores = []
    for name, settings, changed in tests:
        trials = changed.trials(n, key=key)
        probe = NewTrials(name, settings, measure=R2)
        scores.append(score_entry(probe(network, trials, key=key), {"set": name} | settings))
        if name == "target_switch":
            outputs = simulate(network, trials, key=key).outputs
            arrays[f"switch {settings['time_s']}"] = np.asarray(outputs, np.float32)[:, :, 2:4]
    return scores


def _mechanism(network: RateNetwork, trials: Trials, key) -> list[dict]:
    summary = mechanism_of(network, trials, key=key)
    scores = [score_entry(score) for score in summary.scores()]
    for epoch in EPOCHS:
        found = fixed_points_in_epoch(network, trials, epoch, key=key)
        for probe in (FixedPointCount(epoch), SlowestMode(epoch)):
            scores.append(score_entry(probe.of(found)))
    return scores
