"""New random weights for the top layers of a pre-trained encoder (Zhang et al. 2021, Revisiting Few-sample BERT)."""

from typing import List

from torch import nn
from transformers import PreTrainedModel

from ..errors import CrossnerError, Errors


def layers_of(model: PreTrainedModel) -> List[nn.Module]:
    """Return the layers of an encoder, from the bottom to the top."""
    n_layers = model.config.num_hidden_layers
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == n_layers]
    # An encoder may have other lists of this length inside its layers. The first is the outermost.
    return list(lists[0]) if lists else []


def renew_layers(model: PreTrainedModel, n_layers: int) -> None:
    """Give the top layers of an encoder new random weights, as those of an encoder that is not trained.

    model (PreTrainedModel): the encoder, changed in place.
    n_layers (int): number of layers.
    RAISES (CrossnerError): the encoder has fewer layers, or layers that are not found.
    """
    layers = layers_of(model)
    if not 0 <= n_layers <= len(layers):
        raise CrossnerError(Errors.C503.format(n=n_layers, known=len(layers)))
    for layer in layers[len(layers) - n_layers :]:
        for parameter in layer.parameters():
            # transformers 5 leaves a parameter alone that is marked as loaded.
            vars(parameter).pop("_is_hf_initialized", None)
        for module in layer.modules():
            vars(module).pop("_is_hf_initialized", None)
            model._init_weights(module)
