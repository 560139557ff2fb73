"""FORCE."""

from typing import ClassVar

import equinox as eqx
import jax

from recirc.circuits import RateNetwork
from recirc.train.base import State
from recirc.train.batch import AbstractBatchable
from recirc.train.full_force import Learned, check_schedule, drive_from, learn_all, pass_entry
from recirc.train.recursive_least_squares import Drive, start_learner
from recirc.types import Trials


class Force(AbstractBatchable):
    r"""Train a random network's readout, and through it the network, on the output error alone.

    With `learn="feedback"` the readout is fed back, $J_{eff} = J + U_{fb} W$, and only W learns. With
    `learn="internal"` there is no feedback; every unit's own input weights learn from the output error weighted by
    $U_{fb}$. On a fully connected network the two are the same algorithm.

    Args:
        learn, feedback: "feedback" or "internal", and $U_{fb}$ is uniform in ± this.
        noise, update_interval, n_passes, penalty, lockstep: as in `FullForce`.

    Source: Sussillo & Abbott 2009 (doi 10.1016/j.neuron.2009.07.018). Departures: lockstep trials, updates at fixed
    intervals. The network's own J (its `gain`) is the random part; hints are not used.

    Example:
        >>> recirc.train.Force(learn="internal").feedback
        1.0
    """

    first_only = ("feedback", "n_passes", "penalty")
    tunable: ClassVar = {"drive": ("feedback",), "noise": ("noise",)}
    learn: str = eqx.field(static=True, default="feedback")
    feedback: float = eqx.field(static=True, default=1.0)
    noise: float = eqx.field(static=True, default=0.0)
    update_interval: float = eqx.field(static=True, default=0.002)
    n_passes: int = eqx.field(static=True, default=20)
    penalty: float = eqx.field(static=True, default=1.0)
    lockstep: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_schedule(self)
        if self.learn not in ("feedback", "internal"):
            raise ValueError(f'learn must be "feedback" or "internal", got {self.learn!r}.')

    def init(self, network: RateNetwork, trials: Trials, *, key) -> State:
        shape = (network.n_units, trials.targets.shape[2])
        weights = jax.random.uniform(key, shape, minval=-self.feedback, maxval=self.feedback)
        is_fed_back = self.learn == "feedback"
        network = eqx.tree_at(
            lambda n: n.feedback, network, weights if is_fed_back else None, is_leaf=lambda leaf: leaf is None
        )
        learner = start_learner(network, self.penalty, rows=self._rows, error_weights=None if is_fed_back else weights)
        return State(network, None, learner)

    @property
    def _rows(self) -> str:
        return "readout" if self.learn == "feedback" else "internal"

    def prepare(self, trials: Trials) -> Drive:
        return drive_from(trials)

    def advance(self, state: State, data: Drive, dt: float, *, key):
        network, learner, learned = learn_all(self, state.network, state.learner, data, dt, rows=self._rows, key=key)
        return State(network, None, learner), learned

    def entry(self, seen: Learned, data: Drive) -> dict[str, float]:
        return pass_entry(seen, data)

    def working_bytes(self, network: RateNetwork, trials: Trials) -> int:
        return 0
