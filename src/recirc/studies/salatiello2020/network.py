"""Train one network of the study, and measure it on every level."""

import dataclasses
import functools

import jax
import numpy as np

from recirc import compare
from recirc.analyses import Result, Row, specification_key, with_twin
from recirc.analyses.arrays import weights_of
from recirc.circuits import RateNetwork, simulate
from recirc.data import hints_from
from recirc.studies.salatiello2020.arms import REFERENCE_FRACTION, Regime
from recirc.studies.salatiello2020.circuit import TAIL, reference
from recirc.train import Fit, Force, FullForce, fit
from recirc.types import Activity, Outcome, Score, Trials

N_REPEATS = 2  # of every direction, where a test is random
PRIVATE_NOISES = (0.05, 0.1, 0.2, 0.5)
KEPT_EVERY = 10  # time steps between the samples that are compared and kept; rates are smooth over 10 ms
N_DRAWS = 99  # of every null
TRAINED, UNSEEN = {"set": "train"}, {"set": "heldout_direction"}


def train_network(specification: dict) -> Result:
    """One network of the study: its weights, activity, history and rows.

    Networks of one seed share their random numbers over arms and regimes, so that arms can be compared in pairs.

    Args:
        specification: an entry of `specifications`.
    """
    arm, settings = specification["arm"], Regime(**specification["settings"])
    (trials, target), (new_trials, new_target) = reference(specification["study_seed"], specification["circuit_units"])
    seed = {name: specification[name] for name in ("study_seed", "seed", "n_units", "circuit_units")}
    hint_key, network_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    order = np.asarray(jax.random.permutation(jax.random.fold_in(hint_key, 1), trials.n_trials))
    left_out, kept = (np.sort(part) for part in np.split(order, [specification["left_out"] or 0]))
    recorded = _recorded(specification, settings, trials.select(kept), target.select(kept), hint_key)
    shown = recorded if specification["fraction"] is not None else recorded.replace(hints=None, hint_units=())
    network = RateNetwork.random(
        key=network_key, n_units=specification["n_units"], gain=settings.embedder_gain,
        input_scale=settings.input_scale, bias_scale=settings.bias_scale,
    )  # fmt: skip
    trained = train(arm, settings, network, shown, fit_key)
    history = [] if trained is None else trained.history
    if trained is not None and trained.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": trained.message, "history": history})
    twin, network = network, network if trained is None else trained.network
    made = [simulate(network, each, key=probe_key) for each in (trials, new_trials)]
    if len(left_out):
        probe = compare.NewTrials(f"left_out_{len(left_out)}")
        rows = [Row.of(probe(network, trials.select(left_out), key=probe_key), arm)]
    else:
        unrecorded = [unit for unit in target.units if unit not in recorded.hint_units]
        rows = [] if trained is None else _performance(arm, network, (trials, new_trials), made[0], target, probe_key)
        halves = functools.partial(half_p, specification["study_seed"], specification["circuit_units"])
        beside = functools.partial(_likeness, arm, (target, new_target), unrecorded, halves, probe_key)
        likeness = [*beside(made, trained), _abscissa(network, arm)]
        if trained is not None:
            untrained = [simulate(twin, each, key=probe_key) for each in (trials, new_trials)]
            likeness = with_twin(likeness, [*beside(untrained, nulls=False), _abscissa(twin, arm)])
        rows += likeness
    joined = lambda name: np.concatenate([thinned(getattr(a, name)) for a in made]).astype(np.float32)  # noqa: E731
    arrays = {"rates": joined("rates"), "outputs": joined("outputs")}
    arrays |= {"recorded": np.isin(np.array(target.units), recorded.hint_units)} | weights_of(network)
    return Result(arrays, {"rows": [dataclasses.asdict(row) for row in rows], "history": history})


def _recorded(specification: dict, settings: Regime, trials: Trials, target: Activity, key) -> Trials:
    """Trials with hints; arms without hints get the sample that defines which neurons count as unrecorded."""
    gain = settings.hint_gain if specification["hint_gain"] is None else specification["hint_gain"]
    return hints_from(
        target, trials=trials, key=key, gain=gain, kind=specification["kind"], tail=TAIL,
        fraction=specification["fraction"] or REFERENCE_FRACTION,
        normalization=specification["normalization"] or settings.normalization,
    )  # fmt: skip


