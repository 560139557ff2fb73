"""Robustness to noise that comes in with the inputs."""

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.compare.base import AbstractProbe, AbstractSimilarity
from recirc.compare.probes import output_score
from recirc.types import Score, Trials


class InputNoise(AbstractProbe):
    r"""Output error with independent white noise added to every input.

    $$\tilde u_t = u_t + \sigma \sqrt{2 \tau / dt}\; \eta_t, \qquad \eta_t \sim N(0, I)$$

    Scaled so, the noise has an s.d. of sigma after a leak of time constant tau, whatever dt (for dt well
    under tau). One draw per trial: repeat trials (`trials.select(np.tile(...))`) for a steadier number.
    Compare networks at equal error without noise.

    Args:
        sigma: s.d. of the noise after the leak, in units of the input.
        time_constant: tau, seconds; that of the network, as a rule.
        measure: as in `NewTrials`.

    Returns (when called): as `NewTrials`, with settings `{"set": "input_noise", "sigma": sigma}`.

    Raises:
        ValueError: if `sigma` is negative or `time_constant` not positive; when called, as `NewTrials`.

    Source: Song et al. 2016 (doi 10.1371/journal.pcbi.1004792) for the scale.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(delay=0.5).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(
        ...     n_units=20, n_inputs=3, n_outputs=4, key=jax.random.key(1)
        ... )
        >>> recirc.compare.InputNoise(0.1)(network, trials, key=jax.random.key(2)).settings
        {'set': 'input_noise', 'sigma': 0.1}
    """

    sigma: float = 0.1
    time_constant: float = 0.05
    measure: AbstractSimilarity | None = None

    def __check_init__(self):
        if not (self.sigma >= 0 and self.time_constant > 0):
            raise ValueError(
                f"sigma must not be negative and time_constant must be positive, got {self.sigma} and "
                f"{self.time_constant} s."
            )

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        noise_key, run_key = jax.random.split(key)
        scale = float(self.sigma * np.sqrt(2 * self.time_constant / trials.dt))
        noise = scale * jax.random.normal(noise_key, trials.inputs.shape, trials.inputs.dtype)
        noisy = trials.replace(inputs=trials.inputs + noise)
        settings = {"set": "input_noise", "sigma": self.sigma}
        return output_score(circuit, noisy, settings, level="robustness", key=run_key, measure=self.measure)
