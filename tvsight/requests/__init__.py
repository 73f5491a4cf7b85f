"""One file per experiment: what a plan asks of the store. No model is needed to ask."""
