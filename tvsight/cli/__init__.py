"""The commands: their options, their exit codes, and the words of their errors."""
