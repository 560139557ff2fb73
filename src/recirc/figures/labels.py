"""What arms, metrics, baselines, sets and circumstances are called in print."""

from collections.abc import Mapping

from recirc.compare import AbstractSimilarity, labels
from recirc.storage import printable

LABELS = {  # of what no class of `recirc.compare` says
    "force": "FORCE", "bptt": "BPTT", "bptt_hints": "BPTT with hints",
    "ensemble": "mean of networks", "gp": "Gaussian processes",
    "condition_mean": "mean over conditions", "gp_directions": "GP, fixed length", "gp_joint": "GP, units apart",
    "gp_coupled": "GP, coupled units", "cosine_tuning": "linear tuning",
    "heldout_neuron_r2": "unrecorded neurons, R²", "heldout_direction_r2": "left-out condition, R²",
    "train": "trained directions", "state_r2": "states by the true ones, R²",
    "degeneracy_behavior": "spread of behavior", "degeneracy_dynamics": "spread of dynamics (rad)",
    "degeneracy_weights": "spread of weights",
    "heldout_direction": "held-out directions", "perturbed_initial_state": "perturbed state",
    "input_scale": "scaled input", "relu": "ReLU", "untrained_relu": "untrained ReLU",
    "movement_r2": "movement R²", "n_passes": "training passes",
    "unit_feature_distance": "distance of unit features", "jpca_frequency": "frequency of rotation (Hz)",
    "dsa_identity": "reference's dynamics to identity (rad)", "dsa_speed_ratio": "speed of dynamics, ratio",
    "dsa_scale": "dynamics, twin 0, half 1", "input_dsa": "dynamics without inputs (rad)",
    "rotation_hz": "rotation (Hz)",     "constrained_directions": "directions of weights determined",
    "unit_subsets": "subsets of units",
    "n_fixed_points": "fixed points", "slowest_mode_s": "slowest mode (s)",
    "state_share": "share of the state at go", "input_share": "share of the input after go",
    "interaction_share": "share of both together", "follows_state_r2": "follows the state, R²",
    "follows_input_r2": "follows the input, R²", "target_off_at_go_r2": "target off at go, R²",
    "target_swapped_r2": "target swapped at go, R²", "state_reset_r2": "state reset at go, R²",
    "movement_without_target": "movement without a target", "crossed_at_go": "state and input crossed at go",
    "no_target": "no target shown", "delay_s": "delay (s)",
    "relu_dale": "ReLU, Dale's law", "silent_units": "silent units", "noise_in_delay": "noise in the delay",
    "noise_on_go_line": "noise on the go line", "noise_after_go": "noise after go",
    "target_off_share": "target off at go, share", "kicked_states_r2": "what follows a kick, R²",
    "linear_recorded": "linear system, units recorded", "linear_all": "linear system, all units",
    "n_spurious_slow": "spurious slow modes", "slowest_mode_hz": "the slowest mode turns (Hz)",
    "kicked_units_r2": "what follows kicks of units, R²", "recorded_r2": "recorded units, R²",
    "nonnormality": "non-normality", "bptt_task": "BPTT with task", "full_force": "full-FORCE",
    "full_force_task": "full-FORCE with task", "full_force_large": "full-FORCE, 500 units",
    "most_active": "most active", "connected": "most connected",
    "curbd": "CURBD", "cornn": "CORNN",
    "stability_optimized": "stability-optimized", "low_rank_oscillation": "low rank, oscillation",
    "low_rank_normal": "low rank, normal", "feedforward_tanh": "feedforward, tanh",
    "random_map": "the circuit behind a random map", "decay": "the kick, decaying", "kicked_states": "kicked states",
}  # fmt: skip

# The spaces inside do not break.
_LEVELS = {"sigma": "σ = {:g}", "snr_db": "{:g} dB", "scale": "× {:g}", "time_s": "at {:g} s"}
_NOT_SAID = ("set", "seed", "regime", "fraction", "outcome", "draw")


def label(name: str) -> str:
    """What an arm, metric, baseline or set is called in print; a metric as its class says, exported or not."""
    said: dict[object, object] = {each.metric: each.label for each in AbstractSimilarity.__subclasses__()}
    return shorten(str(said.get(name) or labels().get(name) or LABELS.get(name) or name.replace("_", " ")))


def shorten(text: str, length: int = 34) -> str:
    """The text, with its middle left out if it is long."""
    text = printable(text)
    return text if len(text) <= length else f"{text[: length // 2]}…{text[len(text) + 1 - (length + 1) // 2 :]}"


def circumstance(condition: Mapping) -> str:
    """On what a number was measured, in words: "private noise σ = 0.1"."""
    words = [label(str(condition.get("set") or "all"))]
    for name, value in sorted(condition.items(), key=lambda item: item[0] not in _LEVELS):
        if name in _NOT_SAID or value is None or value != value:
            continue
        plain = f"{label(name)} {value:g}" if isinstance(value, float) else f"{label(name)} {value}"
        words.append(_LEVELS[name].format(value) if name in _LEVELS else plain)
    return " ".join(words)


def percent(fraction: float) -> str:
    """A share in percent, with a space that does not break: "2.5 %"."""
    return f"{100 * fraction:g}\N{NO-BREAK SPACE}%"
