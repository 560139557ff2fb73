"""Steps of networks that other packages made: leaky units with the nonlinearity in one of three places, and the GRU."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from recirc.notebook import fields_table


def linear(x):
    """The identity: a linear network's nonlinearity.

    Example:
        >>> linear(2.5)
        2.5
    """
    return x


NONLINEARITIES: dict[str, Callable] = {  # what files and calls name; others are given as functions
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "linear": linear,
}
FORMS = ("current", "rate", "outside")


def name_of(nonlinearity: Callable) -> str:
    """The name by which files know a nonlinearity; a ValueError for one that they do not."""
    names = [name for name, known in NONLINEARITIES.items() if known is nonlinearity]
    if not names:
        have = ", ".join(NONLINEARITIES)
        raise ValueError(f"the network's nonlinearity is a function that no file can hold; files know {have}.")
    return names[0]


class LeakyUpdate(eqx.Module):
    r"""One Euler step of leaky units; `form` says where the nonlinearity stands.

    $$\text{current: } x \leftarrow (1 - \alpha) x + \alpha (W f(x) + U u + b), \quad r = f(x)$$
    $$\text{rate: } r \leftarrow (1 - \alpha) r + \alpha f(W r + U u + b)$$
    $$\text{outside: } r \leftarrow f((1 - \alpha) r + \alpha (W r + U u + b))$$

    Args:
        recurrent, input_weights, bias: W, from column unit to row unit, U and b.
        leak: alpha of every unit, dt over tau.
        nonlinearity: f, elementwise.
        form: "current", "rate" or "outside".
    """

    recurrent: Float[Array, "unit unit"]
    input_weights: Float[Array, "unit input"]
    bias: Float[Array, " unit"]
    leak: Float[Array, " unit"]
    nonlinearity: Callable = eqx.field(static=True)
    form: str = eqx.field(static=True)
    _repr_html_ = fields_table

    def __call__(self, state: Float[Array, " unit"], inputs: Float[Array, " input"]) -> Float[Array, " unit"]:
        sent = self.nonlinearity(state) if self.form == "current" else state
        drive = self.recurrent @ sent + self.input_weights @ inputs + self.bias
        drive = self.nonlinearity(drive) if self.form == "rate" else drive
        state = (1 - self.leak) * state + self.leak * drive
        return self.nonlinearity(state) if self.form == "outside" else state

    def rates(self, state: Float[Array, " unit"]) -> Float[Array, " unit"]:
        """What the units send: f of the state if the leak is on the current, else the state itself."""
        return self.nonlinearity(state) if self.form == "current" else state


class GatedUpdate(eqx.Module):
    r"""One step of a gated recurrent unit, as PyTorch has it.

    $$\rho = \sigma(W_r h + b_r + U_r u + c_r), \quad z = \sigma(W_z h + b_z + U_z u + c_z)$$
    $$n = \tanh(\rho \circ (W_n h + b_n) + U_n u + c_n), \quad h \leftarrow (1 - z) \circ n + z \circ h$$

    Args:
        recurrent, recurrent_bias: W and b of the reset gate, the update gate and the new state, one below the other.
        input_weights, bias: U and c, in the same order.

    Source: `torch.nn.GRU` (docs.pytorch.org). Cho et al. 2014 (doi 10.3115/v1/D14-1179) have the reset inside the
    product, W_n (ρ ∘ h), and z for what is here 1 − z; networks of such packages are other networks.
    """

    recurrent: Float[Array, "gates unit"]
    input_weights: Float[Array, "gates input"]
    bias: Float[Array, " gates"]
    recurrent_bias: Float[Array, " gates"]
    _repr_html_ = fields_table

    def __call__(self, state: Float[Array, " unit"], inputs: Float[Array, " input"]) -> Float[Array, " unit"]:
        own, given = self.recurrent @ state + self.recurrent_bias, self.input_weights @ inputs + self.bias
        n_units = state.shape[0]
        reset, keep = jnp.split(jax.nn.sigmoid((own + given)[: 2 * n_units]), 2)
        new = jnp.tanh(reset * own[2 * n_units :] + given[2 * n_units :])
        return (1 - keep) * new + keep * state

    def rates(self, state: Float[Array, " unit"]) -> Float[Array, " unit"]:
        """The state itself."""
        return state


class Readout(eqx.Module):
    """Outputs W r + c of rates r.

    Args:
        weights, bias: W and c.
    """

    weights: Float[Array, "output unit"]
    bias: Float[Array, " output"]
    _repr_html_ = fields_table

    def __call__(self, rates: Float[Array, " unit"]) -> Float[Array, " output"]:
        return self.weights @ rates + self.bias
