"""Time one update of backpropagation through time, beside PyTorch if it is there, turn by turn.

    python benchmarks/bptt.py [--torch-python PATH]

PyTorch may live in another environment: give its Python. Both sides run the same network (100 tanh units, 3 inputs, 4
outputs), loss (squared error, rate and weight penalties), noise, clipping and Adam, in 32 bits, on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import time

N_UNITS, N_TRIALS, N_STEPS = 100, 32, 200
N_UPDATES, N_ROUNDS = 20, 7

TORCH = """
import json, sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(0)
n, trials, steps, updates, rounds = map(int, sys.argv[1:])
alpha = 0.2
J = (torch.randn(n, n) * 1.1 / n**0.5).requires_grad_()
U = (torch.randn(n, 3) * 0.5).requires_grad_()
W = (torch.randn(4, n) * 0.1).requires_grad_()
b = torch.zeros(n, requires_grad=True)
start = torch.zeros(n, requires_grad=True)
parameters = [J, U, W, b, start]
adam = torch.optim.Adam(parameters, lr=1e-3)
inputs, targets = torch.randn(steps, trials, 3), torch.randn(steps, trials, 4)

def update():
    noisy = inputs + 0.03 * torch.randn(steps, trials, 3)
    drive = noisy @ U.T + b + torch.randn(steps, trials, n) * (2 * alpha) ** 0.5 * 0.05 / alpha
    x, rates = start.expand(trials, n), []
    r = torch.tanh(x)
    for t in range(steps):
        x = x + alpha * (r @ J.T + drive[t] - x)
        r = torch.tanh(x)
        rates.append(r)
    R = torch.stack(rates)
    loss = ((R @ W.T - targets) ** 2).mean() + 0.1 * (R**2).mean()
    loss = loss + sum(1e-3 * (w**2).mean() for w in (J, U, W))
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    adam.step()

update()
for _ in range(rounds):
    sys.stdin.readline()
    began = time.perf_counter(), time.process_time()
    for _ in range(updates):
        update()
    print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]), flush=True)
"""


def ours():
    """A function that makes `N_UPDATES` updates."""
    import jax
    import numpy as np

    import recirc
    from recirc.train import Bptt, RatePenalty, WeightPenalty

    random = np.random.default_rng(0)
    trials = recirc.Trials(
        random.normal(size=(N_TRIALS, N_STEPS, 3)),
        random.normal(size=(N_TRIALS, N_STEPS, 4)),
        dt=0.01,
        conditions=[str(i) for i in range(N_TRIALS)],
    )
    network = recirc.circuits.RateNetwork.random(
        n_units=N_UNITS, n_inputs=3, n_outputs=4, time_constant=0.05, key=jax.random.key(0)
    )
    weights = tuple(WeightPenalty(1e-3, of) for of in ("recurrent", "input_weights", "readout"))
    trainer = Bptt(n_updates=N_UPDATES, penalties=(RatePenalty(0.1), *weights), goal_r2=None)
    state = trainer.init(network, trials, key=jax.random.key(1))
    trainer.step(state, trials, key=jax.random.key(2))
    return lambda: trainer.step(state, trials, key=jax.random.key(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="Python with PyTorch; the peer is left out without it")
    peer = None
    arguments = parser.parse_args()
    if arguments.torch_python:
        sizes = [str(x) for x in (N_UNITS, N_TRIALS, N_STEPS, N_UPDATES, N_ROUNDS)]
        one = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        peer = subprocess.Popen(
            [arguments.torch_python, "-c", TORCH, *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=one,
        )
    update_all, lines = ours(), []
    for _ in range(N_ROUNDS):
        began = time.perf_counter(), time.process_time()
        update_all()
        line = [time.perf_counter() - began[0], time.process_time() - began[1]]
        if peer is not None:
            peer.stdin.write("\n")
            peer.stdin.flush()
            line += json.loads(peer.stdout.readline())
        lines.append(line)
    ms = [[1e3 * value / N_UPDATES for value in line] for line in lines]
    best = [min(column) for column in zip(*ms)]
    print(f"one update, {N_UNITS} units, {N_TRIALS} trials, {N_STEPS} steps; best of {N_ROUNDS} rounds")
    print(f"recirc   {best[0]:6.1f} ms wall, {best[1]:6.1f} ms processor (a look at the held-out trials included)")
    if peer is not None:
        print(f"PyTorch  {best[2]:6.1f} ms wall, {best[3]:6.1f} ms processor")
        ratios = sorted(line[3] / line[1] for line in ms)
        print(f"PyTorch / recirc, processor time, by round: {', '.join(f'{r:.2f}' for r in ratios)}")


if __name__ == "__main__":
    os.environ.setdefault("NPROC", "1")
    sys.exit(main())
