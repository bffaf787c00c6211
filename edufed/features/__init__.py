"""Records at a cutoff, as one matrix of features."""
