"""The numbers that the paper reports, as data."""
