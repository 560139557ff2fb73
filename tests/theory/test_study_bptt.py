"""Backpropagation on the study's trials: the coarser clock shows the same, and both arms train."""

import dataclasses

import jax
import numpy as np

import recirc
from recirc.studies.salatiello2020.bptt import BPTT_REGIMES, coarser, train_bptt


def hinted():
    trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
    hints = np.cumsum(trials.targets, axis=1)
    return trials.replace(hints=hints, hint_units=["a", "b"])


def test_a_coarser_clock_has_the_same_times_and_the_same_input_in_all():
    trials = hinted()
    coarse = coarser(trials, 5)
    assert coarse.dt == 0.005
    assert np.allclose(coarse.time, trials.time[4::5])
    assert np.array_equal(coarse.hints, trials.hints[:, 4::5])
    assert np.array_equal(coarse.targets, trials.targets[:, 4::5])
    assert np.allclose(coarse.inputs.sum(1) * coarse.dt, trials.inputs.sum(1) * trials.dt)
    assert coarse.epochs == trials.epochs
    assert np.array_equal(coarser(trials, 1).inputs, trials.inputs)


def test_both_arms_start_from_one_network_but_for_its_gain_and_end_with_the_task(key):
    trials, made = coarser(hinted(), 5), {}
    for name, regime in BPTT_REGIMES.items():
        regime = dataclasses.replace(regime, n_updates=20)
        made[name] = train_bptt(regime, trials, n_units=20, network_key=key, fit_key=key)
        assert made[name][1].history[-1]["output_nmse"] < made[name][1].history[0]["output_nmse"]
        assert made[name][1].network.readout.shape == (2, 20)
    (start, alone), (also, hints) = made["bptt"], made["bptt_hints"]
    gains = [BPTT_REGIMES[name].gain for name in ("bptt", "bptt_hints")]
    assert np.allclose(start.recurrent / gains[0], also.recurrent / gains[1])
    assert not np.array_equal(alone.network.recurrent, hints.network.recurrent)
