"""Who is trained, how, and how many: the arms of the study, its presets, one specification per network."""

import dataclasses

import numpy as np

from recirc.circuits import RateNetwork, StabilityOptimized, stability_optimized
from recirc.studies.salatiello2020.bptt import BPTT_REGIMES
from recirc.tasks import CenterOutReach
from recirc.train import Bptt, Force, FullForce, RatePenalty

SOURCE = "Salatiello & Giese 2020, doi 10.1007/978-3-030-61609-0_69"
METHODS = (CenterOutReach, stability_optimized, StabilityOptimized, RateNetwork, FullForce, Force, Bptt, RatePenalty)


@dataclasses.dataclass(frozen=True)
class Regime:
    """Everything that decides how one arm is trained.

    Args:
        embedder_gain: g of the embedder (and of the random network of the arms without one).
        drive: output weights into the embedder, or feedback weights of FORCE.
        hint_gain: factor on normalized hints.
        normalization: of hints, "sd", "maximum" or "none".
        input_scale, bias_scale: of the network.
        noise: private noise while learning.
        update_interval: seconds.
        n_passes: passes over the trials.
        penalty: alpha.
    """

    embedder_gain: float
    drive: float
    hint_gain: float = 5.0
    normalization: str = "maximum"
    input_scale: float = 1.0
    bias_scale: float = 0.0
    noise: float = 0.0
    update_interval: float = 0.01
    n_passes: int = 50
    penalty: float = 1.0


