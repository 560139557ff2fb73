"""Trainers: (network, trials) -> network. One file per algorithm, one training loop, one least-squares engine."""

from recirc.train.base import AbstractTrainer as AbstractTrainer
from recirc.train.base import Fit as Fit
from recirc.train.base import State as State
from recirc.train.base import TrainingDiverged as TrainingDiverged
from recirc.train.base import fit as fit
from recirc.train.batch import fit_batch as fit_batch
from recirc.train.bptt import Bptt as Bptt
from recirc.train.bptt_student import BpttStudent as BpttStudent
from recirc.train.cornn import Cornn as Cornn
from recirc.train.curbd import Curbd as Curbd
from recirc.train.force import Force as Force
from recirc.train.full_force import FullForce as FullForce
from recirc.train.linear_dynamics import LinearDynamics as LinearDynamics
from recirc.train.one_step_ridge import OneStepRidge as OneStepRidge
from recirc.train.penalties import AbstractPenalty as AbstractPenalty
from recirc.train.penalties import JacobianPenalty as JacobianPenalty
from recirc.train.penalties import OmegaPenalty as OmegaPenalty
from recirc.train.penalties import RatePenalty as RatePenalty
from recirc.train.penalties import WeightPenalty as WeightPenalty
from recirc.train.ridge import Ridge as Ridge
from recirc.train.student import AbstractStudent as AbstractStudent
