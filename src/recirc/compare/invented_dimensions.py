"""Whether a network has dimensions of its own: that the true states do not explain, or that neurons do not show."""

import numpy as np

from recirc.compare.heldout_neurons import NeuronMap
from recirc.compare.samples import check_same_samples, condition_groups
from recirc.types import Activity, Score


def state_r2(network: Activity, truth: Activity, *, every: int = 1) -> Score:
    r"""R² of the network's states by a linear map from the true ones, in conditions that the map was not fitted to.

    $$R^2 = 1 - \frac{\sum_c \|X_c - \hat X_c(S_c)\|_F^2}{\sum_c \|X_c - \bar X_{-c}\|_F^2}$$

    X are the network's rates, S those of the circuit that the network was to find, which must be known whole; the map
    (`NeuronMap`: ridge, its penalty chosen by leaving out conditions) is fitted to all conditions but c. Predicting
    neurons from the network rewards dimensions that the circuit does not have; this direction punishes them.

    Args:
        network, truth: three or more conditions, at the same times.
        every: as in `NeuronMap.fit`.

    Returns:
        Metric `state_r2`; part `per_condition`, in order of first appearance.

    Raises:
        ValueError: if conditions or times differ, or there are fewer than three conditions.

    Source: Versteeg et al. 2025 (Computation-through-Dynamics Benchmark); ridge, and on left-out conditions.

    Example:
        >>> import jax, recirc
        >>> truth = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> network = truth.replace(rates=truth.rates @ jax.random.normal(jax.random.key(1), (6, 6)))
        >>> round(recirc.compare.state_r2(network, truth).value, 3)
        1.0
    """
    check_same_samples(network, truth)
    groups = list(condition_groups(network.conditions).values())
    if len(groups) < 3:
        raise ValueError(f"state_r2 leaves conditions out twice and needs three or more, got {len(groups)}.")
    errors, spreads = np.zeros((2, len(groups)))
    for i, held in enumerate(groups):
        train = np.delete(np.arange(network.n_trials), held).tolist()
        fitted = NeuronMap.fit(truth.select(train), network.select(train), every=every)
        states = np.asarray(network.rates, np.float64)[held]
        errors[i] = np.sum((np.asarray(fitted.predict(truth.select(held.tolist())).rates) - states) ** 2)
        spreads[i] = np.sum((states - fitted.neuron_mean) ** 2)
    value = float(1 - errors.sum() / spreads.sum())
    return Score("state_r2", value, "population", parts={"per_condition": 1 - errors / spreads})


def cycle_consistency(fitted: NeuronMap, network: Activity, *, share: float = 0.99) -> Score:
    r"""R² of the network's states by what can be read of them from the neurons that they predict.

    $$\hat x = \bar x + (\hat y - \bar y) B^{+}, \qquad \hat y = \bar y + (x - \bar x) B$$

    B are the weights of the map from network to neurons, B⁺ their pseudo-inverse by as many singular values as hold
    `share` of the sum of squares. It is the share of the network's variance that the map uses: what is missing,
    the network does in dimensions that no neuron shows, and nothing in the recording speaks for it. No truth is needed.

    Args:
        fitted: from network to neurons.
        network: on the stated conditions.
        share: of the squared singular values of B, above 0 and at most 1.

    Returns:
        Metric `cycle_consistency`; part `rank`, the number of singular values.

    Raises:
        ValueError: if `share` is out of range, no weight differs from zero, or the network has other units.

    Source: Versteeg et al. 2025 (Computation-through-Dynamics Benchmark), of rates instead of log rates.

    Example:
        >>> import jax, recirc
        >>> network = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> neurons = network.replace(rates=network.rates[..., :3], units=None)
        >>> fitted = recirc.compare.NeuronMap.fit(network, neurons)
        >>> 0.4 < recirc.compare.cycle_consistency(fitted, network).value < 0.6
        True
    """
    if not 0 < share <= 1 or not np.any(fitted.weights):
        raise ValueError(f"share must be above 0 and at most 1, got {share}, and weights must not all be zero.")
    predicted = np.asarray(fitted.predict(network).rates, np.float64) - fitted.neuron_mean
    left, sizes, right = np.linalg.svd(fitted.weights, full_matrices=False)
    held = np.cumsum(sizes**2) / np.sum(sizes**2)
    rank = 1 + int(np.searchsorted(held, share - 1e-12))
    states = np.asarray(network.rates, np.float64) - fitted.network_mean
    error = states - predicted @ (right[:rank].T / sizes[:rank]) @ left[:, :rank].T
    value = float(1 - np.sum(error**2) / np.sum(states**2))
    return Score("cycle_consistency", value, "population", parts={"rank": np.array(rank)}, settings={"share": share})
