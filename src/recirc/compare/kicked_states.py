"""What follows a kick of the state: whether a network has a circuit's flow, and not only its trajectories."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.compare.base import AbstractProbe
from recirc.compare.heldout_neurons import NeuronMap
from recirc.compare.samples import centered, condition_groups, principal_axes
from recirc.compare.states import AtGo, at_go
from recirc.ranges import check_within
from recirc.types import Score, Trials

N_CORRECTIONS = 3  # of a network's kick, for the bend of f
DECAYS = np.geomspace(0.005, 2.0, 61)  # seconds

States = Float[np.ndarray, "sample unit"]


class KickedStates(AbstractProbe):
    r"""R² of what follows a kick of a circuit's state, predicted by a network through its map to the circuit's units.

    $$\delta = \pm s\, \|x - x_0\|\, \frac{F^{+} c_j}{\|F^{+} c_j\|}, \qquad
      R^2 = 1 - \frac{\sum \|C^\top (\Delta y_t - B^\top \Delta r_t)\|^2}{\sum \|C^\top \Delta y_t\|^2}$$

    The circuit, in state x and with rates y, is kicked along each of the leading principal components C of its rates,
    both ways; F is the derivative of its rates, $x_0$ its initial state. The network, with rates r, gets the least
    change of state whose mapped rates $B^\top r$ match the kick, measured in its own covariance $\Sigma$:

    $$\min_\epsilon \epsilon^\top \Sigma^{-1} \epsilon \quad \text{such that} \quad
      C^\top B^\top \Delta r = C^\top \Delta y$$

    $\Delta$ is kicked minus not kicked. C are the components that the map predicts well on these trials, so that what
    is asked for is the flow alone; R² is 0 for a network that forgets every kick at once. A linear network whose map
    is right along all it visits is right here too, trained or not: read the value beside those of twins.

    Args:
        target, target_trials: the circuit, and trials of the same conditions as the network's, with its own inputs.
        mapping: from the network to all units of the circuit, in order, fitted on other conditions.
        epoch, time_s: the kick comes so many seconds after the start of this epoch.
        size: s.
        n_components, least_r2: how many components are looked at, and the R² that the map must reach in one.
        start, stop: of the window that is scored, seconds after the kick; components and their R² are of all times
            between kick and stop.

    Returns (when called): metric `kicked_states_r2`, level mechanism; nan if no component is predicted well, and -inf
    if kicks make the network blow up. Parts: `component_r2`, before the kick, of each looked at; `per_component` and
    `per_condition` (with `condition`), of the kicks in each; `correlation`, about 0; `decay`, R² of the kick decaying
    with the best time constant.

    Raises:
        ValueError: if a number is out of range; when called, as `at_go` for either side, or if conditions, dt or
            numbers of units do not fit together, or the epoch ends before `stop`.

    Source: ours. Kicks of Stroud et al. 2018 (doi 10.1038/s41593-018-0276-0) are white noise; the change of least
    Euclidean norm would depend on the coordinates of the network (R² .82 for the circuit behind a random map).

    Example:
        >>> import jax, recirc
        >>> task = recirc.tasks.CenterOutReach(dt=0.005)
        >>> trained, new = (each.trials(8, key=jax.random.key(0)) for each in (task, task.between()))
        >>> circuit = recirc.circuits.RateNetwork.random(gain=0.9, time_constant=0.05, key=jax.random.key(1))
        >>> activity = recirc.simulate(circuit, trained, key=jax.random.key(2))
        >>> mapping = recirc.compare.NeuronMap.fit(activity, activity)
        >>> probe = recirc.compare.KickedStates(circuit, new, mapping)
        >>> round(probe(circuit, new, key=jax.random.key(3)).value, 2)
        1.0
    """

    target: AbstractCircuit
    target_trials: Trials
    mapping: NeuronMap
    epoch: str = eqx.field(static=True, default="movement")
    time_s: float = eqx.field(static=True, default=0.08)
    size: float = eqx.field(static=True, default=0.3)
    n_components: int = eqx.field(static=True, default=6)
    least_r2: float = eqx.field(static=True, default=0.9)
    start: float = eqx.field(static=True, default=0.02)
    stop: float = eqx.field(static=True, default=0.2)

    def __check_init__(self):
        check_within("(0, inf)", size=self.size, stop=self.stop)
        check_within("[1, inf]", n_components=self.n_components)
        check_within("(-inf, 1]", least_r2=self.least_r2)
        check_within(f"[0, {self.stop})", start=self.start)

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        """The score; nothing is random, so `key` changes nothing."""
        true, made = self._cuts(circuit, trials)
        rates, network_rates = (np.asarray(cut.activity().rates, np.float64) for cut in (true, made))
        axes = principal_axes(centered(rates), self.n_components)[0]
        weights = self.mapping.weights @ axes  # from network units to components
        missed = (rates - self.mapping.neuron_mean) @ axes - (network_rates - self.mapping.network_mean) @ weights
        component_r2 = 1 - (missed**2).sum((0, 1)) / ((centered(rates) @ axes) ** 2).sum(0)
        kept = component_r2 >= self.least_r2
        kicks = self._kicks(true, axes)  # all, so that every network runs the same program
        states = np.tile(made.states, (len(kicks), 1))
        first = _change_of_rates(true.circuit, np.tile(true.states, (len(kicks), 1)), kicks.reshape(-1, rates.shape[2]))
        visited = made.visited().reshape(-1, states.shape[1])
        reply = _least_change(made.circuit, states, weights, first @ axes, np.cov(visited.T), kept)
        reply = reply.reshape(len(kicks), *made.states.shape)
        wanted = _deviations(true, kicks, rates, axes[:, kept])
        found = _deviations(made, reply, network_rates, weights[:, kept])
        at_once = (first @ axes[:, kept]).reshape(len(kicks), len(rates), 1, -1)
        of_kept = np.repeat(kept, 2)
        return self._scored(true, component_r2, wanted[of_kept], found[of_kept], at_once[of_kept])

    def _cuts(self, circuit: AbstractCircuit, trials: Trials) -> tuple[AtGo, AtGo]:
        """Circuit and network from the kick on, as long as is scored."""
        cuts = [
            at_go(each, own, epoch=self.epoch, time_s=self.time_s)
            for each, own in ((self.target, self.target_trials), (circuit, trials))
        ]
        (true, made), n_steps = cuts, round(self.stop / trials.dt)
        if true.conditions != made.conditions or not np.isclose(true.dt, made.dt):
            theirs, ours = (f"{cut.conditions[:4]}, dt {cut.dt} s" for cut in cuts)
            raise ValueError(f"the circuit's trials ({theirs}) are not the network's ({ours}); give the same ones.")
        if (lasts := min(cut.inputs.shape[1] for cut in cuts)) < n_steps:
            found = f"epoch {self.epoch!r} goes on for {lasts * made.dt:g} s after the kick"
            raise ValueError(f"{found}, and {self.stop} s are scored; kick earlier, or stop earlier.")
        n_units = [cut.circuit.rates(jnp.asarray(cut.states).T).shape[0] for cut in cuts]
        if n_units != [len(self.mapping.neurons), len(self.mapping.network_mean)]:
            maps = f"the map is from {len(self.mapping.network_mean)} to {len(self.mapping.neurons)} units"
            raise ValueError(f"{maps}, network and circuit have {n_units[1]} and {n_units[0]}; fit it to all of them.")
        shorter = [{name: getattr(cut, name)[:, :n_steps] for name in ("inputs", "targets")} for cut in cuts]
        return dataclasses.replace(true, **shorter[0]), dataclasses.replace(made, **shorter[1])

    def _kicks(self, cut: AtGo, axes: Float[np.ndarray, "unit component"]) -> Float[np.ndarray, "kick trial unit"]:
        """Changes of states that move the rates along each axis, both ways."""
        derivatives = np.asarray(_derivatives(cut.circuit, jnp.eye(len(axes)), jnp.asarray(cut.states)))
        directions = (np.linalg.pinv(derivatives) @ axes).transpose(2, 0, 1)
        base = np.asarray(cut.circuit.initial_state(len(cut.states))).T
        distance = np.linalg.norm(cut.states - base, axis=1)[:, None]
        kicks = self.size * distance * directions / np.linalg.norm(directions, axis=2, keepdims=True)
        return np.stack([kicks, -kicks], axis=1).reshape(-1, *cut.states.shape)

    def _scored(self, cut: AtGo, component_r2, wanted, found, at_once) -> Score:
        """The score of deviations (kick, trial, time, component)."""
        time = (np.arange(wanted.shape[2]) + 1) * cut.dt
        counted = time >= self.start - cut.dt / 2
        wanted, found = wanted[:, :, counted], found[:, :, counted]
        decays = [at_once * np.exp(-time[counted] / tau)[:, None] for tau in DECAYS]
        groups = condition_groups(cut.conditions)
        parts = {
            "component_r2": component_r2,
            "per_component": [_r2(wanted[i : i + 2], found[i : i + 2]) for i in range(0, len(wanted), 2)],
            "per_condition": [_r2(wanted[:, i], found[:, i]) for i in groups.values()],
            "condition": list(groups),
            "correlation": _correlation(wanted, found),
            "decay": max(_r2(wanted, each) for each in decays),
        }
        settings = {"set": "kicked_states", "size": self.size, "time_s": self.time_s}
        parts = {name: np.array(part) for name, part in parts.items()}
        return Score("kicked_states_r2", _r2(wanted, found), "mechanism", parts=parts, settings=settings)


def _r2(wanted: np.ndarray, found: np.ndarray) -> float:
    """About 0; nan without samples and -inf if something is not finite."""
    with np.errstate(all="ignore"):
        value = 1 - float(((wanted - found) ** 2).sum() / (wanted**2).sum())
    return value if np.isfinite(found).all() else -np.inf


def _correlation(wanted: np.ndarray, found: np.ndarray) -> float:
    """About 0; nan where nothing moves or something is not finite."""
    with np.errstate(all="ignore"):
        return float((wanted * found).sum() / np.sqrt((wanted**2).sum() * (found**2).sum()))


def _deviations(
    cut: AtGo,
    kicks: Float[np.ndarray, "kick trial unit"],
    rates: Float[np.ndarray, "trial time rate"],
    weights: Float[np.ndarray, "rate component"],
) -> Float[np.ndarray, "kick trial time component"]:
    """Kicked less not kicked, as components; one kick after the other, since rates of all at once are large."""
    kicked = (np.asarray(cut.activity(states=cut.states + kick).rates, np.float64) for kick in kicks)
    return np.stack([(each - rates) @ weights for each in kicked])


def _change_of_rates(circuit: AbstractCircuit, states: States, change: States) -> Float[np.ndarray, "sample rate"]:
    before, after = (np.asarray(circuit.rates(jnp.asarray(each).T)).T for each in (states, states + change))
    return after - before


@eqx.filter_jit
def _derivatives(
    circuit: AbstractCircuit, weights: Float[Array, "rate component"], states: Float[Array, "sample unit"]
) -> Float[Array, "sample component unit"]:
    """Of `weights.T @ rates` with respect to the state."""
    return jax.vmap(jax.jacrev(lambda state: weights.T @ circuit.rates(state[:, None])[:, 0]))(states)


def _least_change(
    circuit: AbstractCircuit,
    states: States,
    weights: Float[np.ndarray, "rate component"],
    asked: Float[np.ndarray, "sample component"],
    covariance: Float[np.ndarray, "unit unit"],
    kept: Bool[np.ndarray, " component"],
) -> States:
    """The least change of states, in a covariance, that changes `weights.T @ rates` by what is asked for.

    Derivatives are of all components, and only those kept are asked for, so that every network runs the same program.
    """
    change = np.zeros_like(states)
    for _ in range(1 + N_CORRECTIONS):
        missing = (asked - _change_of_rates(circuit, states, change) @ weights)[:, kept]
        derivative = np.asarray(_derivatives(circuit, jnp.asarray(weights), jnp.asarray(states + change)))[:, kept]
        toward = covariance @ derivative.transpose(0, 2, 1)
        change = change + (toward @ np.linalg.solve(derivative @ toward, missing[..., None]))[..., 0]
    return change
