"""A page that is served while a test runs, and a browser's side of its protocol."""

import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import httpx

from person_search.app.server import own_folder, serving

PATIENCE = 60


@contextmanager
def served(desk):
    """Serve a page on a free port; yield its address."""
    with own_folder() as folder, serving(desk, "Tests", "127.0.0.1", 0, folder) as (server, address):
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield address
        finally:
            server.stop()
            thread.join(PATIENCE)
            assert not thread.is_alive()


@dataclass
class Visitor:
    """One user, without a browser: sends events as the page's scripts do, and keeps what is shown.

    Attributes:
        address: of the page.
        shown: the HTML of each part.
    """

    address: str
    shown: dict[str, str] = field(default_factory=dict)

    @cached_property
    def web(self):
        return httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False)

    @cached_property
    def config(self):
        return self.web.get("/config").json()

    @cached_property
    def session(self):
        return secrets.token_hex(8)

    def part(self, name):
        """Return the id of a part of the page."""
        (found,) = [one["id"] for one in self.config["components"] if one["props"].get("elem_id") == name]
        return found

    def event(self, part, kind, data=None, sent=None):
        """Trigger an event of a part, and wait until it is done.

        Args:
            part: its name.
            kind: what happens to it.
            data: by the part's name, its value.
            sent: what a click tells.
        """
        wanted = [self.part(part) if part else None, kind]
        (event,) = [
            one
            for one in self.config["dependencies"]
            if any(own[1] == kind and (part is None or own[0] == wanted[0]) for own in one["targets"])
        ]
        values = {self.part(name): value for name, value in (data or {}).items()}
        body = {
            "data": [values.get(one) for one in event["inputs"]],
            "event_data": sent,
            "fn_index": event["id"],
            "trigger_id": wanted[0],
            "session_hash": self.session,
        }
        answer = self.web.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            return answer
        names = {one["id"]: one["props"].get("elem_id") for one in self.config["components"]}
        outcome = self._outcome()
        for one, value in zip(event["outputs"], outcome["output"].get("data", []), strict=False):
            if isinstance(value, str):
                self.shown[names[one]] = value
        return outcome

    def _outcome(self):
        with self.web.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as lines:
            for line in lines.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line.removeprefix("data:"))
                    if message["msg"] == "process_completed":
                        return message
        raise AssertionError("the event never ended")

    def load(self):
        return self.event(None, "load")

    def upload(self, path):
        """Upload a picture and let its people be found."""
        with path.open("rb") as file:
            (stored,) = self.web.post("/gradio_api/upload", files={"files": (path.name, file)}).json()
        meta = {"_type": "gradio.FileData"}
        return self.event(
            "upload", "upload", {"upload": {"path": stored, "orig_name": path.name, "meta": meta}}
        )

    def click(self, part, act, what=""):
        return self.event(part, "click", sent={"act": act, "id": str(what)})
