"""Distances between task vectors against transfer between tasks: a view of the central comparison
and of the controls."""

from tvsight.experiments.main_results import VectorOptions

NAME = "transfer_geometry"
Options = VectorOptions
