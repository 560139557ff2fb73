"""Circuits: parameters and one step of dynamics; reference circuits; the only forward time loop."""

from recirc.circuits.base import AbstractCircuit, simulate
from recirc.circuits.motor_cortex import (
    StabilityOptimized,
    holding_current,
    observability_gramian,
    preferred_states,
    preparation_currents,
    random_gains,
)
from recirc.circuits.muscles import condition_targets, direction_targets, fit_muscles, muscle_signals
from recirc.circuits.perturbed import Perturbed
from recirc.circuits.rate_network import RateNetwork
from recirc.circuits.restarted import Restarted
from recirc.circuits.stability_optimization import stability_optimized

__all__ = [
    "AbstractCircuit",
    "Perturbed",
    "RateNetwork",
    "Restarted",
    "StabilityOptimized",
    "condition_targets",
    "direction_targets",
    "fit_muscles",
    "holding_current",
    "muscle_signals",
    "observability_gramian",
    "preferred_states",
    "preparation_currents",
    "random_gains",
    "simulate",
    "stability_optimized",
]
