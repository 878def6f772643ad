"""Gathering the people of all devices, so that every device has the same OIM table and queue."""

import torch
from torch import Tensor, distributed


def gather_people(embeddings: Tensor, person_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Gather embeddings `[P, D]` and ids `[P]` of all ranks, rank by rank; P may differ between them.

    Without several processes they come back as they are.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return embeddings, person_ids
    world = distributed.get_world_size()
    count = torch.tensor([len(person_ids)], device=embeddings.device)
    counts = [torch.zeros_like(count) for _ in range(world)]
    distributed.all_gather(counts, count)
    most = int(torch.stack(counts).max())
    padded_embeddings = embeddings.new_zeros(most, embeddings.shape[1])
    padded_ids = person_ids.new_zeros(most)
    padded_embeddings[: len(embeddings)] = embeddings
    padded_ids[: len(person_ids)] = person_ids
    all_embeddings = [torch.zeros_like(padded_embeddings) for _ in range(world)]
    all_ids = [torch.zeros_like(padded_ids) for _ in range(world)]
    distributed.all_gather(all_embeddings, padded_embeddings)
    distributed.all_gather(all_ids, padded_ids)
    kept = [int(count) for count in counts]
    return (
        torch.cat([part[:n] for part, n in zip(all_embeddings, kept, strict=True)]),
        torch.cat([part[:n] for part, n in zip(all_ids, kept, strict=True)]),
    )
