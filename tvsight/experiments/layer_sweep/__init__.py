"""layer_sweep."""
