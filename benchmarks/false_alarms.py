"""How often chance passes for similarity, or noise for structure: p <= 0.05 on smooth noise, by measure and null.

    python benchmarks/false_alarms.py [CONDITIONS TIMES UNITS] [--n-tests 200] [--n-draws 19] [--seed 0]

Every test draws two unrelated activities of the shape given (a portrait looks at the first). An exact test gives 5 %,
with a binomial s.d. of 1.5 % at 200 tests.
"""

import argparse
import time

import timing  # first: it asks for one thread per library  # isort: skip

import jax
import numpy as np
import scipy.stats
from scipy.ndimage import gaussian_filter1d

import recirc
from recirc import compare

DT = 0.03
KINDS = ("plain", "transient", "tuned")


def smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], kind: str) -> recirc.Activity:
    """Noise of a participation ratio near 8 and as smooth as rates filtered with an s.d. of two bins.

    Kind "plain" is alike at all times and independent over conditions, "transient" rises and decays within the
    trial, "tuned" is smooth over a ring of conditions too.
    """
    n_conditions, n_steps, n_units = shape
    latents = random.normal(size=(n_conditions, n_steps + 12, 40)) * 0.88 ** np.arange(40)
    private = random.normal(size=(n_conditions, n_steps + 12, n_units)) * 0.1
    rates = latents @ random.normal(size=(40, n_units)) / np.sqrt(40) + private
    rates = gaussian_filter1d(rates, 2.0, axis=1)[:, 6:-6]
    if kind == "tuned":
        rates = gaussian_filter1d(rates, n_conditions / 8, axis=0, mode="wrap")
    if kind == "transient":
        middle = np.linspace(-1.5, 3, n_steps)
        rates = rates * np.exp(-(middle**2) / 2)[None, :, None]
    rates = 10 * rates / rates.std()
    return recirc.Activity(rates, dt=DT, conditions=[str(i) for i in range(n_conditions)])


def cases(shape: tuple[int, int, int]) -> list[tuple[object, list]]:
    """Every measure with the nulls that might suit it."""
    shuffled, flipped = compare.ShuffledConditions(), compare.FlippedComponents()
    entropy, permuted = compare.TensorMaximumEntropy(), compare.PermutedConditionsPerUnit()
    phase = compare.PhaseRandomized()
    shifted, half = compare.TimeShifted(), shape[1] // 2 * DT
    alignment = compare.AlignmentIndex((0.0, half), (half, 2 * half))
    similarities = [
        compare.SVCCA(), compare.SVCCA(per_condition=True), compare.CCA(), compare.LinearCKA(),
        compare.Procrustes(),
    ]  # fmt: skip
    portraits = [compare.JPCA(), compare.JPCA(statistic="r2_skew"), compare.Tangling(), alignment]
    return [
        *((measure, [shuffled, flipped, entropy]) for measure in similarities),
        (compare.DSA(), [flipped, phase, entropy]),
        *((measure, [flipped, phase, entropy, permuted, shifted]) for measure in portraits),
    ]


def n_alarms(measure, null, arguments) -> tuple[str, int]:
    """Name of the metric, and how many pairs have p <= 0.05 (a shuffle's p is larger by 1 in 40 320)."""
    random, count, found = np.random.default_rng(arguments.seed), 0, None
    for i in range(arguments.n_tests):
        a, b = (smooth_noise(random, arguments.shape, arguments.kind) for _ in "ab")
        other = b if isinstance(measure, compare.AbstractSimilarity) else None
        key = jax.random.key(i)
        found = compare.null_distribution(measure, a, other, null, n_draws=arguments.n_draws, key=key)
        count += found.p < 0.0505
    assert found is not None
    return found.score.metric, count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", type=int, nargs="*", default=[8, 34, 268])
    parser.add_argument("--n-tests", type=int, default=200)
    parser.add_argument("--n-draws", type=int, default=19)
    parser.add_argument("--seed", type=int, default=0, help="of the noise; the same pairs serve all rows")
    parser.add_argument("--kind", choices=KINDS, default="plain")
    parser.add_argument("--measures", nargs="*", help="names of classes, all by default")
    parser.add_argument("--nulls", nargs="*", help="kinds, all by default")
    arguments = parser.parse_args()
    n_tests = arguments.n_tests
    print(f"{vars(arguments)}; {timing.load()}\n")
    print("| measure | null | p <= 0.05 | 95 % interval | s |\n| --- | --- | --- | --- | --- |")
    for measure, nulls in cases(arguments.shape):
        for null in nulls:
            wanted = (type(measure).__name__, arguments.measures), (null.kind, arguments.nulls)
            if any(names is not None and name not in names for name, names in wanted):
                continue
            began = time.process_time()
            metric, count = n_alarms(measure, null, arguments)
            low, high = scipy.stats.binomtest(count, n_tests).proportion_ci()
            print(
                f"| `{metric}` | `{null.kind}` | {100 * count / n_tests:.1f} % | {100 * low:.1f} to "
                f"{100 * high:.1f} | {time.process_time() - began:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
