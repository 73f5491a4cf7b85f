"""ndif."""
