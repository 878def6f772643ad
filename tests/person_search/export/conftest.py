"""Exported students, made once for all tests: an export takes seconds."""

from functools import cache

import pytest

from person_search.export.exporting import export_network
from person_search.networks.torch_network import TorchNetwork
from tests.person_search.networks.students import CPU, student, written


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Return a function that makes a student and its ONNX file: (student in PyTorch, path of the file)."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def weights(head, **options):
        name = "-".join([head, *map(str, options.values())])
        return written(folder / f"{name}.safetensors", student(head=head, **options))

    @cache
    def make(head, precision="float32", batch=False, task="search", **options):
        path = weights(head, **options)
        out = path.with_name(f"{path.stem}-{precision}-{batch}-{task}.onnx")
        export_network(path, out, precision=precision, batch=batch, task=task)
        return TorchNetwork(path, CPU), out

    return make
