"""Changes that let NDIF 0.1.2 serve a model from a CPU, and quickly on a test machine.

`NDIF_DEFAULT_MODEL_ACTOR_CLASS` names the actor of this module, and the PYTHONPATH of the Ray node
holds its folder. The controller's process imports it for what it changes in three modules. All
else is the server as published.
"""

import functools
import gc
import inspect
from types import SimpleNamespace
from typing import Any

import ray
import ray._private.state
from ndif.services.ray.deployments.controller import controller
from ndif.services.ray.deployments.controller.cluster import cluster
from ndif.services.ray.deployments.modeling.base import KILL_REASON_PREEMPTED, BaseModelDeployment
from nnsight.modeling.huggingface import HuggingFaceModel
from nnsight.modeling.mixins.remotable import Remotable


def _accept_trust_remote_code(name: str) -> None:
    """Let a class method of `Remotable` ignore an argument that it had before nnsight 0.8.1.

    This ndif still passes it; without this no model is deployed.
    """
    method = getattr(Remotable, name).__func__
    if "trust_remote_code" in inspect.signature(method).parameters:
        return

    @functools.wraps(method)
    def tolerant(cls: type, *args: Any, trust_remote_code: Any = None, **options: Any) -> Any:
        return method(cls, *args, **options)

    setattr(Remotable, name, classmethod(tolerant))


for _name in ("describe_checkpoint", "max_tp_size"):
    _accept_trust_remote_code(_name)


def _list_nodes(**_: Any) -> list[SimpleNamespace]:
    """What `Cluster.update_nodes` reads of the living nodes, from Ray itself."""
    return [
        SimpleNamespace(
            node_id=node["NodeID"],
            node_name=node["NodeName"],
            resources_total=node["Resources"],
            labels=node["Labels"],
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _list_actors(**_: Any) -> list[SimpleNamespace]:
    """What the status reads of the actors, from Ray itself."""
    actors = ray._private.state.actors().values()
    return [SimpleNamespace(name=actor["Name"], state=actor["State"]) for actor in actors]


# The published ones ask Ray's dashboard, which is nine processes more to start.
cluster.list_nodes = _list_nodes
controller.list_actors = _list_actors


class _OnCPU(BaseModelDeployment):
    """The published model actor, less its calls of `torch.cuda`."""

    CACHEABLE = False
    """Evicted rather than parked: there is no second memory to move the weights to."""

    def load_from_disk(self) -> HuggingFaceModel:
        model = HuggingFaceModel.from_model_key(
            self.model_key, dispatch=True, dtype=self.dtype_name, device="cpu", **self.kwargs
        )
        model._module.requires_grad_(False)
        return model

    async def to_cache(self) -> None:
        await self.cancel(KILL_REASON_PREEMPTED)
        self.cached = True

    def from_cache(self, gpu_mem_bytes_by_id: dict[int, int]) -> None:
        self.gpu_mem_bytes_by_id = gpu_mem_bytes_by_id
        self.cached = False

    def cleanup(self) -> None:
        self.kill_switch.clear()
        self.kill_reason = None
        self.execution_ident = None
        self.model.interleaver.cancel()
        gc.collect()


@ray.remote(num_cpus=1, max_restarts=-1)
class CPUModelActor(_OnCPU):
    """One replica of a model; Ray starts it again when its process dies."""
