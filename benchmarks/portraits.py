"""Portraits of a recording: rotations, alignment of epochs, dimensions, tangling, features of units.

    python benchmarks/portraits.py FILE.nc --window 0.15 0.42 --window 0.18 0.51 \\
        --first -0.03 0.15 --second 0.21 0.57

Windows are in seconds on the file's clock, whose times are ends of bins: bins i to j (from 0, both included) of
width dt that start at s are `s + i*dt` to `s + (j+1)*dt`.
"""

import argparse
from pathlib import Path

import jax

from recirc import compare
from recirc.data import read_netcdf
from recirc.types import Activity, enable_x64


def rotations(a: Activity, window: tuple[float | None, float | None], soft: float | None) -> str:
    score = compare.JPCA(soft=soft, start=window[0], stop=window[1])(a)
    part, used = score.parts, score.settings
    return (
        f"jPCA {used['start']} to {used['stop']} s, k = {used['n_components']}, soft {used['soft']:.3g}: "
        f"R² best {part['r2_best']:.3f}, skew {part['r2_skew']:.3f} (ratio {score.value:.3f}); plane 1 "
        f"{part['plane_r2_best'][0]:.3f}/{part['plane_r2_skew'][0]:.3f}, {part['frequency_hz'][0]:.2f} Hz, "
        f"{part['variance'][0]:.1%} of the variance, mean cosine {part['rotation'][0]:.2f}"
    )


def alignment(a: Activity, epochs, n_components: int, soft: float | None) -> str:
    measure = compare.AlignmentIndex(*map(tuple, epochs), n_components, soft)
    null = compare.random_subspaces(measure, a, key=jax.random.key(0))
    return (
        f"alignment index {epochs[0]} to {epochs[1]} s, d = {n_components}: {null.score.value:.3f} "
        f"(reversed {null.score.parts['reversed']:.3f}); random subspaces {null.mean:.3f}, "
        f"5th percentile {null.p95:.3f}, p(more orthogonal) {null.p:.2g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Portraits of a recording.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--window", type=float, nargs=2, action="append", default=[], help="seconds, for jPCA")
    parser.add_argument("--first", type=float, nargs=2, help="preparatory epoch, seconds")
    parser.add_argument("--second", type=float, nargs=2, help="movement epoch, seconds")
    parser.add_argument("--soft", type=float, default=5.0, help="constant of the soft normalization")
    asked = parser.parse_args()
    enable_x64()
    a = read_netcdf(asked.data)
    print(f"{a.n_trials} trials x {a.rates.shape[1]} steps of {a.dt:g} s x {len(a.units)} units")
    for window in [*asked.window, (None, None)]:
        print(rotations(a, window, asked.soft))
    for subtract in (False, True):
        score = compare.ParticipationRatio(asked.soft, subtract_condition_mean=subtract)(a)
        mean = "subtracted" if subtract else "kept"
        print(
            f"participation ratio {score.value:.2f}, {score.parts['n_components_90']} components for 90 % "
            f"(mean over conditions {mean})"
        )
    tangled = compare.Tangling(soft=asked.soft)(a)
    print(f"tangling, 95th percentile {tangled.value:.0f} {tangled.unit} every {tangled.settings['every']} s")
    if asked.first and asked.second:
        epochs = asked.first, asked.second
        for n_components in (4, 10):
            print(alignment(a, epochs, n_components, asked.soft))
        for name in compare.UnitFeatures.names:
            try:
                score = compare.UnitFeatures(*map(tuple, epochs), name)(a)
            except ValueError as error:
                print(f"{name}: {error}")
            else:
                print(f"{score.metric} {score.value:.3g} {score.unit}")


if __name__ == "__main__":
    main()
