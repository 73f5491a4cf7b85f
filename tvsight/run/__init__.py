"""Runs: the plan, the places where it is measured, the measurements, and what is stored."""
