"""Trainers: (network, trials) -> network. One file per algorithm, one training loop, one least-squares engine."""

from recirc.train.base import AbstractTrainer, Fit, State, TrainingDiverged, fit
from recirc.train.force import Force
from recirc.train.full_force import FullForce
from recirc.train.ridge import Ridge

__all__ = ["AbstractTrainer", "Fit", "Force", "FullForce", "Ridge", "State", "TrainingDiverged", "fit"]
