"""The work of `person-search app`."""

from dataclasses import replace
from pathlib import Path

from commands.finding_in_index import weights_of
from commands.printing import print_line, say
from person_search.app.gate import LOOPBACK
from person_search.app.indexed import PeopleIndex
from person_search.app.server import own_folder, serving
from person_search.app.session import SearchDesk
from person_search.index.store import PeopleStore
from person_search.networks.loading import load_search_network
from pipeline.inference.own_pictures.printable import printable


def serve(index: Path, weights: Path | None, host: str, port: int) -> None:
    """Serve the page until a signal comes.

    Args:
        index: the folder.
        weights: of the network; None for where the index says that they are.
        host: the address to listen on.
        port: its port; 0 for any that is free.

    Raises:
        UserError: Gradio is not installed, the index or the weights are no good or do not belong together, or
            nothing can listen there.
    """
    store = PeopleStore.open(index)
    file = weights or weights_of(store)
    with own_folder() as folder:
        network = load_search_network(file)
        store.about.check(replace(store.about, model_hash=network.model_hash), index)
        desk = SearchDesk(PeopleIndex(index), network)
        desk.index.now()
        title = f"People of {printable(index.resolve().name)}"
        with serving(desk, title, host, port, folder) as (server, address):
            print_line(f"{printable(index)}: {address}  (Ctrl-C ends it)")
            if host not in LOOPBACK:
                say("warning: whoever reaches this address sees the people of the index; it has no password")
            try:
                server.run()
            except KeyboardInterrupt:  # how it is meant to end
                say("ended")
