"""Intervals, paired tests, and the geometry of vectors: arrays and data frames only."""
