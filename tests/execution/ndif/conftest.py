from tests.helpers.job_server import submits

__all__ = ["submits"]
