"""The protocol that every experiment shares: conditions, the choice of a block, and rows."""
