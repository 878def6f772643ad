"""Untrained students that find people all the same, and pictures for them."""

import numpy as np
import torch
from torch import nn

from pipeline.models.heads import build_student
from pipeline.models.weight_files import save_weights
from tests.tiny import search_options

CPU = torch.device("cpu")


def student(seed=0, **options):
    """Build a student whose weights and statistics are drawn, so that boxes, scores and embeddings vary."""
    torch.manual_seed(seed)
    network = build_student(search_options(**options)).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(3)
            numbers = dict(module.named_buffers(recurse=False))
            if "running_mean" in numbers:
                numbers["running_mean"].normal_(std=0.2)
                numbers["running_var"].uniform_(0.5, 1.5)
        for output in (network.rpn.head.cls_logits, network.rpn.head.bbox_pred):
            output.weight.normal_(std=0.1)
    return network


def written(path, network):
    """Write a student's weight file, and return its path."""
    save_weights(path, "person_search", network.options, network.state_dict())
    return path


def picture(height, width, seed=0):
    """Draw a picture: rectangles on noise."""
    generator = np.random.default_rng([seed, height, width])
    pixels = generator.integers(90, 160, (height, width, 3), dtype=np.uint8)
    for _ in range(4):
        top, left = generator.integers(0, max(height // 2, 1)), generator.integers(0, max(width * 3 // 4, 1))
        pixels[top : top + height // 2, left : left + width // 5] = generator.integers(0, 255, 3)
    return pixels
