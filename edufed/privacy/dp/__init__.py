"""Differential privacy for learners: noise, clipping, training, statistics and what they cost.

A learner, with all their rows, is the unit: neighbouring data sets differ by one learner, added
or removed. See `docs/differential-privacy.md`.
"""
