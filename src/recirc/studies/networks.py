"""Train one network of a study, and measure it on every level."""

import jax
import numpy as np

from recirc.analyses import specification_key
from recirc.circuits import RateNetwork, simulate
from recirc.circuits.rate_network import WEIGHT_AXES
from recirc.compare import (
    SVCCA,
    FlippedComponents,
    InputScale,
    LinearCKA,
    NeuronMap,
    NewTrials,
    OutputNMSE,
    OutputR2,
    PerturbedState,
    PhaseRandomized,
    PrivateNoise,
    Procrustes,
    ShuffledConditions,
    null_distribution,
)
from recirc.data import hints_from
from recirc.runs import Result
from recirc.studies.salatiello2020 import REFERENCE_FRACTION, TAIL, Regime, reference
from recirc.studies.summaries import score_entry
from recirc.train import Fit, Force, FullForce, fit
from recirc.types import Activity, Outcome, Score, Trials

N_REPEATS = 2  # of every direction, where a test is random
NOISES = (0.05, 0.1, 0.2, 0.5)
KEPT_EVERY = 10  # time steps between the samples that are compared and kept; rates are smooth over 10 ms
N_DRAWS, N_DRAWS_MINOR = 100, 39  # of the null of the main similarity, and of the others
NULLS = (ShuffledConditions(), FlippedComponents(), PhaseRandomized())  # the first is the one in figures and tables


def train_network(specification: dict) -> Result:
    """One network of the study: its weights, activity, history and scores.

    Networks of one seed share their random numbers over arms and regimes, so that arms can be compared in pairs.

    Args:
        specification: an entry of `salatiello2020.specifications`.
    """
    settings = Regime(**specification["settings"])
    (trials, target), (new_trials, new_target) = reference(specification["study_seed"], specification["circuit_units"])
    seed = {name: specification[name] for name in ("study_seed", "seed", "n_units", "circuit_units")}
    hint_key, network_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    kept, left_out = _split_directions(trials.n_trials, specification["left_out"] or 0, hint_key)
    recorded = _recorded(specification, settings, trials.select(kept), target.select(kept), hint_key)
    shown = recorded if specification["fraction"] is not None else recorded.replace(hints=None, hint_units=())
    network = RateNetwork.random(
        key=network_key,
        n_units=specification["n_units"],
        gain=settings.embedder_gain,
        input_scale=settings.input_scale,
        bias_scale=settings.bias_scale,
    )
    trained = train(specification["arm"], settings, network, shown, fit_key)
    if trained is not None and trained.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": trained.message, "scores": [], "history": trained.history})
    network = network if trained is None else trained.network
    made = [simulate(network, each, key=probe_key) for each in (trials, new_trials)]
    arrays = _arrays(network, made) | {"recorded": np.isin(np.array(target.units), recorded.hint_units)}
    history = [] if trained is None else trained.history
    if len(left_out):
        score = NewTrials(f"left_out_{len(left_out)}")(network, trials.select(left_out), key=probe_key)
        return Result(arrays, {"scores": [score_entry(score)], "history": history})
    unrecorded = [unit for unit in target.units if unit not in recorded.hint_units]
    scores = [] if trained is None else _performance(network, trials, new_trials, made, target, probe_key)
    scores += _likeness(made, (target, new_target), unrecorded, trained, probe_key)
    scores.append(_abscissa(network))
    return Result(arrays, {"scores": scores, "history": history})


def _arrays(network: RateNetwork, made: list[Activity]) -> dict[str, np.ndarray]:
    """What the run folder keeps of a network: activity on all directions, and weights."""
    arrays = {
        "rates": np.concatenate([_thinned(activity.rates) for activity in made]).astype(np.float32),
        "outputs": np.concatenate([_thinned(activity.outputs) for activity in made]).astype(np.float32),
    }
    for name in WEIGHT_AXES:
        if getattr(network, name) is not None:
            arrays[name] = np.asarray(getattr(network, name))
    return arrays


