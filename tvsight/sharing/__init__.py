"""Results for other people: as an archive, or as a data set on the model hub."""
