"""The page's templates (Jinja2). A Python file, because a Flower App Bundle carries no .html."""

from __future__ import annotations

from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from server.report.pieces import Section, Summary
from server.report.words import Words

_TAGS = {"en": "en", "zh": "zh-Hans"}


def fill_in(
    template: str, words: Words, summary: Summary, sections: list[Section], **more: Any
) -> str:
    """Return a page: of `PAGE`, or of another template that includes the same parts.

    Parameters
    ----------
    template : str
    words : Words
        The page's own, and its language.
    summary : Summary
    sections : list of Section
    **more
        What else the template names.
    """
    environment = Environment(
        loader=DictLoader({"meta": _META, "header": _HEADER, "sections": _SECTIONS}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(template).render(
        tag=_TAGS[words.language], words=words, summary=summary, sections=sections, **more
    )


PAGE = """\
<!doctype html>
<html lang="{{ tag }}">
<head>
{% include "meta" %}
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>{{ summary.title }}</title>
<style>
{{ stylesheet|safe }}
</style>
</head>
<body>
{% include "header" %}
<nav aria-label="{{ words("contents") }}">
{% for section in sections %}
<a href="#{{ section.name }}">{{ section.title }}</a>
{% endfor %}
</nav>
<main>
{% include "sections" %}
</main>
<footer>{{ words("footer") }}</footer>
</body>
</html>
"""

_META = """\
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
"""

#: The top, alike on every page.
_HEADER = """\
<header>
<p class="brand">{{ words("brand") }}</p>
<h1>{{ summary.title }}</h1>
<p class="facts">{{ summary.facts }}</p>
{% if summary.figures %}
<dl class="keys">
{% for key in summary.figures %}
<div><dt>{{ key.label }}</dt><dd><b>{{ key.value }}</b><span>{{ key.note }}</span></dd></div>
{% endfor %}
</dl>
{% endif %}
<dl class="lead">
{% for head, text in summary.lead %}
<dt>{{ head }}</dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
{% if summary.notices %}
<ul class="notice">
{% for notice in summary.notices %}
<li>{{ notice }}</li>
{% endfor %}
</ul>
{% endif %}
</header>
"""

#: The sections, drawn alike on every page.
_SECTIONS = """\
{% for section in sections %}
<section id="{{ section.name }}">
<h2>{{ section.title }}</h2>
{% for block in section.blocks %}
{% if block.kind == "prose" %}
<p>{{ block.text }}</p>
{% elif block.kind == "points" %}
<ul class="points">
{% for item in block.items %}
<li>{{ item }}</li>
{% endfor %}
</ul>
{% elif block.kind == "figures" %}
<div class="figures">
{% for figure in block.items %}
<figure>
<figcaption>{{ figure.title }}</figcaption>
{% if figure.legend %}
<ul class="legend">
{% for mark, label in figure.legend %}
<li><i class="{{ mark }}"></i>{{ label }}</li>
{% endfor %}
</ul>
{% endif %}
{{ figure.svg }}
{% if figure.note %}
<p class="note">{{ figure.note }}</p>
{% endif %}
</figure>
{% endfor %}
</div>
{% elif block.kind == "table" %}
{% if block.folded %}
<details>
<summary>{{ words("open_table", caption=block.caption) }}</summary>
{% endif %}
<div class="scroll" tabindex="0" role="region" aria-label="{{ block.caption }}">
<table{% if block.wide %} class="wide"{% endif %}>
{% if not block.folded %}
<caption>{{ block.caption }}</caption>
{% endif %}
<thead><tr>
{% for cell in block.head %}
<th scope="col"{% if loop.index > block.texts %} class="n"{% endif %}>{{ cell }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in block.rows %}
<tr{% if loop.index0 == block.marked %} class="marked"{% endif %}>
{%- for cell in row %}
<td{% if loop.index > block.texts %} class="n"{% endif %}>{{ cell }}</td>
{%- endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% if block.folded %}
</details>
{% endif %}
{% endif %}
{% endfor %}
</section>
{% endfor %}
"""
