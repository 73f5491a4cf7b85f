"""Interventions on a decoder, torch and nnsight only: read states and heads, patch activations."""
