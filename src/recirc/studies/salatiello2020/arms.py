"""Who is trained, how, and how many: the arms of the study, its regimes and presets, one specification per network."""

import dataclasses

SOURCE = "Salatiello & Giese 2020, doi 10.1007/978-3-030-61609-0_69"


@dataclasses.dataclass(frozen=True)
class Regime:
    """Everything that decides how one arm is trained.

    Args:
        embedder_gain: g of the embedder (and of the random network of the arms without one).
        drive: output weights into the embedder, or feedback weights of FORCE.
        hint_gain: factor on normalized hints.
        normalization: of hints, "sd" or "maximum".
        input_scale, bias_scale: of the network.
        noise: private noise while learning.
        update_interval: seconds.
        n_passes: passes over the trials.
    """

    embedder_gain: float
    drive: float
    hint_gain: float
    normalization: str
    input_scale: float
    bias_scale: float
    noise: float
    update_interval: float
    n_passes: int


_PAPER = Regime(1.5, 1.0, 5.0, "maximum", 1.0, 0.0, 0.0, 0.002, 20)
_TUNED = Regime(0.92, 0.08, 4.3, "maximum", 0.5, 0.06, 0.07, 0.01, 50)  # see benchmarks/regime_search.py

REGIMES: dict[str, dict[str, Regime]] = {
    "paper": {"hints": _PAPER, "no_hints": _PAPER, "force": _PAPER, "untrained": _PAPER},
    "tuned": {
        "hints": _TUNED,
        "no_hints": dataclasses.replace(_TUNED, embedder_gain=1.2, drive=0.12, input_scale=0.6),
        "force": dataclasses.replace(_TUNED, embedder_gain=1.2, drive=0.5, noise=0.05, bias_scale=0.0),
        "untrained": _TUNED,
    },
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: networks per arm.
        fractions: shares of units recorded.
        hint_gains: of the ablation, at the smallest of 5 % or the smallest fraction.
        kinds: of units in the ablation.
        normalizations: of hints in the ablation.
        left_out: numbers of directions to leave out of training.
    """

    n_seeds: int
    fractions: tuple[float, ...]
    hint_gains: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    normalizations: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()

    @property
    def extras(self) -> dict[str, bool]:
        """Whether there is what only some figures show, by the name of the figure."""
        ablated = self.hint_gains or self.kinds or self.normalizations
        return {"ablations": bool(ablated), "left_out": bool(self.left_out)}


PRESETS = {
    "quick": Preset(5, (0.05, 0.25)),
    "full": Preset(
        20, (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0), hint_gains=(1.0, 2.0, 10.0), kinds=("excitatory", "inhibitory"),
        normalizations=("sd",), left_out=(1, 2, 4),
    ),
}  # fmt: skip
REFERENCE_FRACTION = 0.05
# What tells networks of one arm apart beside their seed, and what stands in files where it does not apply.
PLACE = {"regime": "", "fraction": -1.0, "kind": "", "hint_gain": -1.0, "normalization": "", "left_out": 0}


def specifications(preset: Preset, seed: int) -> list[dict]:
    """One entry per network, everything that decides its numbers included."""
    hints = {"arm": "hints", "fraction": REFERENCE_FRACTION}
    arms = [{"arm": "hints", "fraction": fraction} for fraction in preset.fractions]
    arms += [{"arm": arm} for arm in ("no_hints", "force", "untrained")]
    arms += [hints | {"hint_gain": gain} for gain in preset.hint_gains]
    arms += [hints | {"kind": kind} for kind in preset.kinds]
    arms += [hints | {"normalization": normalization} for normalization in preset.normalizations]
    for n_left_out in preset.left_out:
        arms += [hints | {"left_out": n_left_out}, {"arm": "no_hints", "left_out": n_left_out}]
    return [
        {**dict.fromkeys(PLACE), **arm, "regime": regime, "settings": dataclasses.asdict(REGIMES[regime][arm["arm"]])}
        | {"seed": index, "study_seed": seed, "n_units": 300, "circuit_units": 200}
        for index in range(preset.n_seeds)
        for regime in REGIMES
        for arm in arms
    ]
