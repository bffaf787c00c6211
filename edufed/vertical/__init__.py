"""Vertical logistic regression as pure functions and small state machines: no messages, no keys."""

from edufed.vertical.blocks import FeatureBlock, LabelBlock
from edufed.vertical.logistic import log_loss, probability, residual
from edufed.vertical.together import train_together

__all__ = [
    "FeatureBlock",
    "LabelBlock",
    "log_loss",
    "probability",
    "residual",
    "train_together",
]
