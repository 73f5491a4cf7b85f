"""Start the controller, as the program ndif/services/ray/deployments/controller/controller.py does.

That one fails unless Ray is up. It imports torch and transformers, and so does each process that
looks the controller up, for the sake of its class. The class here imports where it runs, which
takes a third off the time that a server needs to start.
"""

import importlib
import os
import socket
import time
from typing import Any

import ray


@ray.remote(num_cpus=1, num_gpus=0, max_restarts=-1, resources={"head": 1})
class Controller:
    """The published controller, behind those of its methods that the dispatcher calls."""

    def __init__(self) -> None:
        importlib.import_module("cpu_model")  # for what it changes
        from ndif.services.ray.deployments.controller import controller

        arguments = controller.ControllerDeploymentArgs().model_dump()
        self._controller = controller._ControllerActor(**arguments)

    async def scale(self, *arguments: Any) -> Any:
        return self._controller.scale(*arguments)

    async def get_deployment(self, *arguments: Any) -> Any:
        return self._controller.get_deployment(*arguments)

    async def status(self) -> Any:
        return self._controller.status()

    async def env(self) -> Any:
        return self._controller.env()


def _wait_for(address: str) -> None:
    host, _, port = address.rpartition(":")
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)


def main() -> None:
    address = os.environ["RAY_ADDRESS"]
    _wait_for(address)
    ray.init(address=address, namespace="NDIF", logging_level="error")
    Controller.options(name="Controller", namespace="NDIF", lifetime="detached").remote()


if __name__ == "__main__":
    main()
