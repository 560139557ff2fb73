"""Comparisons: similarities, portraits and probes, one file each; nulls and statistics apart from them.

Similarities are computed, and take their random keys, in the order in which they stand here: add yours below the last.
"""

# ruff: noqa: I001

# What each family promises
from recirc.compare.base import AbstractSimilarity as AbstractSimilarity
from recirc.compare.base import AbstractPortrait as AbstractPortrait
from recirc.compare.base import AbstractProbe as AbstractProbe
from recirc.compare.base import AbstractNull as AbstractNull

# Similarities
from recirc.compare.svcca import SVCCA as SVCCA
from recirc.compare.cka import LinearCKA as LinearCKA
from recirc.compare.procrustes import Procrustes as Procrustes
from recirc.compare.cca import CCA as CCA
from recirc.compare.dsa import DSA as DSA
from recirc.compare.output_error import OutputNMSE as OutputNMSE
from recirc.compare.output_error import OutputR2 as OutputR2
from recirc.compare.reach_error import ReachError as ReachError

# Portraits
from recirc.compare.jpca import JPCA as JPCA
from recirc.compare.alignment_index import AlignmentIndex as AlignmentIndex
from recirc.compare.tangling import Tangling as Tangling
from recirc.compare.principal_components import ParticipationRatio as ParticipationRatio
from recirc.compare.unit_features import UnitFeatures as UnitFeatures

# Nulls
from recirc.compare.nulls import ShuffledConditions as ShuffledConditions
from recirc.compare.nulls import FlippedComponents as FlippedComponents
from recirc.compare.nulls import PhaseRandomized as PhaseRandomized
from recirc.compare.tensor_maximum_entropy import TensorMaximumEntropy as TensorMaximumEntropy
from recirc.compare.nulls import PermutedConditionsPerUnit as PermutedConditionsPerUnit
from recirc.compare.nulls import TimeShifted as TimeShifted

# Probes
from recirc.compare.probes import NewTrials as NewTrials
from recirc.compare.probes import InputScale as InputScale
from recirc.compare.probes import InputNoise as InputNoise
from recirc.compare.probes import PrivateNoise as PrivateNoise
from recirc.compare.probes import PerturbedState as PerturbedState
from recirc.compare.go_probes import TargetOffAtGo as TargetOffAtGo
from recirc.compare.go_probes import TargetSwappedAtGo as TargetSwappedAtGo
from recirc.compare.go_probes import StateResetAtGo as StateResetAtGo
from recirc.compare.go_probes import NoTarget as NoTarget
from recirc.compare.epoch_fixed_points import FixedPointCount as FixedPointCount
from recirc.compare.epoch_fixed_points import SlowestMode as SlowestMode

# Everything else
from recirc.compare.families import family as family
from recirc.compare.families import similarities as similarities
from recirc.compare.families import labels as labels
from recirc.compare.alignment_index import random_subspaces as random_subspaces
from recirc.compare.ceiling import Ceiling as Ceiling
from recirc.compare.ceiling import split_half_ceiling as split_half_ceiling
from recirc.compare.epoch_fixed_points import fixed_points_in_epoch as fixed_points_in_epoch
from recirc.compare.fixed_points import FixedPoints as FixedPoints
from recirc.compare.fixed_points import find_fixed_points as find_fixed_points
from recirc.compare.flow_field import FlowField as FlowField
from recirc.compare.flow_field import ProjectionPlane as ProjectionPlane
from recirc.compare.flow_field import flow_field as flow_field
from recirc.compare.flow_field import principal_plane as principal_plane
from recirc.compare.heldout_neurons import NeuronMap as NeuronMap
from recirc.compare.interpolation import JointGP as JointGP
from recirc.compare.interpolation import condition_mean as condition_mean
from recirc.compare.interpolation import cosine_tuning as cosine_tuning
from recirc.compare.interpolation import gp_directions as gp_directions
from recirc.compare.interpolation import interpolated as interpolated
from recirc.compare.interpolation import direct_map as direct_map
from recirc.compare.jpca import JPCAPlanes as JPCAPlanes
from recirc.compare.left_out import left_out_r2 as left_out_r2
from recirc.compare.left_out import left_out_scales as left_out_scales
from recirc.compare.left_out import other_directions_null as other_directions_null
from recirc.compare.left_out import r2_matrix as r2_matrix
from recirc.compare.left_out import shuffled_directions_null as shuffled_directions_null
from recirc.compare.mechanism import MechanismSummary as MechanismSummary
from recirc.compare.mechanism import mechanism_of as mechanism_of
from recirc.compare.normalization import soft_constant as soft_constant
from recirc.compare.normalization import soft_normalized as soft_normalized
from recirc.compare.null_distribution import NullDistribution as NullDistribution
from recirc.compare.null_distribution import null_distribution as null_distribution
from recirc.compare.null_distribution import null_distributions as null_distributions
from recirc.compare.resampling import over_units as over_units
from recirc.compare.samples import window as window
from recirc.compare.states import states_along as states_along
from recirc.compare.statistics import PairedTest as PairedTest
from recirc.compare.statistics import bootstrap_interval as bootstrap_interval
from recirc.compare.statistics import paired_test as paired_test
from recirc.compare.unit_features import unit_feature_distance as unit_feature_distance
