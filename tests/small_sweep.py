"""A sweep of networks that are trained in a moment."""

BASE = """[base]
n_trials = 2
[base.task]
kind = "CenterOutReach"
movement = 0.1
dt = 0.005
[base.circuit]
n_units = 8
[base.trainer]
"""
