"""The parts of the page as HTML. Pictures are in it, so that no file has to be served."""

from base64 import b64encode
from functools import cache
from typing import Any

from jinja2 import Environment, Template

from person_search.app.session import PAGE, Session, ShownHit, place_name

SIGNS = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;", "\\": "&#92;"})
"""What the browser's side of Gradio takes for a template, even in a value."""

STATUS = """
<p class="ps-status{{ ' ps-wrong' if wrong }}" role="{{ 'alert' if wrong else 'status' }}">
{{- message }}</p>"""

PAGES = """
{%- macro turn(act, by, name, off) -%}
<button type="button" data-act="{{ act }}" data-id="{{ by }}"{{ ' disabled' if off }}>{{ name }}</button>
{%- endmacro %}"""

SHELF = """
{%- if places %}
<div class="ps-shelf">
{%- for name, tile in places %}
<button type="button" data-act="open" data-id="{{ loop.index0 }}" title="{{ tile.why or name }}">
{%- if tile.jpeg %}<img src="{{ tile.jpeg|data }}" alt="">
{%- else %}<span class="ps-none">not shown</span>{% endif -%}
<small class="ps-line">{{ name }}</small></button>
{%- endfor %}
</div>
<p class="ps-pages">{{ turn('shelf', -1, 'Back', not page) }}
<span>{{ page + 1 }} of {{ pages }}</span>
{{ turn('shelf', 1, 'Next', page + 1 >= pages) }}</p>
{%- else %}
<p class="ps-faint">No picture of the index has such a name. Pictures of streams are not kept.</p>
{%- endif %}"""

PICTURE = """
<img class="ps-picture{{ ' ps-click' if person is none }}" src="{{ jpeg|data }}" draggable="false"
 alt="{{ name }} with boxes">
<p class="ps-people">{{ name }}:
{%- if person is none %}
{%- for number in numbers %}
<button type="button" data-act="person" data-id="{{ number }}" aria-label="person {{ number + 1 }}"
 title="score {{ '%.2f'|format(scores[number]) }}">{{ number + 1 }}</button>
{%- else %} nobody{% endfor %}
{%- else %} person {{ person + 1 }}
<button type="button" data-act="others">Choose another</button>
{%- endif %}</p>"""

HITS = """
{%- if hits %}
<div class="ps-bar">
<button type="button" class="ps-main" data-act="more"{{ ' disabled' if not ticked }}>
More like these ({{ ticked }})</button>
<span>
{%- if examples %}{{ examples + 1 }} pictures of the person; {% endif -%}
the most similar of {{ '{:,}'.format(count) }} people</span></div>
<div class="ps-hits">
{%- for hit in hits %}
<figure class="{{ 'ps-ticked' if hit.ticked }}{{ ' ps-example' if hit.example }}">
<button type="button" class="ps-cut" data-act="large" data-id="{{ hit.id }}"
 title="Show the picture: {{ hit.source }}">
{%- if hit.tile.jpeg %}<img src="{{ hit.tile.jpeg|data }}" alt="hit {{ hit.rank }}">
{%- else %}<span class="ps-none">{{ hit.tile.why }}</span>{% endif -%}
</button>
<figcaption>
<b>{{ hit.rank }}</b> <span title="similarity">{{ hit.similarity }}</span>
<span class="ps-line" title="{{ hit.source }}">{{ hit.name }}</span>
<span class="ps-line ps-faint" title="of the detection">score {{ hit.score }}</span>
<span class="ps-line ps-faint" title="{{ hit.camera }}">{{ hit.camera }}</span>
<span class="ps-line ps-faint" title="{{ hit.time }} UTC">{{ hit.time[:16] }}</span>
<span class="ps-acts">
<button type="button" data-act="tick" data-id="{{ hit.id }}" aria-label="this one, too"
 aria-pressed="{{ 'true' if hit.ticked else 'false' }}" title="This hit shows the person">&#10003;</button>
<button type="button" data-act="not" data-id="{{ hit.id }}" title="Leave this hit out">
not this one</button></span></figcaption></figure>
{%- endfor %}
</div>
{%- endif %}
{%- if looking %}
<p class="ps-pages">{{ turn('turn', -1, 'Back', not page) }}
<span>page {{ page + 1 }}</span>
{{ turn('turn', 1, 'Next', not more) }}
<span class="ps-faint">Similar looks are not the same person: a hit is a place to look at.</span></p>
{%- else %}
<p class="ps-empty">Click on a person: who looks alike is shown here.</p>
{%- endif %}"""

LARGE = """
<div class="ps-large" role="dialog" aria-label="picture of a hit"><div>
<img src="{{ large|data }}" alt="{{ hit.name }} with the box of the hit">
<p><b>{{ hit.name }}</b> {{ hit.camera }}{{ ', ' ~ hit.time ~ ' UTC' if hit.time }}
<span>similarity {{ hit.similarity }}, score {{ hit.score }}</span></p>
<p class="ps-faint">{{ hit.source }}</p>
<p><button type="button" data-act="hit" data-id="{{ hit.id }}">Look for somebody in this picture</button>
<button type="button" data-act="close">Close</button></p></div></div>"""


def status(session: Session) -> str:
    """Return the line about what went wrong or what to do."""
    return _html(STATUS, message=session.message, wrong=session.wrong)


def shelf(session: Session) -> str:
    """Return the pictures of the index that are offered."""
    own = session.shelf
    places = [
        (place_name(place.source, place.frame), tile)
        for place, tile in zip(own.places, own.tiles, strict=True)
    ]
    return _html(SHELF, places=places, page=own.page, pages=own.pages)


def picture(session: Session) -> str:
    """Return the picture with its people, to click on."""
    shown = session.picture
    if shown is None:
        return ""
    return _html(
        PICTURE,
        jpeg=shown.drawn(session.numbers, session.person),
        name=shown.name,
        person=session.person,
        numbers=session.numbers,
        scores=shown.scores.tolist(),
    )


def hits(session: Session) -> str:
    """Return a page of hits, and what can be done with them."""
    ticked = {ranked.key for ranked in session.ticked}
    examples = {ranked.key for ranked in session.examples}
    shown = [
        {
            **_of(hit),
            "rank": session.page * PAGE + place,
            "tile": hit.tile,
            "ticked": hit.ranked.key in ticked,
            "example": hit.ranked.key in examples,
        }
        for place, hit in enumerate(session.hits, start=1)
    ]
    return _html(
        HITS,
        hits=shown,
        looking=session.person is not None,
        ticked=len(ticked),
        examples=len(examples),
        count=session.count,
        page=session.page,
        more=session.more,
    )


def large(session: Session) -> str:
    """Return a hit's whole picture, over all else."""
    if session.large is None:
        return ""
    return _html(LARGE, large=session.large.jpeg, hit=_of(session.large.shown))


def _of(shown: ShownHit) -> dict[str, str]:
    hit = shown.ranked.hit
    time = f"{hit.time:%Y-%m-%d %H:%M:%S}" if hit.time else ""
    return {
        "id": shown.id,
        "source": hit.source,
        "name": place_name(hit.source, hit.frame),
        "camera": hit.camera or "",
        "time": time,
        "similarity": f"{hit.similarity:.3f}",
        "score": f"{hit.score:.2f}",
    }


def _html(template: str, **values: Any) -> str:
    text = _template(template).render(**values)
    return text.translate(SIGNS)


@cache
def _template(text: str) -> Template:
    environment = Environment(autoescape=True)
    environment.filters["data"] = _data
    return environment.from_string(PAGES + text)


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
