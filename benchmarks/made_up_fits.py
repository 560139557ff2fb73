"""Small fits of made-up sessions whose answers are known, and of noise: R² beside ceiling and rivals, and the claims.

    python benchmarks/made_up_fits.py KIND [KIND ...] [--seeds 3] [--first 0] [--noise]

Two unit folds, one network each, four groups of conditions, one regime; kinds are those of `made_up.py`. A line per
session, and counts at the end: how often each claim was supported, contradicted and undecided.
"""

import argparse
import dataclasses
import time
from collections import Counter

import timing  # noqa: F401  # first: it asks for one thread per library  # isort: skip

import jax
import made_up

import recirc
from recirc.analyses import FitConfig, fit_recording
from recirc.analyses.fit_table import METRIC
from recirc.runs.environment import keep_compiled_programs
from recirc.studies.fit import with_conditions
from recirc.train import FullForce

TRAINER = FullForce(embedder_gain=0.5, drive=0.1, hint_drive=0.3, noise=0.25, update_interval=0.05, n_passes=8)
SMALL = FitConfig(
    trainer=TRAINER, n_folds=2, n_seeds=1, leave_out=4, completions=("raw",), noise_factors=(), input_factors=()
)
CLAIMS = ("twin", "tuning", "as good", "better")


def fitted(kind: str, seed: int, *, noise: bool) -> list[bool | None]:
    """Fit one session and print its numbers; what became of the claims."""
    made, began = made_up.make(kind, seed, noise=noise), time.process_time()
    chain = dataclasses.replace(made.preprocessing, minimum_reliability=-1.0)
    prepared = chain.apply(made.session, key=jax.random.key(seed))
    settled = dataclasses.replace(prepared.chain, minimum_reliability=FitConfig().preprocessing.minimum_reliability)
    settled = {"preprocessing": settled, "covariates": made.covariates, "inputs": made.inputs}
    config = dataclasses.replace(SMALL, **settled, events=() if made.inputs else made.events)
    config, activity = with_conditions(config, prepared)
    result = fit_recording(activity, config, key=jax.random.key(seed))
    (row,) = (r for r in result.rows if r.metric == METRIC and r.condition.get("statistic") == "mean")
    rivals = " ".join(f"{name} {row.baselines[name]:.3f}" for name in ("gp", "cosine_tuning", "untrained"))
    said = [claim.supported for claim in result.claims]
    verdicts = " ".join(f"{name} {claim.effect:.3f} {claim.supported}" for name, claim in zip(CLAIMS, result.claims))
    seconds = time.process_time() - began
    print(
        f"{kind} {seed} R² {row.value:.3f} ceiling {row.ceiling:.3f} {rivals} | {verdicts} | {seconds:.0f} s",
        flush=True,
    )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    recirc.enable_x64()
    keep_compiled_programs()
    for kind in asked.kinds:
        seeds = range(asked.first, asked.first + asked.seeds)
        said = [fitted(kind, seed, noise=asked.noise) for seed in seeds]
        for name, verdicts in zip(CLAIMS, zip(*said)):
            print(f"{kind}: {name}: {dict(Counter(map(str, verdicts)))}", flush=True)


if __name__ == "__main__":
    main()
