"""Which circuits are recorded, how much of them, and by which students: presets, and one specification per circuit."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from recirc import circuits
from recirc.train import BpttStudent, Cornn, Curbd, FullForce, LinearDynamics, OneStepRidge

SOURCE = "Qian et al. 2024 (NeurIPS 37)"
METHODS = (
    circuits.teacher, circuits.RateNetwork, OneStepRidge, BpttStudent, FullForce, Cornn, Curbd, LinearDynamics,
)  # fmt: skip
N_UNITS = {"stability_optimized": 100}  # which takes long to make; all others have
N_MANY = 500
TAU, NOISE, START = 0.1, 0.2, 1.0  # seconds; s.d. of the noise current over 1 ms, and of the states at the start
DT, FINE = 0.01, 0.001  # seconds in a step, and in one of the published ones
STEPS = {"stability_optimized": FINE}  # whose modes turn so fast that steps of 10 ms make them grow; all others have DT
SECONDS, LONG = 30.0, 120.0  # of a recording, and of the longest
TRIAL, N_TRIALS = 1.0, 400  # seconds of a trial, and how many where there are many
PUBLISHED = 1e-3  # penalty on squared weights beside squared errors of x
N_OUTPUTS, N_HIDDEN, GAIN = 3, 50, 0.8  # random sums of all units; hidden units; gain of an untrained student
FRACTION, HALF = 0.1, 0.5  # of the units recorded
QUIET, LOUD = NOISE / 4, NOISE * 4  # noise beside which the circuits are recorded, too
RANDOM, ACTIVE, CONNECTED = (
    "random",
    "most_active",
    "connected",
)  # units recorded: whichever, of largest variance, a clique
N_FORCE, N_FORCE_LARGE = 200, 500  # units of a student by full-FORCE, and of one that can have all units for hints
PULSE = 0.05  # seconds in which it is told where a trial starts
FORCE, DRIVE = {"n_passes": 20}, 0.15  # of `FullForce`; `drive` where a tenth of `N_MANY` units are its targets

CENTRAL, CONTROL = "feedforward", "random"  # the circuit of the central effect, and that of which none is expected
FEEDFORWARD, LOW_RANK = ("feedforward", "delay_line"), ("low_rank_oscillation", "low_rank_normal")
OTHERS = ("random", "line_attractor", "stability_optimized")
KINDS = (*FEEDFORWARD, *LOW_RANK, *OTHERS)
BENT = "feedforward_tanh"  # the central circuit with f = tanh

# What tells students of one arm and seed apart, and what stands in files where it does not apply.
PLACE = {
    "circuit": "", "data": "", "fraction": -1.0, "length_s": -1.0, "n_hidden": 0, "noise": -1.0, "recorded": "",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: circuits of every kind, each with all students that claims are about.
        n_control: of the control's circuits, those with all of these students, too.
        n_shown: circuits of every kind for what no claim is about: nulls of single numbers, DSA and InputDSA, and of
            the central kind other students.
        n_varied: circuits of the central kind with other noise and other choices of units; and, of those shown, with
            steps of 1 ms and tanh units.
        n_large: of the circuits with all of these students, those with large ones by full-FORCE, of a tenth and of all
            units, too.
        fractions: shares of the units recorded, of the central circuit and the control.
        lengths: seconds recorded, of the same.
        training: fields of `BpttStudent`.
    """

    n_seeds: int
    n_control: int
    n_shown: int
    n_varied: int
    n_large: int
    fractions: tuple[float, ...] = (FRACTION, HALF, 1.0)
    lengths: tuple[float, ...] = (SECONDS, LONG)
    training: dict = dataclasses.field(default_factory=lambda: dict(TRAINING))


# The penalty is that with the largest R² of one step in recordings that no student saw: benchmarks/hidden_penalty.py.
TRAINING = {"n_passes": 4, "n_updates": 200, "forcing": 0.05, "penalty": 0.1}
PRESETS = {
    "quick": Preset(9, 1, 1, 0, 0, training=TRAINING | {"n_passes": 2, "n_updates": 100}),
    "full": Preset(24, 4, 3, 12, 12, (0.05, FRACTION, 0.25, HALF, 1.0), (SECONDS / 4, SECONDS, LONG)),
}


