"""Output: the terminal, tables and figures, their words and looks."""
