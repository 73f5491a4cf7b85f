"""One runnable file per figure or table: `python -m analyses.<name>`."""
