"""What a reader would use instead: backpropagation through time, with hints as further outputs and without."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.train import Bptt, Fit, RatePenalty, fit
from recirc.types import Activity, Trials

EVERY = 5  # steps of 1 ms in one of this arm's


@dataclasses.dataclass(frozen=True)
class BpttRegime:
    """Everything that decides how such an arm is trained.

    Args:
        gain: g of the random network that it starts from.
        input_scale, bias_scale, readout_scale: of that network.
        learning_rate: of the first update; the last has a tenth of it.
        hint_weight: of hints beside the task; 0 for the task alone.
        rate_penalty: weight of the mean squared rate.
        noise: private noise, as the s.d. of x.
        n_updates: of all trials.
    """

    gain: float
    input_scale: float
    bias_scale: float
    readout_scale: float
    learning_rate: float
    hint_weight: float
    rate_penalty: float
    noise: float
    n_updates: int


# Found by one rule for both, on circuits of its own: benchmarks/bptt_search.py.
BPTT_REGIMES = {
    "bptt": BpttRegime(1.3, 0.5, 0.06, 0.05, 2e-3, 0.0, 1e-3, 0.1, 500),
    "bptt_hints": BpttRegime(1.0, 0.5, 0.06, 0.05, 5e-4, 1.0, 1e-3, 0.2, 500),
}


def coarser(trials: Trials, every: int = EVERY) -> Trials:
    """Trials on the clock of these arms: inputs are means over `every` steps, all else the last sample of each."""
    last = {name: getattr(trials, name)[:, every - 1 :: every] for name in ("targets", "mask")}
    hints = None if trials.hints is None else trials.hints[:, every - 1 :: every]
    n_trials, _, n_inputs = trials.inputs.shape
    inputs = jnp.mean(trials.inputs.reshape(n_trials, -1, every, n_inputs), axis=2)
    return trials.replace(inputs=inputs, hints=hints, dt=every * trials.dt, **last)


def coarser_activity(activity: Activity, every: int = EVERY) -> Activity:
    """An activity at the times of `coarser` trials."""
    outputs = None if activity.outputs is None else activity.outputs[:, every - 1 :: every]
    return activity.replace(rates=activity.rates[:, every - 1 :: every], outputs=outputs, dt=every * activity.dt)


def train_bptt(
    regime: BpttRegime, trials: Trials, *, n_units: int, network_key: PRNGKeyArray, fit_key: PRNGKeyArray
) -> tuple[RateNetwork, Fit]:
    """The network before training, and what training on the clock of `coarser` came to."""
    network = RateNetwork.random(
        key=network_key, n_units=n_units, gain=regime.gain, input_scale=regime.input_scale,
        bias_scale=regime.bias_scale, readout_scale=regime.readout_scale,
    )  # fmt: skip
    rate, n_passes = regime.learning_rate, 10
    trainer = Bptt(
        n_passes=n_passes, n_updates=regime.n_updates // n_passes, learning_rate=rate, final_learning_rate=rate / 10,
        hint_weight=regime.hint_weight, private_noise=regime.noise, penalties=(RatePenalty(regime.rate_penalty),),
        goal_r2=None,
    )  # fmt: skip
    return network, fit(trainer, network, trials, key=fit_key)
