"""The page of Gradio: its parts, and which action each of them calls."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from person_search.app import markup
from person_search.app.actions import act_on, moment_in
from person_search.app.session import Filters, SearchDesk, Session
from person_search.app.style import CLICKS, ESCAPE
from pipeline.basics.errors import UserError

FORGOTTEN_AFTER = 3600
"""Seconds without a click after which a session ends."""
KEPT_UPLOADS = 300
"""Seconds after which uploaded files are deleted; they are read at once."""
AT_ONCE, MOST_WAITING = 4, 64
"""Events that are worked on, and that wait for it."""
LOG = logging.getLogger(__name__)
Values = list[Any]


class Page:
    """The page for one desk.

    Args:
        desk: does what users ask for.
        title: shown above all.

    Attributes:
        blocks: Gradio's page.
    """

    def __init__(self, desk: SearchDesk, title: str) -> None:
        self._desk = desk
        with gr.Blocks(
            title=title, analytics_enabled=False, delete_cache=(KEPT_UPLOADS // 5, KEPT_UPLOADS)
        ) as self.blocks:
            self._session = gr.State(Session(), time_to_live=FORGOTTEN_AFTER)
            self._status = _part("status")
            with gr.Row():
                with gr.Column(scale=5, min_width=380):
                    self._give_pictures()
                with gr.Column(scale=8, min_width=480):
                    self._give_hits()
            self._large = _part("large", ESCAPE)
            self._outputs = [self._session, self._status, self._shelf, self._picture, self._hits, self._large]
            self._wire()
        self.blocks.queue(default_concurrency_limit=AT_ONCE, max_size=MOST_WAITING, api_open=False)

    def _give_pictures(self) -> None:
        self._picture = _part("picture")
        self._file: Any = gr.File(label="Upload a picture", height=96, elem_id="upload")
        with gr.Accordion("Pictures of the index", open=True):
            self._name: Any = gr.Textbox(
                placeholder="part of a file's name, then Enter",
                max_lines=1,
                elem_id="name",
                container=False,
                show_label=False,
            )
            self._shelf = _part("shelf")

    def _give_hits(self) -> None:
        start = Filters().min_score
        slim: dict[str, Any] = {"min_width": 130, "interactive": True}
        with gr.Row():
            self._score: Any = gr.Slider(
                0, 1, start, step=0.01, label="Least score", elem_id="score", **slim | {"min_width": 190}
            )
            self._cameras: Any = gr.Dropdown([], multiselect=True, label="Cameras", elem_id="cameras", **slim)
            self._after, self._before = (
                gr.Textbox(
                    label=f"Seen {word} (UTC)",
                    placeholder="2026-05-31 14:00",
                    max_lines=1,
                    elem_id=word,
                    **slim,
                )
                for word in ("from", "before")
            )
        self._hits = _part("hits", value=markup.hits(Session()))

    def _wire(self) -> None:
        """Say what happens when."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        busy = quiet | {"show_progress": "minimal", "show_progress_on": self._hits}
        self.blocks.load(self._begin, self._session, [*self._outputs, self._cameras], **quiet)
        uploaded = [self._file, *self._outputs]
        self._file.upload(self._upload, [self._file, self._session], uploaded, **busy)
        self._name.submit(self._browse, [self._name, self._session], self._outputs, **quiet)
        for part in (self._picture, self._hits, self._shelf, self._large):
            part.click(self._clicked, self._session, self._outputs, **busy)
        filters = [self._score, self._cameras, self._after, self._before]
        times = [(part, event) for part in (self._after, self._before) for event in ("submit", "blur")]
        for part, event in [(self._score, "release"), (self._cameras, "change"), *times]:
            getattr(part, event)(self._filter, [*filters, self._session], self._outputs, **busy)

    def _begin(self, session: Session) -> Values:
        values = self._after_action(session, self._desk.begin)
        try:
            cameras = self._desk.index.now().cameras
        except UserError:
            cameras = []
        return [*values, gr.Dropdown(choices=cameras, value=[])]

    def _upload(self, path: str | None, session: Session) -> Values:
        if path is None:
            return [None, *self._shown(session, session)]
        file = Path(path)
        return [None, *self._after_action(session, lambda own: self._desk.upload(own, file, file.name))]

    def _browse(self, text: str, session: Session) -> Values:
        return self._after_action(session, lambda own: self._desk.browse(own, text, 0))

    def _filter(self, score: float, cameras: list[str], after: str, before: str, session: Session) -> Values:
        def action(own: Session) -> Session:
            wanted = Filters(float(score), tuple(cameras or ()), moment_in(after), moment_in(before))
            return own if wanted == own.filters else self._desk.filter(own, wanted)

        return self._after_action(session, action)

    def _clicked(self, session: Session, event: gr.EventData) -> Values:
        act, what = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        return self._after_action(session, lambda own: act_on(self._desk, own, act, what))

    def _after_action(self, session: Session, action: Callable[[Session], Session]) -> Values:
        """Return what the page shows after an action; where that fails, the same with one line about it."""
        try:
            return self._shown(session, action(session))
        except UserError as error:
            return self._shown(session, session.said(str(error), wrong=True))
        except Exception:  # the user is told in one line; the terminal gets the rest
            LOG.exception("the page failed")
            return self._shown(session, session.said("this failed; the terminal says why", wrong=True))

    def _shown(self, before: Session, now: Session) -> Values:
        """Return the values of all outputs; parts that are the same are not sent again."""
        same = _same_parts(before, now)
        parts = (markup.shelf, markup.picture, markup.hits, markup.large)
        return [
            now,
            markup.status(now),
            *(gr.skip() if kept else part(now) for kept, part in zip(same, parts, strict=True)),
        ]


def _part(name: str, script: str = CLICKS, value: str = "") -> Any:
    """Return a part of the page that is HTML of `markup`."""
    return gr.HTML(value, elem_id=name, js_on_load=script, apply_default_css=False)


def _same_parts(before: Session, now: Session) -> list[bool]:
    """Tell which of shelf, picture, hits and large picture are as they were."""
    picture = before.picture is now.picture and before.person == now.person
    hits = before.hits is now.hits and before.ticked is now.ticked and before.person == now.person
    return [
        before.shelf is now.shelf,
        picture and before.numbers == now.numbers,
        hits and before.page == now.page,
        before.large is now.large,
    ]
