"""Library for notebooks: vectors as objects, one prompt at a time, and stored results as one table.

`tvsight` offers these names itself. Nothing here is imported before it is used, so that results
are read without torch.
"""
