"""Cold start: what a platform's new learners will use, from what other platforms know of them."""