def _recorded(specification: dict, settings: Regime, trials: Trials, target: Activity, key) -> Trials:
    """Trials with hints; arms without hints get the sample that defines which neurons count as unrecorded."""
    gain = settings.hint_gain if specification["hint_gain"] is None else specification["hint_gain"]
    return hints_from(
        target,
        fraction=specification["fraction"] or REFERENCE_FRACTION,
        trials=trials,
        key=key,
        gain=gain,
        normalization=specification["normalization"] or settings.normalization,
        kind=specification["kind"],
        tail=TAIL,
    )


def _split_directions(n_directions: int, n_left_out: int, key) -> tuple[np.ndarray, np.ndarray]:
    order = np.asarray(jax.random.permutation(jax.random.fold_in(key, 1), n_directions))
    return np.sort(order[n_left_out:]), np.sort(order[:n_left_out])


def train(arm: str, settings: Regime, network: RateNetwork, trials: Trials, key) -> Fit | None:
    """Train one arm's network; None for the untrained arm."""
    common = {"noise": settings.noise, "update_interval": settings.update_interval, "n_passes": settings.n_passes}
    if arm == "untrained":
        return None
    if arm == "force":
        return fit(Force(feedback=settings.drive, **common), network, trials, key=key)
    trainer = FullForce(embedder_gain=settings.embedder_gain, drive=settings.drive, hint_drive=1.0, **common)
    return fit(trainer, network, trials, key=key)


def _performance(network, trials: Trials, new_trials: Trials, made, target: Activity, key) -> list[dict]:
    repeated = trials.select(np.tile(np.arange(trials.n_trials), N_REPEATS))
    scores = [
        score_entry(OutputNMSE()(made[0], target), {"set": "train"}),
        score_entry(OutputR2()(made[0], target), {"set": "train"}),
        score_entry(NewTrials("heldout_direction")(network, new_trials, key=key)),
        score_entry(PerturbedState(30.0)(network, repeated, key=key)),
    ]
    scores += [score_entry(InputScale(scale)(network, trials, key=key)) for scale in (0.8, 1.2)]
    return scores + [score_entry(PrivateNoise(sigma)(network, repeated, key=key)) for sigma in NOISES]


def _likeness(made, targets, unrecorded: list[str], trained: Fit | None, key) -> list[dict]:
    """Similarities with nulls and ceilings, and the map to unrecorded neurons, on trained and new directions."""
    thin = [_compared(activity) for activity in made]
    truth = [_compared(activity) for activity in targets]
    embedder = None if trained is None or trained.embedder is None else _compared(trained.embedder)
    scores = []
    for measure in (SVCCA(), SVCCA(per_condition=True), LinearCKA(), Procrustes()):
        ceiling = None if embedder is None else measure(embedder, truth[0]).value
        n_draws = N_DRAWS if measure == SVCCA() else N_DRAWS_MINOR
        for null in NULLS if measure == SVCCA() else NULLS[:2]:
            chance = null_distribution(measure, truth[0], thin[0], null, n_draws=n_draws, key=key)
            extra = {} if null is NULLS[0] else {"null": null.kind}
            scores.append(score_entry(chance.score, {"set": "train"} | extra, null=chance.bounds, ceiling=ceiling))
        score = measure(thin[1], truth[1])
        scores.append(score_entry(score, {"set": "heldout_direction"}))
    if unrecorded:
        neurons = [activity.select_units(unrecorded) for activity in truth]
        mapped = NeuronMap.fit(thin[0], neurons[0])
        for name, network, real in zip(("train", "heldout_direction"), thin, neurons):
            scores.append(score_entry(mapped.score(network, real), {"set": name}))
    return scores


def _abscissa(network: RateNetwork) -> dict:
    value = float(np.linalg.eigvals(np.asarray(network.effective_recurrent)).real.max())
    score = Score("spectral_abscissa", value, "mechanism", direction="lower")
    return score_entry(score, {"set": "weights"})


def _compared(activity: Activity) -> Activity:
    return activity.replace(rates=_thinned(activity.rates), outputs=None, dt=activity.dt * KEPT_EVERY)


def _thinned(values) -> np.ndarray:
    return np.asarray(values)[:, KEPT_EVERY - 1 :: KEPT_EVERY]
