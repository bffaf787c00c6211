"""What a learner is likely to use next: counts that sites add up, and what is made of them."""
