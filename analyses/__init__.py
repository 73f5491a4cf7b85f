"""One command per figure or table: `tvsight <name>`, or `python -m analyses.<name>`."""