def train(arm: str, settings: Regime, network: RateNetwork, trials: Trials, key) -> Fit | None:
    """Train one arm's network; None for the untrained arm."""
    common = {"noise": settings.noise, "update_interval": settings.update_interval, "n_passes": settings.n_passes}
    if arm == "untrained":
        return None
    if arm == "force":
        return fit(Force(feedback=settings.drive, **common), network, trials, key=key)
    trainer = FullForce(embedder_gain=settings.embedder_gain, drive=settings.drive, hint_drive=1.0, **common)
    return fit(trainer, network, trials, key=key)


def _performance(arm: str, network, trials: tuple[Trials, Trials], made: Activity, target: Activity, key) -> list[Row]:
    """Output errors on trained directions, on new ones, and under disturbances."""
    trained, new = trials
    repeated = trained.select(np.tile(np.arange(trained.n_trials), N_REPEATS))
    probes = [(compare.NewTrials("heldout_direction"), new), (compare.PerturbedState(30.0), repeated)]
    probes += [(compare.InputScale(scale), trained) for scale in (0.8, 1.2)]
    probes += [(compare.PrivateNoise(sigma), repeated) for sigma in PRIVATE_NOISES]
    rows = [Row.of(measure(made, target), arm, TRAINED) for measure in (compare.OutputNMSE(), compare.OutputR2())]
    return rows + [Row.of(probe(network, each, key=key), arm) for probe, each in probes]


def _likeness(
    arm: str, targets, unrecorded: list[str], halves, key, made, trained: Fit | None = None, nulls: bool = True
) -> list[Row]:
    """Similarities with nulls and the embedder's, and the map to unrecorded neurons, on trained and new directions."""
    thin, truth = ([_compared(activity) for activity in activities] for activities in (made, targets))
    embedder = None if trained is None or trained.embedder is None else _compared(trained.embedder)
    rows = []
    for measure in (compare.SVCCA(), compare.SVCCA(per_condition=True), compare.LinearCKA(), compare.Procrustes()):
        for condition, network, real in zip((TRAINED, UNSEEN), thin, truth):
            if not nulls:
                rows.append(Row.of(measure(real, network), arm, condition))
                continue
            chance = compare.null_distribution(measure, real, network, measure.nulls[0], n_draws=N_DRAWS, key=key)
            chance = dataclasses.replace(chance, half_p=halves(condition == UNSEEN, measure))
            teacher = None if embedder is None or condition == UNSEEN else float(measure(embedder, real).value)
            rows.append(Row.of(chance.score, arm, condition, null=chance, teacher=teacher))
    if unrecorded:
        neurons = [activity.select_units(unrecorded) for activity in truth]
        mapped = compare.NeuronMap.fit(thin[0], neurons[0])
        for condition, network, real in zip((TRAINED, UNSEEN), thin, neurons):
            rows.append(Row.of(mapped.score(network, real), arm, condition))
    return rows


def _abscissa(network: RateNetwork, arm: str) -> Row:
    abscissa = float(np.linalg.eigvals(np.asarray(network.effective_recurrent)).real.max())
    return Row.of(Score("spectral_abscissa", abscissa, "mechanism", direction="lower"), arm, {"set": "weights"})


@functools.cache
def half_p(study_seed: int, circuit_units: int, is_new: bool, measure: compare.AbstractSimilarity) -> float:
    """p of one half of the circuit's units against the other, on trained or new directions; one for all networks."""
    circuit = _compared(reference(study_seed, circuit_units)[is_new][1])
    return compare.half_p(measure, circuit, measure.nulls[0], n_draws=N_DRAWS, key=jax.random.key(study_seed))


def _compared(activity: Activity) -> Activity:
    return activity.replace(rates=thinned(activity.rates), outputs=None, dt=activity.dt * KEPT_EVERY)


def thinned(values) -> np.ndarray:
    """Every 10th time step, which is what is compared and kept."""
    return np.asarray(values)[:, KEPT_EVERY - 1 :: KEPT_EVERY]
