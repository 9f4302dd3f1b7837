"""Read any layer out of a network by its name, on torchvision's feature extraction.

torchvision follows the network once with a symbol in place of a picture, notes every step, and makes of the steps that
the wanted layers need a network of its own, with the same weights. Three of its traps are closed here: a layer followed
by an in-place one (`nn.ReLU(inplace=True)`) would be read after it was overwritten; the modes, training or evaluation,
of the network's parts would be lost; and since it takes the end of "relu1_2" for a count, it would give what is named
so for "relu1_1".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import NodePathTracer, create_feature_extractor

__all__ = ["activations", "layer_names", "layer_reader"]


def require_layer(layer: str, known: Collection[str]) -> None:
    """Raise the ValueError that lists the names there are unless `layer` is one of them."""
    if layer not in known:
        raise ValueError(f"layer: there is no {layer!r} in this network, but {', '.join(known)}")


def layer_names(net: nn.Module) -> list[str]:
    """All that can be read out of a network, in the order in which it is computed.

    A layer is named by its place in the network ("features.0"), an operation without a layer of its own by its
    module's place and its kind ("features.2.add"); what happens again gets a number ("relu_1"). Where it ends in a
    block, the block's name stands for its last step.

    Args:
        net: whose `forward` decides nothing by the values of its input, so that it can be followed in advance.
    Returns:
        Names for `layer_reader`, of evaluation mode.
    Taught in chapter 12.
    """
    return list(_steps(net))


def layer_reader(net: nn.Module, layers: Sequence[str]) -> nn.Module:
    """The part of a network that leads to some layers, as a network that gives all of them.

    Args:
        net: as for `layer_names`. Its weights are shared, not copied, and so are gradients.
        layers: names, as `layer_names` lists them, or of blocks, read at their end.
    Returns:
        A module, in the mode of `net`, that gives {name: activation} for a batch. What comes after the last of the
        layers is not computed.
    Raises:
        ValueError: no layer, or one that is not there; the message lists those that are.
    Source: `torchvision.models.feature_extraction`. Taught in chapter 12.
    """
    known = _steps(net)
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers must be a list of one name or more, got {layers!r}")
    last_steps = {}
    for layer in layers:
        steps = [name for name in known if name == layer or name.startswith(f"{layer}.")]
        if not steps:
            raise ValueError(
                f"layers: there is no {layer!r} in this network, but {', '.join(known)}"
            )
        last_steps[layer] = steps[-1]
    # of two names for one step, a block's and its last layer's, torchvision would give only one
    asked = {step: layer for layer, step in last_steps.items()}
    with modes_kept(net):
        reader = create_feature_extractor(
            net,
            {known[step]: layer for step, layer in asked.items()},
            tracer_kwargs=_tracing(net),
            suppress_diff_warning=True,
        )
    for graph in (reader.train_graph, reader.eval_graph):
        (output,) = (node for node in graph.nodes if node.op == "output")
        copies = {}
        for name, node in output.args[0].items():
            # made before the next layer, which may be an in-place one
            with graph.inserting_after(node):
                copies[name] = graph.call_method("clone", (node,))
        output.args = ({layer: copies[asked[step]] for layer, step in last_steps.items()},)
    reader.recompile()
    return reader


def activations(
    net: nn.Module, images: Tensor, layers: Sequence[str], batch_size: int = 64
) -> dict[str, Tensor]:
    """Activations of some layers for many pictures, in evaluation mode, without gradients, batch by batch.

    Args:
        net: as for `layer_names`; its modes are left as they were.
        images: (N, ...), on any device; each batch is moved to the network's.
        layers: as for `layer_reader`.
        batch_size: pictures at a time, which bounds the memory that the other layers take.
    Returns:
        {name: (N, ...)}, on the device of `images`.
    Raises:
        ValueError: no picture, a batch size below 1, or a layer that is not there.
    Taught in chapter 12.
    """
    batches = list(activation_batches(net, images, layers, batch_size))
    return {name: torch.cat([batch[name] for batch in batches]) for name in layers}


def activation_batches(
    net: nn.Module, images: Tensor, layers: Sequence[str], batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """`activations`, a batch at a time, for what need not hold them all."""
    if len(images) == 0 or batch_size < 1:
        raise ValueError(
            f"need at least one image and a batch_size of at least 1, got {len(images)} and {batch_size}"
        )
    reader = layer_reader(net, layers)
    device = next((weights.device for weights in net.parameters()), images.device)
    for batch in images.split(batch_size):
        # whoever uses a batch before the next finds the network, whose layers the reader shares, in its own mode
        with modes_kept(reader), torch.no_grad():
            values = reader.eval()(batch.to(device))
        yield {name: value.to(images.device) for name, value in values.items()}


@contextmanager
def modes_kept(net: nn.Module) -> Iterator[None]:
    """Bring each part of the network back to its own mode, of which torchvision only keeps the whole network's."""
    modes = [(part, part.training) for part in net.modules()]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _steps(net: nn.Module) -> dict[str, str]:
    """Each step's name, in the order of computation, and torchvision's name for it."""
    tracer = NodePathTracer(**_tracing(net))
    with modes_kept(net):
        graph = tracer.trace(net.eval())
    modules = dict(net.named_modules())
    steps: dict[str, str] = {}
    for node in graph.nodes:
        if node.op == "output":
            continue
        theirs = tracer.node_to_qualname[node]
        own = node.target if node.op == "call_module" else theirs
        name, times = own, 0
        # what is used again gets a number, unless a layer of that name has it already
        while name in steps or (times and name in modules):
            times += 1
            name = f"{own}_{times}"
        steps[name] = theirs
    return steps


def _tracing(net: nn.Module) -> dict:
    # A part without parts is one step, whatever its code does: `Standardise` asks for the dtype of the pictures, which
    # a symbol does not have. A type that has parts elsewhere, as nn.Sequential, is not meant.
    whole, composed = (
        {type(part) for part in net.modules() if bool(list(part.children())) == has_parts}
        for has_parts in (False, True)
    )
    return {"leaf_modules": list(whole - composed)}
