"""Measurements, run by `make bench`, never as tests: the machine is noisy, so ratios of one run are what counts."""
