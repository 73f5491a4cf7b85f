"""vector_clusters."""
