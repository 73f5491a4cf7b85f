"""Read and overwrite the residual stream of a decoder: torch and nnsight only."""
