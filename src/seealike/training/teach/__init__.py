"""The course of a training: a head on vectors, or a whole encoder on pictures."""