# Found by one rule for all, on circuits of its own: benchmarks/regime_search.py.
_HINTS = Regime(embedder_gain=0.77, drive=0.21, hint_gain=2.9, input_scale=0.47, bias_scale=0.049, noise=0.063)
REGIMES = {
    "hints": _HINTS,
    "no_hints": Regime(embedder_gain=1.1, drive=0.13, input_scale=0.71, bias_scale=0.099, noise=0.063),
    "force": Regime(embedder_gain=0.98, drive=0.23, input_scale=0.52, bias_scale=0.015, noise=0.053),
    "untrained": _HINTS,
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: circuits, each with one network of every arm that claims are about.
        n_shown: circuits for what no claim is about: FORCE and other shares of units recorded.
        fractions: shares of units recorded; claims are about `REFERENCE_FRACTION` and all.
        hint_gains: of the ablation, at the reference fraction.
        kinds: of units in the ablation.
        normalizations: of hints in the ablation.
        left_out: numbers of directions to leave out of training.
        n_readings: ways to read what the paper leaves open, each with a circuit of its own.
        n_bptt: circuits for networks trained by backpropagation, with hints and without.
        n_kicked: circuits that are kicked, for every network that claims are about.
    """

    n_seeds: int
    n_shown: int
    fractions: tuple[float, ...]
    hint_gains: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    normalizations: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    n_readings: int = 0
    n_bptt: int = 0
    n_kicked: int = 0

    @property
    def extras(self) -> dict[str, bool]:
        """Whether there is what only some figures show, by the name of the figure."""
        ablated = self.hint_gains or self.kinds or self.normalizations
        found = {"ablations": ablated, "left_out": self.left_out, "readings": self.n_readings, "kicks": self.n_kicked}
        return {name: bool(each) for name, each in found.items()}


PRESETS = {
    "quick": Preset(16, 1, (0.01, 0.05, 0.25, 1.0), n_kicked=1),
    "full": Preset(
        20, 20, (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0), hint_gains=(1.0, 2.0, 10.0),
        kinds=("excitatory", "inhibitory"), normalizations=("sd",), left_out=(1, 2, 4), n_readings=64,
        n_bptt=8, n_kicked=8,
    ),
}  # fmt: skip
REFERENCE_FRACTION = 0.05
EXAMPLE_SEED = 0  # whose nulls are drawn, and whose activity is kept and drawn: the first, whatever it looks like
# What tells networks of one arm apart beside their seed, and what stands in files where it does not apply.
PLACE = {"fraction": -1.0, "kind": "", "hint_gain": -1.0, "normalization": "", "left_out": 0, "reading": ""}


def specifications(preset: Preset, seed: int) -> list[dict]:
    """One entry per network, everything that decides its numbers included; seeds are circuits.

    One network comes first, since workers share what it compiles, and then circuits alone (arm "circuit"), so that no
    two workers make the same one.
    """
    hints = {"arm": "hints", "fraction": REFERENCE_FRACTION}
    judged = [hints, hints | {"fraction": 1.0}, {"arm": "no_hints"}]
    shown = [hints | {"fraction": fraction} for fraction in preset.fractions if fraction not in (REFERENCE_FRACTION, 1)]
    varied = [hints | {"hint_gain": gain} for gain in preset.hint_gains]
    varied += [hints | {"kind": kind} for kind in preset.kinds]
    varied += [hints | {"normalization": normalization} for normalization in preset.normalizations]
    varied += [arm | {"left_out": n} for n in preset.left_out for arm in (hints, {"arm": "no_hints"})]
    counts = [(judged, preset.n_seeds), ([*shown, {"arm": "force"}], preset.n_shown), ([{"arm": "untrained"}], 1)]
    counts.append(([{"arm": "bptt"}, hints | {"arm": "bptt_hints"}], preset.n_bptt))
    of_seed = lambda index: [arm for arms, n in [*counts, (varied, preset.n_seeds)] if index < n for arm in arms]  # noqa: E731
    kicks = lambda arm, index: {"kicks": True} if arm in judged and index < preset.n_kicked else {}  # noqa: E731
    asked = [
        specification(arm | kicks(arm, index), index, seed) for index in range(preset.n_seeds) for arm in of_seed(index)
    ]
    for index, reading in enumerate(sampled_readings(preset.n_readings, seed)):
        asked += [
            specification(arm | {"reading": "sampled"}, index, seed, reading) for arm in (hints, {"arm": "no_hints"})
        ]
    circuits = {entry["seed"]: specification({"arm": "circuit"}, entry["seed"], seed) for entry in asked}
    return [asked[0], *list(circuits.values())[1:], circuits[0], *asked[1:]]


def specification(arm: dict, index: int, study_seed: int, settings: dict | None = None) -> dict:
    """The specification of one network.

    Args:
        arm: "arm", what else of `PLACE` applies, and "kicks" if the network is to be kicked.
        index: of its circuit.
        study_seed: of everything random.
        settings: fields of `Regime`, of its circuit, and "n_units", where they are others than the arm's.
    """
    circuit, asked = {"study_seed": study_seed, "index": index, "n_units": 200}, {"n_units": 300}
    regime = (REGIMES | BPTT_REGIMES).get(arm["arm"])
    if settings is not None:
        fields = {field.name for field in dataclasses.fields(Regime)}
        regime = Regime(**{name: value for name, value in settings.items() if name in fields})
        asked |= {name: settings[name] for name in settings.keys() & {"n_units"}}
        circuit |= {name: settings[name] for name in settings.keys() - fields - {"n_units"}}
    own = {"seed": index, "circuit": circuit, "settings": regime and dataclasses.asdict(regime)}
    return {**dict.fromkeys(PLACE), **arm, **asked, **own}


def sampled_readings(n: int, seed: int) -> list[dict]:
    """Ways to read what the paper leaves open, by Latin hypercube: every choice is sampled evenly.

    Hints are multiplied by 5, which the paper says. Scales are sampled by their logarithm.

    Example:
        >>> [round(reading["embedder_gain"], 2) for reading in sampled_readings(2, 0)]
        [1.43, 1.54]
    """
    from scipy.stats import qmc

    return [
        {
            "embedder_gain": 1.2 + 0.6 * u[0], "drive": 0.1 * 10 ** u[1],
            "normalization": ("none", "maximum", "sd")[int(3 * u[2])],
            "update_interval": round(10 ** u[3]) / 1000, "penalty": 100 ** u[4], "n_units": 200 + 100 * int(4 * u[5]),
            "n_passes": round(12 + 38 * u[7]), "pulse": u[6] < 0.5, "tail": u[9] < 0.5,
            "conditions": ("initial_state", "gains")[int(2 * u[8])],
        }
        for u in qmc.LatinHypercube(10, rng=np.random.default_rng([seed, 64])).random(n).tolist()
    ]  # fmt: skip
