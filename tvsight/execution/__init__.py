"""Places that run jobs: this process, this process as if a server, and an NDIF server."""
