"""Trainers: (network, trials) -> network. One file per algorithm, one training loop, one least-squares engine."""

from recirc.train.base import AbstractTrainer, Fit, State, TrainingDiverged, fit
from recirc.train.bptt import Bptt
from recirc.train.force import Force
from recirc.train.full_force import FullForce
from recirc.train.penalties import AbstractPenalty, JacobianPenalty, OmegaPenalty, RatePenalty, WeightPenalty
from recirc.train.ridge import Ridge

__all__ = [
    "AbstractPenalty",
    "AbstractTrainer",
    "Bptt",
    "Fit",
    "Force",
    "FullForce",
    "JacobianPenalty",
    "OmegaPenalty",
    "RatePenalty",
    "Ridge",
    "State",
    "TrainingDiverged",
    "WeightPenalty",
    "fit",
]
