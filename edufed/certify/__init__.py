"""Evidence for recognising outcomes: what a model's probability is worth, learner by learner."""
