"""Train one network of the study, and measure it on every level."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from recirc import compare
from recirc.analyses import Result, Row, specification_key, with_twin
from recirc.analyses.arrays import weights_of
from recirc.circuits import RateNetwork, simulate
from recirc.data import hints_from
from recirc.studies.salatiello2020.arms import EXAMPLE_SEED, PLACE, REFERENCE_FRACTION, REGIMES, Regime
from recirc.studies.salatiello2020.bptt import BPTT_REGIMES, BpttRegime, coarser, coarser_activity, train_bptt
from recirc.studies.salatiello2020.circuit import TAIL, reference
from recirc.studies.salatiello2020.kicks import kicked
from recirc.train import Fit, Force, FullForce, fit
from recirc.types import Activity, Outcome, Score, Trials

N_REPEATS = 2  # of every direction, where a test is random
PRIVATE_NOISES = (0.05, 0.1, 0.2, 0.5)
KEPT_EVERY = 0.01  # seconds between the samples that are compared and kept; rates are smooth over as long
N_DRAWS = 99  # of every null
TRAINED, UNSEEN = {"set": "train"}, {"set": "heldout_direction"}
SIMILARITIES = compare.SVCCA(), compare.SVCCA(per_condition=True), compare.LinearCKA(), compare.Procrustes()


def train_network(specification: dict) -> Result:
    """One network of the study: its weights, activity, history and rows; or a circuit made for the others to find.

    Networks of one seed share their circuit and random numbers over arms, so that arms can be compared in pairs. Only
    the first seed's activity is kept, and weights where nothing but arm and fraction is varied.

    Args:
        specification: an entry of `specifications`.
    """
    truth = (trials, target), (new_trials, new_target) = reference(**specification["circuit"])
    arm, is_example = specification["arm"], specification["seed"] == EXAMPLE_SEED
    if arm == "circuit":
        key = jax.random.key(specification["circuit"]["study_seed"])
        return Result({}, {"half_p": half_p((target, new_target), key) if is_example else []})
    is_bptt = arm in BPTT_REGIMES
    if is_bptt:
        truth = tuple((coarser(each), coarser_activity(made)) for each, made in truth)
        (trials, target), (new_trials, new_target) = truth
    settings = REGIMES["hints"] if is_bptt else Regime(**specification["settings"])
    seed = {name: specification[name] for name in ("seed", "n_units", "circuit")}
    hint_key, network_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    order = np.asarray(jax.random.permutation(jax.random.fold_in(hint_key, 1), trials.n_trials))
    left_out, kept = (np.sort(part) for part in np.split(order, [specification["left_out"] or 0]))
    recorded = _recorded(specification, settings, trials.select(kept), target.select(kept), hint_key)
    shown = recorded if specification["fraction"] is not None else recorded.replace(hints=None, hint_units=())
    twin, trained = _made(specification, settings, shown, network_key, fit_key)
    history = [] if trained is None else trained.history
    if trained is not None and trained.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": trained.message, "history": history})
    network = twin if trained is None else trained.network
    made = [simulate(network, each, key=probe_key) for each in (trials, new_trials)]
    arrays = {}
    if len(left_out):
        probe = compare.NewTrials(f"left_out_{len(left_out)}")
        rows = [Row.of(probe(network, trials.select(left_out), key=probe_key), arm)]
    elif specification["reading"]:
        rows = _errors(arm, made, truth)
    else:
        unrecorded = [unit for unit in target.units if unit not in recorded.hint_units]
        is_main = all(specification[name] is None for name in PLACE if name != "fraction")
        key = probe_key if is_example and is_main else None
        rows = [*_likeness(arm, made, truth, unrecorded, trained, key), _abscissa(network, arm)]
        if trained is not None:
            untrained = [simulate(twin, each, key=probe_key) for each in (trials, new_trials)]
            rows = with_twin(rows, [*_likeness(arm, untrained, truth, unrecorded), _abscissa(twin, arm)])
            rows = [*_errors(arm, made, truth), *_robustness(arm, network, trials, probe_key), *rows]
            if "kicks" in specification:
                rows.append(kicked(arm, network, twin, specification["circuit"], recorded.hint_units))
        if is_main:
            arrays = weights_of(network, np.float32)
            if is_example:
                joined = lambda name: np.concatenate([thinned(getattr(a, name), a.dt) for a in made])  # noqa: E731
                arrays |= {name: joined(name).astype(np.float32) for name in ("rates", "outputs")}
                arrays["recorded"] = np.isin(np.array(target.units), recorded.hint_units)
    return Result(arrays, {"rows": [dataclasses.asdict(row) for row in rows], "history": history})


def _recorded(specification: dict, settings: Regime, trials: Trials, target: Activity, key) -> Trials:
    """Trials with hints; arms without hints get the sample that defines which neurons count as unrecorded."""
    gain = settings.hint_gain if specification["hint_gain"] is None else specification["hint_gain"]
    return hints_from(
        target, trials=trials, key=key, gain=gain, kind=specification["kind"],
        tail=TAIL if specification["circuit"].get("tail", True) else None,
        fraction=specification["fraction"] or REFERENCE_FRACTION,
        normalization=specification["normalization"] or settings.normalization,
    )  # fmt: skip


def _made(
    specification: dict, settings: Regime, trials: Trials, network_key, fit_key
) -> tuple[RateNetwork, Fit | None]:
    """The network before training, and what training came to."""
    arm, n_units = specification["arm"], specification["n_units"]
    if arm in BPTT_REGIMES:
        regime = BpttRegime(**specification["settings"])
        return train_bptt(regime, trials, n_units=n_units, network_key=network_key, fit_key=fit_key)
    network = RateNetwork.random(
        key=network_key, n_units=n_units, gain=settings.embedder_gain, input_scale=settings.input_scale,
        bias_scale=settings.bias_scale,
    )  # fmt: skip
    return network, train(arm, settings, network, trials, fit_key)


def train(arm: str, settings: Regime, network: RateNetwork, trials: Trials, key) -> Fit | None:
    """Train one arm's network; None for the untrained arm."""
    common = {name: getattr(settings, name) for name in ("noise", "update_interval", "n_passes", "penalty")}
    if arm == "untrained":
        return None
    if arm == "force":
        return fit(Force(feedback=settings.drive, **common), network, trials, key=key)
    trainer = FullForce(embedder_gain=settings.embedder_gain, drive=settings.drive, hint_drive=1.0, **common)
    return fit(trainer, network, trials, key=key)


