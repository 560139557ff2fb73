"""What arms, metrics, baselines, sets and circumstances are called in print."""

from collections.abc import Mapping

from recirc.compare import AbstractPortrait, AbstractSimilarity
from recirc.storage import printable

LABELS = {
    "force": "FORCE",
    "ensemble": "mean of networks",
    "gp_directions": "Gaussian process",
    "condition_mean": "mean over directions",
    "gp_joint": "Gaussian process, joint with time",
    "output_nmse": "output error (nMSE)",
    "output_r2": "output R²",
    "svcca5_concatenated": "SVCCA₅, concatenated",
    "svcca5_per_condition": "SVCCA₅, per condition",
    "procrustes_angle": "Procrustes angle (rad)",
    "linear_cka": "linear CKA",
    "cca_mean4": "mean of 4 canonical correlations",
    "dsa": "dynamical similarity (rad)",
    "heldout_neuron_r2": "unrecorded neurons, R²",
    "train": "trained directions",
    "heldout_direction": "held-out directions",
    "perturbed_initial_state": "perturbed state",
    "input_scale": "scaled input",
    "relu": "ReLU",
    "untrained_relu": "untrained ReLU",
    "endpoint_error": "end-point error",
    "movement_r2": "movement R²",
    "n_passes": "training passes",
    "unit_feature_distance": "distance of unit features",
    "unit_preparatory_tuning": "preparatory tuning",
    "unit_movement_tuning": "movement tuning",
    "unit_tuning_correlation": "correlation of tunings",
    "unit_direction_change": "change of direction (°)",
    "unit_peak_time": "time of peak tuning (s)",
    "unit_multiphasic": "multiphasic units",
    "jpca_ratio": "jPCA ratio",
    "jpca_r2_skew": "jPCA R², skew",
    "jpca_r2_best": "jPCA R², best",
    "jpca_frequency": "frequency of rotation (Hz)",
    "tangling_p95": "tangling, 95th percentile",
    "n_fixed_points": "fixed points",
    "slowest_mode_s": "slowest mode (s)",
    "state_share": "share of the state at go",
    "input_share": "share of the input after go",
    "interaction_share": "share of both together",
    "follows_state_r2": "follows the state, R²",
    "follows_input_r2": "follows the input, R²",
    "target_off_at_go_r2": "target off at go, R²",
    "target_swapped_r2": "target swapped at go, R²",
    "state_reset_r2": "state reset at go, R²",
    "movement_without_target": "movement without a target",
    "crossed_at_go": "state and input crossed at go",
    "no_target": "no target shown",
    "delay_s": "delay (s)",
}

# The spaces inside do not break.
_LEVELS = {"sigma": "σ = {:g}", "snr_db": "{:g} dB", "scale": "× {:g}", "time_s": "at {:g} s"}
_NOT_SAID = ("set", "seed", "regime", "fraction", "outcome", "draw")


def label(name: str) -> str:
    """What an arm, metric, baseline or set is called in print; a metric as its class says, if it does."""
    return shorten(_declared().get(name) or LABELS.get(name) or name.replace("_", " "))


def _declared() -> dict[str, str]:
    """Labels of similarities and portraits, by the metric that their class declares."""
    classes = [*AbstractSimilarity.__subclasses__(), *AbstractPortrait.__subclasses__()]
    found = {getattr(each, "metric", None): getattr(each, "label", None) for each in classes}
    return {metric: text for metric, text in found.items() if isinstance(metric, str) and isinstance(text, str)}


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
        plain = f"{value:g}" if isinstance(value, float) else str(value)
        words.append(_LEVELS[name].format(value) if name in _LEVELS else f"{label(name)} {plain}")
    return " ".join(words)


def percent(fraction: float) -> str:
    """A share in percent, with a space that does not break: "2.5 %"."""
    return f"{100 * fraction:g}\N{NO-BREAK SPACE}%"
