"""Which penalty lets students that learn by gradient predict a step best in runs that they did not see.

    python benchmarks/hidden_penalty.py [--seeds 2] [--circuit feedforward random] [--penalties 0 .001 .01 .1]

The circuits and runs of the study qian2024, of another seed of everything than it has.
"""

import argparse
import itertools

import jax
import numpy as np

import recirc
from recirc import circuits
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024 import design
from recirc.studies.qian2024.network import empty_student, learned_from
from recirc.train.bptt_student import _one_step_r2


def one(kind: str, seed: int, data: str, n_hidden: int, penalty: float) -> float:
    """R² of one step in a new run."""
    circuit = {"study_seed": 1000, "seed": seed, "circuit": kind, "n_units": design.N_MANY}
    asked = design.student("bptt", data=data, n_hidden=n_hidden)
    units, empty = work.units_of(asked, circuit)[0], empty_student(asked, circuit)
    key = jax.random.key(seed)
    student, seen = circuits.with_hidden(empty, n_hidden, key=key, gain=design.GAIN), learned_from(asked, circuit)
    trainer = recirc.train.BpttStudent(**design.TRAINING | {"penalty": penalty}, learns=("readout",), task_weight=0.0)
    fit = recirc.fit(trainer, student, seen, key=key)
    new = work.shown_run(asked, True, circuit)
    rates, outputs = (work.in_trials(values, design.DT) for values in (new.rates[:, :, units], new.outputs))
    trials = recirc.Trials(np.zeros((*rates.shape[:2], 0)), outputs, dt=design.DT, hints=rates,
                           conditions=[str(i) for i in range(len(rates))], hint_units=seen.hint_units)  # fmt: skip
    return _one_step_r2(fit.network, trials)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--circuit", nargs="+", default=["feedforward", "random"])
    parser.add_argument("--penalties", nargs="+", type=float, default=[0.0, 0.001, 0.01, 0.1])
    options = parser.parse_args()
    recirc.enable_x64()
    means = dict.fromkeys(options.penalties, 0.0)
    for kind, data, n_hidden in itertools.product(options.circuit, ("recording", "trials"), (0, design.N_HIDDEN)):
        for penalty in options.penalties:
            found = [one(kind, seed, data, n_hidden, penalty) for seed in range(options.seeds)]
            means[penalty] += float(np.mean(found))
            print(f"{kind:12} {data:10} {n_hidden:3} hidden, penalty {penalty:<6g} {np.round(found, 3)}", flush=True)
    print("sum of means by penalty:", {penalty: round(each, 3) for penalty, each in means.items()})


if __name__ == "__main__":
    main()
