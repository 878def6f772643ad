"""Two processes see the same people, in the same order, and so keep the same table."""

import torch
from torch import distributed, multiprocessing

from pipeline.losses.identity.table import OnlineInstanceMatching
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.student.gathering import gather_people

DIM = 4
PEOPLE = ([2, UNLABELLED, 0], [0])
"""Ids on each rank; there are not as many on each."""


def embeddings_of(rank):
    rows = torch.randn(len(PEOPLE[rank]), DIM, generator=torch.Generator().manual_seed(rank))
    return torch.nn.functional.normalize(rows, dim=1)


def updated(embeddings, person_ids):
    loss = OnlineInstanceMatching(torch.zeros(3, DIM), 2, 0.5, 1.0)
    loss.update(embeddings, person_ids)
    return loss.state_dict()


def work(rank, folder):
    """What each process does."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=len(PEOPLE))
    people = gather_people(embeddings_of(rank), torch.tensor(PEOPLE[rank]))
    nobody = gather_people(torch.zeros(0, DIM), torch.zeros(0, dtype=torch.int64))
    torch.save([*people, *nobody, updated(*people)], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_one_process_keeps_its_own():
    embeddings, ids = embeddings_of(0), torch.tensor(PEOPLE[0])
    gathered = gather_people(embeddings, ids)
    assert gathered[0] is embeddings
    assert gathered[1] is ids


def test_two_processes_keep_the_same_table(tmp_path):
    multiprocessing.start_processes(work, (str(tmp_path),), nprocs=len(PEOPLE), start_method="fork")
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(PEOPLE))]
    everybody = torch.cat([embeddings_of(0), embeddings_of(1)]), torch.tensor(PEOPLE[0] + PEOPLE[1])
    for embeddings, ids, no_embeddings, no_ids, state in ranks:
        assert torch.equal(embeddings, everybody[0])
        assert torch.equal(ids, everybody[1])
        assert (no_embeddings.shape, no_ids.shape) == ((0, DIM), (0,))
        assert all(torch.equal(value, state[name]) for name, value in updated(*everybody).items())
