from tests.helpers.small_runs import first
from tests.helpers.tiny_llama import brief_pauses, episodes, model

__all__ = ["brief_pauses", "episodes", "first", "model"]
