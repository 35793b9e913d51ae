"""A plain PyTorch loop with fused SGD. Initial weights are drawn as in Keras's Dense layer."""

import torch
from torch import nn

from benchmarks.contestants import Epoch, Work


def build(work: Work) -> Epoch:
    torch.manual_seed(work.seed)
    first, second = work.hidden
    network = nn.Sequential(
        nn.Linear(work.images.shape[1], first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, 10),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(network.parameters(), lr=work.learning_rate, fused=True)
    loss_of = nn.CrossEntropyLoss()
    images = torch.from_numpy(work.images.copy()).float() / 255
    labels = torch.from_numpy(work.labels.copy()).long()
    test_images = torch.from_numpy(work.test_images.copy()).float() / 255
    test_labels = torch.from_numpy(work.test_labels.copy()).long()

    def epoch() -> float:
        order = torch.randperm(len(images))
        size = work.batch_size
        for start in range(0, len(images) - size + 1, size):
            rows = order[start : start + size]
            optimizer.zero_grad(set_to_none=True)
            loss_of(network(images[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            hits = network(test_images).argmax(1) == test_labels
        return float(hits.float().mean())

    return epoch
