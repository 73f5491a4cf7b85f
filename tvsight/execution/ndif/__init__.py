"""Jobs on an NDIF server: requests, waiting, results read without pickles, and faults."""
