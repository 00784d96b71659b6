"""One way to learn: the learner, the loop around it, what it saves and how it is scored."""
