"""What the verdict on units and population says of populations of which the truth is known.

    python benchmarks/levels.py RECORDING [--n-splits 100]

Units of RECORDING (any file that `recirc.read` takes) are split in two: one half serves as the reference, the other as
"network". It should be found alike on both levels; not so one whose scores over conditions and times were replaced by
smooth noise, its covariance among units kept. Power: p of one half against the other under turned conditions.
"""

import argparse
import warnings

import timing  # first: it asks for one thread per library  # isort: skip

import jax
import numpy as np
from scipy.ndimage import gaussian_filter1d

import recirc
from recirc import compare
from recirc.analyses import VerdictConfig
from recirc.analyses.levels import judge
from recirc.analyses.reference import rows_beside
from recirc.analyses.table import frame
from recirc.analyses.verdict_config import Reference


def other_scores(a: recirc.Activity, random: np.random.Generator) -> recirc.Activity:
    """The same covariance among units, smooth noise for what happens in which condition and when."""
    rates = np.asarray(a.rates)
    flat = rates.reshape(-1, rates.shape[2])
    _, sizes, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    noise = gaussian_filter1d(random.normal(size=(*rates.shape[:2], len(sizes))), 3.0, axis=1).reshape(-1, len(sizes))
    scores = np.linalg.qr(noise - noise.mean(0))[0]
    return a.replace(rates=np.maximum((scores * sizes) @ axes + flat.mean(0), 0).reshape(rates.shape))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recording")
    parser.add_argument("--n-splits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{vars(arguments)}; {timing.load()}", flush=True)
    whole, random = recirc.read(arguments.recording).replace(outputs=None), np.random.default_rng(arguments.seed)
    alike = {"half": [], "other scores": []}
    p = {measure.metric: [] for measure in compare.similarities() if measure.certified}
    for i in range(arguments.n_splits):
        order, key = random.permutation(np.array(whole.units)), jax.random.key(i)
        half, reference = (whole.select_units(list(part)) for part in np.array_split(order, 2))
        config = VerdictConfig(n_draws=1, n_resamples=2).resolved(reference, len(half.units))
        for name, network in (("half", half), ("other scores", other_scores(half, random))):
            rows = rows_beside(network, Reference(reference), config, key=key)
            alike[name].append(judge(frame(rows), None, by=["arm"]).iloc[0][["units", "population"]].tolist())
        for measure in compare.similarities():
            if measure.certified:
                found = compare.null_distribution(measure, half, reference, measure.nulls[0], n_draws=99, key=key)
                p[measure.metric].append(found.p)
        if (i + 1) % 10 == 0:
            for name, found in alike.items():
                units, population = np.mean(np.array(found, bool), axis=0)
                print(f"{i + 1} splits, {name}: alike on units {units:.2f}, on population {population:.2f}", flush=True)
            print(
                {metric: f"p < .05 in {np.mean(np.array(found) < 0.05):.3f}" for metric, found in p.items()}, flush=True
            )


if __name__ == "__main__":
    recirc.enable_x64()
    warnings.simplefilter("ignore")
    main()
