"""Plain arrays in, plain arrays out: the physics and the statistics, blind to files, labels and clusters."""
