"""What is to be done: the one form between a definition and the targets that run it. Pure."""
