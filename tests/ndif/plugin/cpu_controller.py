"""The published controller on a node without a GPU, for `NDIF_CONTROLLER_IMPORT_PATH`."""

from importlib import import_module

import ray
from ndif.services.ray.deployments.controller.controller import _ControllerActor

import_module("cpu_model")  # for what it changes in others


class _OnCPU(_ControllerActor):
    """The same, in a process that has imported this module, because Ray sends the class below by
    value and this one by name."""


@ray.remote(num_cpus=1, num_gpus=0, max_restarts=-1, resources={"head": 1})
class Controller(_OnCPU):
    """What `python -m ndif.services.ray.deployments.controller.controller` starts."""
