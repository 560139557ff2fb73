"""Whether the verdict of `recirc fit --subsets` is right, on teachers whose mechanism is known.

    python benchmarks/subset_verdict.py [--each 30] [--first 0] [--spikes] [--list]

Every seed draws a teacher of 300 units (tau .1 s), how many are recorded (40, 60 or 80), how they start (from rest, or
from the same random states of s.d. .3 or 1 in every trial of a condition), and what there is of it: 8 conditions of 15
trials of 1 s in bins of 10 ms under noise of .2, linear or tanh; averages of these; or trials with measurement noise of
a fifth of the rates' s.d. `--spikes` draws averages of Poisson spikes instead (20/s, 15 or 40 trials of a condition,
smoothed with an s.d. of 30 ms), which is what a fit of a session has.

A teacher is safe if the slowest time constant of a fit to all recorded units is within a factor of 1.5 of the truth,
unsafe beyond a factor of 2, the length of a trial counting as the longest; those between are counted apart. Seeds go on
until there are enough of both.

The verdict on rotation is counted over all these teachers: safe is one that the fit has within a third of the larger of
both frequencies, unsafe beyond a half; none where both turn less than half a cycle in a trial.
"""

import argparse
from collections import Counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage

import recirc
from recirc import circuits
from recirc.analyses import unit_subsets
from recirc.analyses.subset_verdict import DEPENDS, SAME, UNTOLD, subset_verdicts
from recirc.compare import linear_modes

N_UNITS, N_CONDITIONS, N_REPEATS, N_STEPS, DT = 300, 8, 15, 100, 0.01
SMOOTHING, BASELINE = 0.03, 20.0  # seconds, spikes/s
FORMS, SPIKES = ("trials", "tanh", "averages", "noisy"), ("15 spiking", "40 spiking")
RIGHT = {"safe": SAME, "unsafe": DEPENDS}


class Drawn(NamedTuple):
    """A teacher and what is recorded of it."""

    kind: str
    n_recorded: int
    spread: float
    form: str


def drawn(seed: int, forms: tuple[str, ...]) -> Drawn:
    random = np.random.default_rng(seed)
    kinds = [kind for kind in circuits.TEACHERS if kind != "stability_optimized"]
    options = kinds, (40, 60, 80), (0.0, 0.3, 1.0), forms
    return Drawn(*(choice[random.integers(len(choice))] for choice in options))


def recording(what: Drawn, seed: int) -> tuple[circuits.Teacher, recirc.Activity]:
    keys = jax.random.split(jax.random.key(seed), 4)
    f = jnp.tanh if what.form == "tanh" else circuits.linear
    made = circuits.teacher(what.kind, n_units=N_UNITS, key=keys[0], nonlinearity=f)
    n_repeats = int(what.form[:2]) if what.form in SPIKES else N_REPEATS
    n_trials = N_CONDITIONS * n_repeats
    driven = circuits.noise_trials(N_UNITS, n_steps=N_STEPS, n_trials=n_trials, dt=DT, key=keys[1])
    start = jnp.repeat(what.spread * jax.random.normal(keys[3], (N_UNITS, N_CONDITIONS)), n_repeats, axis=1)
    rates = np.asarray(recirc.simulate(circuits.Restarted(made.network, start), driven, key=keys[2]).rates)
    random = np.random.default_rng(seed)
    rates = rates[:, :, random.permutation(N_UNITS)[: what.n_recorded]]
    if what.form == "noisy":
        rates = rates + 0.2 * rates.std() * random.normal(size=rates.shape)
    if what.form in SPIKES:
        firing = BASELINE * np.exp(np.clip(0.5 * rates / rates.std(axis=(0, 1)), -4, 3))
        rates = scipy.ndimage.gaussian_filter1d(random.poisson(firing * DT) / DT, SMOOTHING / DT, axis=1)
    if what.form == "averages" or what.form in SPIKES:
        rates = rates.reshape(N_CONDITIONS, n_repeats, *rates.shape[1:]).mean(axis=1)
    return made, recirc.Activity(rates, dt=DT, conditions=[str(i) for i in range(len(rates))])


def one(seed: int, forms: tuple[str, ...]) -> tuple[Drawn, str, str, str, tuple[str, str]]:
    """What was drawn, whether the fit is safe, the verdict, and its reason; and of its rotation the first two."""
    what = drawn(seed, forms)
    made, seen = recording(what, seed)
    smoothing = SMOOTHING if what.form in SPIKES else 0.0
    found = unit_subsets(seen, n_subsets=20, smoothing=smoothing, key=jax.random.key(seed))
    modes, longest = linear_modes(made), N_STEPS * DT
    truth, turns = modes.time_constants[0], np.array([found.refits["rotation_hz"].recorded, abs(modes.frequencies[0])])
    fitted = np.exp(found.refits["slowest_mode_s"].recorded)
    error = abs(np.log(min(fitted, longest) / min(truth, longest)))
    label = "safe" if error < np.log(1.5) else "unsafe" if error > np.log(2) else "between"
    off = abs(np.diff(turns)[0]) / turns.max() if turns.max() > 0 else 0.0
    turned = "safe" if off < 1 / 3 else "unsafe" if off > 1 / 2 else "between"
    said, rotation = subset_verdicts(found)
    turned = "none" if turns.max() < 0.5 / longest else turned
    return what, label, said.verdict, f"{fitted:.3g} s, truth {truth:.3g} s: {said.why}", (turned, rotation.verdict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=30, help="teachers that are safe, and that are not")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--spikes", action="store_true", help="averages of spikes")
    parser.add_argument("--list", action="store_true", help="a line per teacher")
    options = parser.parse_args()
    recirc.enable_x64()
    forms = SPIKES if options.spikes else FORMS
    counts, by_form, rotations, seed = Counter(), Counter(), Counter(), options.first
    while min(sum(counts[label, v] for v in (SAME, DEPENDS, UNTOLD)) for label in RIGHT) < options.each:
        what, label, verdict, why, turned = one(seed, forms)
        seed, rotations[turned] = seed + 1, rotations[turned] + 1
        if sum(counts[label, each] for each in (SAME, DEPENDS, UNTOLD)) >= options.each:
            continue
        counts[label, verdict] += 1
        by_form[what.form, label != "between" and RIGHT[label] == verdict] += label != "between"
        if options.list:
            print(f"{seed - 1} {' '.join(map(str, what))}: {label}; {verdict} ({why})", flush=True)
    for label in ("safe", "unsafe", "between"):
        print(f"{label}: {', '.join(f'{counts[label, verdict]} {verdict}' for verdict in (SAME, DEPENDS, UNTOLD))}")
    right = counts["safe", SAME] + counts["unsafe", DEPENDS]
    prudent = right + counts["unsafe", UNTOLD]
    print(
        f"right {right} of {2 * options.each}, {prudent} if one that cannot be told is right of an unsafe one; "
        f"{SAME!r} wrong in {counts['unsafe', SAME]}; seeds {options.first} to {seed - 1}"
    )
    for label in ("safe", "unsafe", "between", "none"):
        print(f"rotation, {label}: {', '.join(f'{rotations[label, each]} {each}' for each in (SAME, DEPENDS, UNTOLD))}")
    for form in forms:
        print(f"{form}: {by_form[form, True]} right, {by_form[form, False]} not")


if __name__ == "__main__":
    main()
