"""vector_variability."""
