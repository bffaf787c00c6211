"""Records at a cutoff, as one matrix of features."""

from edufed.features.build import build
from edufed.features.catalogue import FEATURE_VERSION, FEATURES, available
from edufed.features.cohort import cohort_counts, cohort_ranks
from edufed.features.feature import Feature, Words
from edufed.features.matrix import FeatureMatrix
from edufed.features.scaling import (
    Scaling,
    design,
    design_features,
    design_names,
    moments,
    transformed,
)

__all__ = [
    "FEATURES",
    "FEATURE_VERSION",
    "Feature",
    "FeatureMatrix",
    "Scaling",
    "Words",
    "available",
    "build",
    "cohort_counts",
    "cohort_ranks",
    "design",
    "design_features",
    "design_names",
    "moments",
    "transformed",
]
