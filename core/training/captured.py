"""The forward and backward pass of a training step as one CUDA graph, which the GPU runs without waiting for Python.

A step launches thousands of kernels that take microseconds each. Launched one by one, they left an H200 idle half of the time
(`tiny-64`, batches of 1,024: 49 ms of kernels in steps of 69 ms; batches of 256: steps of 59 ms).
"""

import torch
from torch import Tensor

from core.training.msn import Msn
from core.training.views import Chance

WARM_UPS = 3  # passes before the capture, in which libraries choose their kernels and allocate workspaces


class CapturedPass:
    """One pass over a batch: loss, targets, and gradients in the parameters' `grad`.

    Parameters, buffers and gradients must keep their memory from now on: change them in place, and do not clear gradients.
    Source: "whole-network capture" in the documentation of `torch.cuda.CUDAGraph`.
    """

    def __init__(self, model: Msn, like: Tensor) -> None:
        """Capture a pass of the model over batches with the shape of this one, (B, 3, S, S) uint8 on the model's GPU.

        Raises:
            RuntimeError: if an operation cannot be captured; the model is then as it was before.
        """
        self._batch, self._generator = like.clone(), torch.Generator(like.device)
        before = [(buffer, buffer.clone()) for buffer in model.buffers()]
        model.zero_grad()
        try:
            here, aside = torch.cuda.current_stream(like.device), torch.cuda.Stream(like.device)
            aside.wait_stream(here)
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    self._passed(model)
                    model.zero_grad()
            here.wait_stream(aside)
            torch.cuda.empty_cache()  # the graph has memory of its own
            self._graph = torch.cuda.CUDAGraph()
            self._graph.register_generator_state(self._generator)
            with torch.cuda.graph(self._graph):
                self._loss, self._targets = self._passed(model)
        except RuntimeError:
            model.zero_grad()
            raise
        finally:
            for buffer, value in before:
                buffer.copy_(value)

    def _passed(self, model: Msn) -> tuple[Tensor, Tensor]:
        loss, targets = model.loss(self._batch.float() / 255, Chance(self._generator))
        loss.backward()
        return loss.detach(), targets

    def __call__(self, batch: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return loss and targets of a batch, valid until the next call; the same as without a graph."""
        self._batch.copy_(batch)
        self._generator.manual_seed(seed)
        self._graph.replay()
        return self._loss, self._targets
