"""Secure aggregation: the coordinator learns the sum of the sites' vectors and nothing else."""

from edufed.privacy.fixed_point import FixedPoint, RangeError
from edufed.privacy.secagg.coordinator import SecAggSum
from edufed.privacy.secagg.plan import SecAggError, SecAggPlan, default_threshold
from edufed.privacy.secagg.site import SecAggSite

__all__ = [
    "FixedPoint",
    "RangeError",
    "SecAggError",
    "SecAggPlan",
    "SecAggSite",
    "SecAggSum",
    "default_threshold",
]
