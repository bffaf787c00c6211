"""Learner portraits: tags by rules, and federated clusters that must prove themselves."""
