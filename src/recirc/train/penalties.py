"""What can be added to the loss of a gradient trainer; penalties add up."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from recirc.circuits import RateNetwork
from recirc.ranges import check_within

WEIGHTS = ("recurrent", "input_weights", "readout")
BOUND = 1e-20  # squared gradients below this are not propagated further


class Run(eqx.Module):
    """What a penalty looks at.

    Args:
        states, rates: x after every step, and r = f(x).
        gradients: derivative of the loss without penalties with respect to x after every step.
        counted, dt: the mask, with one row per step, and seconds per step.
    """

    states: Float[Array, "time unit trial"]
    rates: Float[Array, "time unit trial"]
    gradients: Float[Array, "time unit trial"] | None
    counted: Float[Array, "time trial"]
    dt: float = eqx.field(static=True)

    def mean(self, values: Float[Array, "time trial"]):
        """Mean over the samples that the mask counts."""
        return jnp.sum(self.counted * values) / jnp.sum(self.counted)


class AbstractPenalty(eqx.Module):
    """A term of the loss. One whose `is_immediate` is true sees states and gradients as constants.

    Example:
        >>> isinstance(recirc.train.RatePenalty(), AbstractPenalty)
        True
    """

    weight: eqx.AbstractVar[float]

    def __check_init__(self):
        check_within("[0, inf]", weight=self.weight)

    @abc.abstractmethod
    def __call__(self, network: RateNetwork, run: Run) -> Float[Array, ""]:
        """The term, `weight` included."""

    @property
    def is_immediate(self) -> bool:
        """Whether the term needs `run.gradients` and acts only through the weights that it names."""
        return False


class RatePenalty(AbstractPenalty):
    r"""Mean squared rate, $\lambda \langle r^2 \rangle$ over units, times and trials.

    Args:
        weight: lambda; being a mean, it means the same for any number of units and samples.

    Source: Song, Yang & Wang 2016 (doi 10.1371/journal.pcbi.1004792). Departure: padded samples do not count.

    Example:
        >>> recirc.train.Bptt(penalties=(RatePenalty(0.5), recirc.train.WeightPenalty())).penalties[0].weight
        0.5
    """

    weight: float = eqx.field(static=True, default=0.1)

    def __call__(self, network: RateNetwork, run: Run):
        return self.weight * run.mean(jnp.mean(run.rates**2, axis=1))


class WeightPenalty(AbstractPenalty):
    r"""Mean squared weight, $\lambda \langle W^2 \rangle$.

    Args:
        weight, of: lambda, and "recurrent", "input_weights" or "readout".

    Raises:
        ValueError: if `of` is unknown or `weight` is negative.

    Source: Song, Yang & Wang 2016 (doi 10.1371/journal.pcbi.1004792).

    Example:
        >>> WeightPenalty(of="readout").of
        'readout'
    """

    weight: float = eqx.field(static=True, default=1e-3)
    of: str = eqx.field(static=True, default="recurrent")

    def __check_init__(self):
        if self.of not in WEIGHTS:
            raise ValueError(f"there are no weights {self.of!r} to penalize; choose one of {', '.join(WEIGHTS)}.")

    def __call__(self, network: RateNetwork, run: Run):
        return self.weight * jnp.mean(getattr(network, self.of) ** 2)


class JacobianPenalty(AbstractPenalty):
    r"""Squared norm of the recurrent Jacobian, $\frac{\lambda}{2} \langle \| J\,\mathrm{diag} f'(x) \|_F^2 \rangle$.

    Mean over times and trials. The leak is not part of it.

    Args:
        weight: lambda. It grows with the number of units squared; 1e-5 to 1e-3 were used.

    Source: Sussillo, Churchland, Kaufman & Shenoy 2015 (doi 10.1038/nn.4042).

    Example:
        >>> recirc.train.Bptt(penalties=(JacobianPenalty(1e-3),)).penalties[0].weight
        0.001
    """

    weight: float = eqx.field(static=True, default=1e-4)

    def __call__(self, network: RateNetwork, run: Run):
        columns = jnp.sum(network.recurrent**2, axis=0)
        return self.weight / 2 * run.mean(jnp.einsum("j,tjb->tb", columns, slope(network, run.states) ** 2))


class OmegaPenalty(AbstractPenalty):
    r"""Keep gradients from vanishing on their way back in time.

    $$\Omega = \frac{\sum_t \langle (\rho_t - 1)^2 \rangle}{\sum_t \langle 1[\|g_t\|^2 \geq \epsilon] \rangle}, \qquad
    \rho_t = \frac{\|(1-\alpha) g_t + \alpha f'(x_t) \circ J^\top g_t \|^2}{\|g_t\|^2}$$

    with $g_t = \partial L / \partial x_t$ for the loss without penalties. x and g count as constants: only the
    immediate derivative with respect to J is used. $\rho = 1$ where $\|g_t\|^2 < \epsilon = 10^{-20}$.

    It favors dynamics that keep the size of perturbations, and may change which mechanism is found; Adam does without.

    Args:
        weight: lambda; 2 in the source.

    Source: Pascanu, Mikolov & Bengio 2013 (arXiv 1211.5063) in the form of Song, Yang & Wang 2016
    (doi 10.1371/journal.pcbi.1004792), which squares the norms and takes f' at the same time as g. Departure: $\alpha =
    1 - e^{-dt/\tau}$, the step that the network makes.

    Example:
        >>> recirc.train.Bptt(penalties=(OmegaPenalty(),)).penalties[0].weight
        2.0
    """

    weight: float = eqx.field(static=True, default=2.0)

    @property
    def is_immediate(self) -> bool:
        return True

    def __call__(self, network: RateNetwork, run: Run):
        assert run.gradients is not None  # noqa: S101
        alpha = -jnp.expm1(-run.dt / network.time_constant)
        back = jnp.einsum("ji,tjb->tib", network.recurrent, run.gradients)
        carried = (1 - alpha) * run.gradients + alpha * slope(network, run.states) * back
        size = jnp.sum(run.gradients**2, axis=1)
        flows = size >= BOUND
        ratio = jnp.where(flows, jnp.sum(carried**2, axis=1) / jnp.where(flows, size, 1.0), 1.0)
        return self.weight * jnp.sum((ratio - 1) ** 2) / jnp.maximum(jnp.sum(flows, dtype=ratio.dtype), 1)


def slope(network: RateNetwork, states):
    """f'(x), whatever the nonlinearity."""
    return jax.jvp(network.rates, (states,), (jnp.ones_like(states),))[1]