def student(arm: str, *, data: str = "recording", **changes) -> dict:
    """What a student is and is shown: entries of `PLACE` but for the circuit, and its arm."""
    length = N_TRIALS * TRIAL if data == "trials" else SECONDS
    shared = {"fraction": FRACTION, "length_s": length, "n_hidden": 0, "noise": NOISE, "recorded": RANDOM}
    return {"arm": arm, "data": data, **shared, **changes}


def is_hinted(asked: Mapping[str, Any]) -> bool:
    """Whether a student learns by full-FORCE, from hints, so that its units are not the recorded ones."""
    return asked["arm"].startswith("full_force")


def n_own(asked: Mapping[str, Any]) -> int:
    """Units of a student by full-FORCE."""
    return N_FORCE_LARGE if asked["arm"] == "full_force_large" else N_FORCE


def is_example(asked: Mapping[str, Any]) -> bool:
    """Whether weights and activity of a student are kept: of a tenth of the units as they come, under usual noise."""
    return asked["fraction"] == FRACTION and asked["noise"] == NOISE and asked["recorded"] == RANDOM


def is_judged(asked: Mapping[str, Any], circuit: str) -> bool:
    """Whether a shown student stands in the report, so that it has nulls: of the control that of all circuits does."""
    return circuit != CONTROL or asked == student("ridge")


def specifications(preset: Preset, seed: int) -> list[dict]:
    """One entry per circuit, everything that decides its students' numbers included.

    Args:
        preset: how many.
        seed: of everything random.
    """
    found = []
    for index in range(preset.n_seeds):
        kinds = (*KINDS, *([BENT] if index < min(preset.n_shown, preset.n_varied) else []))
        shared = {"seed": index, "study_seed": seed, "is_shown": index < preset.n_shown, "training": preset.training}
        found += [
            {"circuit": kind, "n_units": N_UNITS.get(kind, N_MANY), "students": _students(preset, kind, index)} | shared
            for kind in kinds
        ]
    return found


def _students(preset: Preset, kind: str, index: int) -> list[dict]:
    if kind == BENT:
        return [student(arm, fraction=share) for arm in ("ridge", "cornn") for share in (FRACTION, 1.0)]
    asked, is_whole = [student("ridge")], kind == CENTRAL or (kind == CONTROL and index < preset.n_control)
    if is_whole:
        for data in ("recording", "trials"):
            asked += [student("ridge", data=data, fraction=share) for share in preset.fractions]
        asked += [student("ridge", length_s=length) for length in preset.lengths]
        asked += [*gradient_students(), student("full_force"), student("full_force_task")]
    if kind == CENTRAL and index < preset.n_varied:
        asked += varied_students()
    if is_whole and index < preset.n_large:
        asked += [student("full_force_large", fraction=share) for share in (FRACTION, 1.0)]
    if kind == CENTRAL and index < preset.n_shown:
        asked += [student("curbd"), student("linear_dynamics")]
    if kind == CENTRAL and index < min(preset.n_shown, preset.n_varied):
        asked.append(student("ridge", data="fine_steps"))
    once = [each for place, each in enumerate(asked) if each not in asked[:place]]
    return sorted(once, key=lambda each: (each["noise"], each["data"]))  # so that runs are made one after the other


def gradient_students() -> Sequence[dict]:
    """Those that learn by gradient: with and without hidden units and task, of one recording and of many trials."""
    hidden = (0, N_HIDDEN)
    asked = [student(arm, n_hidden=n) for n in hidden for arm in ("bptt", "bptt_task")]
    return [*asked, *(student("bptt", data="trials", n_hidden=n) for n in hidden)]


def varied_students() -> Sequence[dict]:
    """Of other strengths of noise, and of other choices of units."""
    changes = ({"noise": QUIET}, {"noise": LOUD}, {"recorded": ACTIVE}, {"recorded": CONNECTED})
    return [student("ridge", data=data, **change) for data in ("recording", "trials") for change in changes]
