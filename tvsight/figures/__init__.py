"""Tidy data frames → figures. Nothing here runs a model or reads a file."""