def _errors(arm: str, made: Sequence[Activity], truth) -> list[Row]:
    """Output errors on trained directions and on new ones."""
    (_, target), (_, new_target) = truth
    new = dataclasses.replace(compare.OutputNMSE()(made[1], new_target), level="generalization")
    rows = [Row.of(measure(made[0], target), arm, TRAINED) for measure in (compare.OutputNMSE(), compare.OutputR2())]
    return [*rows, Row.of(new, arm, UNSEEN)]


def _robustness(arm: str, network: RateNetwork, trials: Trials, key) -> list[Row]:
    """Output errors under disturbances."""
    repeated = trials.select(np.tile(np.arange(trials.n_trials), N_REPEATS))
    probes = [(compare.PerturbedState(30.0), repeated)]
    probes += [(compare.InputScale(scale), trials) for scale in (0.8, 1.2)]
    probes += [(compare.PrivateNoise(sigma), repeated) for sigma in PRIVATE_NOISES]
    return [Row.of(probe(network, each, key=key), arm) for probe, each in probes]


def _likeness(arm: str, made, truth, unrecorded: list[str], trained: Fit | None = None, key=None) -> list[Row]:
    """Similarities with nulls (if there is a key) and the embedder's, and the map to unrecorded neurons."""
    thin, real = [_compared(each) for each in made], [_compared(activity) for _, activity in truth]
    embedder = None if trained is None or trained.embedder is None else _compared(trained.embedder)
    rows = []
    for measure in SIMILARITIES:
        for condition, network, circuit in zip((TRAINED, UNSEEN), thin, real):
            about = {}
            if embedder is not None and condition == TRAINED:
                about["teacher"] = float(measure(embedder, circuit).value)
            if key is not None:
                null = measure.nulls[0]
                about["null"] = compare.null_distribution(measure, circuit, network, null, n_draws=N_DRAWS, key=key)
            rows.append(Row.of(measure(circuit, network), arm, condition, **about))
    if unrecorded:
        neurons = [activity.select_units(unrecorded) for activity in real]
        mapped = compare.NeuronMap.fit(thin[0], neurons[0])
        for condition, network, circuit in zip((TRAINED, UNSEEN), thin, neurons):
            rows.append(Row.of(mapped.score(network, circuit), arm, condition))
    return rows


def _abscissa(network: RateNetwork, arm: str) -> Row:
    abscissa = float(np.linalg.eigvals(np.asarray(network.effective_recurrent)).real.max())
    return Row.of(Score("spectral_abscissa", abscissa, "mechanism", direction="lower"), arm, {"set": "weights"})


def half_p(activities: Sequence[Activity], key) -> list[dict]:
    """p of one half of a circuit's units against the other, by every similarity, on trained and new directions."""
    return [
        {"metric": measure.metric, **condition}
        | {"half_p": compare.half_p(measure, _compared(activity), measure.nulls[0], n_draws=N_DRAWS, key=key)}
        for measure in SIMILARITIES
        for condition, activity in zip((TRAINED, UNSEEN), activities)
    ]


def _compared(activity: Activity) -> Activity:
    return activity.replace(rates=thinned(activity.rates, activity.dt), outputs=None, dt=KEPT_EVERY)


def thinned(values, dt: float) -> np.ndarray:
    """A sample every 10 ms, which is what is compared and kept."""
    every = round(KEPT_EVERY / dt)
    return np.asarray(values)[:, every - 1 :: every]
