"""What is mined: one file a task, with its learners and its target."""
