"""What is shown and written: the terminal, tables, figures, and their words and looks."""
