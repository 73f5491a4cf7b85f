"""Results on disk: their schemas, files and checks, and the records of jobs under way."""
