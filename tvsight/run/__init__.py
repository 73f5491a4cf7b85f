"""Carry out a run: plan it, choose where it is measured, measure it and store the results."""
