"""Comparisons: similarities, portraits and probes, one file each; nulls and statistics apart from them."""

from recirc.compare.alignment_index import AlignmentIndex, random_subspaces
from recirc.compare.base import AbstractNull, AbstractPortrait, AbstractProbe, AbstractSimilarity
from recirc.compare.cca import CCA
from recirc.compare.ceiling import Ceiling, split_half_ceiling
from recirc.compare.cka import LinearCKA
from recirc.compare.dsa import DSA
from recirc.compare.epoch_fixed_points import FixedPointCount, SlowestMode, fixed_points_in_epoch
from recirc.compare.fixed_points import FixedPoints, find_fixed_points
from recirc.compare.flow_field import FlowField, Plane, flow_field, principal_plane
from recirc.compare.go_probes import NoTarget, StateResetAtGo, TargetOffAtGo, TargetSwappedAtGo
from recirc.compare.heldout_neurons import NeuronMap
from recirc.compare.input_noise import InputNoise
from recirc.compare.interpolation import JointGP, condition_mean, cosine_tuning, gp_directions
from recirc.compare.jpca import JPCA, JPCAPlanes
from recirc.compare.mechanism import MechanismSummary, mechanism_of
from recirc.compare.normalization import soft_constant, soft_normalized
from recirc.compare.null_distribution import NullDistribution, null_distribution
from recirc.compare.nulls import FlippedComponents, PhaseRandomized, ShuffledConditions
from recirc.compare.output_error import OutputNMSE, OutputR2
from recirc.compare.permuted_conditions import PermutedConditionsPerUnit
from recirc.compare.principal_components import ParticipationRatio
from recirc.compare.probes import InputScale, NewTrials, PerturbedState, PrivateNoise
from recirc.compare.procrustes import Procrustes
from recirc.compare.reach_error import ReachError
from recirc.compare.samples import window
from recirc.compare.states import states_along
from recirc.compare.statistics import PairedTest, bootstrap_interval, paired_test
from recirc.compare.svcca import SVCCA
from recirc.compare.tangling import Tangling
from recirc.compare.tensor_maximum_entropy import TensorMaximumEntropy
from recirc.compare.time_shifted import TimeShifted
from recirc.compare.unit_features import UnitFeatures, unit_feature_distance

__all__ = [
    "CCA",
    "DSA",
    "JPCA",
    "SVCCA",
    "AbstractNull",
    "AbstractPortrait",
    "AbstractProbe",
    "AbstractSimilarity",
    "AlignmentIndex",
    "Ceiling",
    "FixedPointCount",
    "FixedPoints",
    "FlippedComponents",
    "FlowField",
    "InputNoise",
    "InputScale",
    "JPCAPlanes",
    "JointGP",
    "LinearCKA",
    "MechanismSummary",
    "NeuronMap",
    "NewTrials",
    "NoTarget",
    "NullDistribution",
    "OutputNMSE",
    "OutputR2",
    "PairedTest",
    "ParticipationRatio",
    "PermutedConditionsPerUnit",
    "PerturbedState",
    "PhaseRandomized",
    "Plane",
    "PrivateNoise",
    "Procrustes",
    "ReachError",
    "ShuffledConditions",
    "SlowestMode",
    "StateResetAtGo",
    "Tangling",
    "TargetOffAtGo",
    "TargetSwappedAtGo",
    "TensorMaximumEntropy",
    "TimeShifted",
    "UnitFeatures",
    "bootstrap_interval",
    "condition_mean",
    "cosine_tuning",
    "find_fixed_points",
    "fixed_points_in_epoch",
    "flow_field",
    "gp_directions",
    "mechanism_of",
    "null_distribution",
    "paired_test",
    "principal_plane",
    "random_subspaces",
    "soft_constant",
    "soft_normalized",
    "split_half_ceiling",
    "states_along",
    "unit_feature_distance",
    "window",
]
