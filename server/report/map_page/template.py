"""The page's template (Jinja2). A Python file, because a Flower App Bundle carries no .html."""

TEMPLATE = """\
<!doctype html>
<html lang="{{ tag }}">
<head>
{% include "meta" %}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';
 script-src 'sha256-{{ script_hash }}'; base-uri 'none'; form-action 'none'">
<title>{{ summary.title }}</title>
<style>
{{ stylesheet|safe }}
</style>
</head>
<body>
{% include "header" %}
<nav aria-label="{{ words("contents") }}">
<a href="#map">{{ words("map") }}</a>
{% for section in sections %}
<a href="#{{ section.name }}">{{ section.title }}</a>
{% endfor %}
</nav>
<main>
<section id="map">
<h2>{{ words("map") }}</h2>
<noscript><p>{{ words("no_script") }}</p></noscript>
<div id="panel" hidden>
<p id="crumbs"></p>
<div class="choose">
<div role="radiogroup" aria-label="{{ words("measure") }}" id="measures"></div>
<label>{{ words("term") }} <select id="term"></select></label>
</div>
<p class="note" id="about"></p>
<div class="two">
<figure><figcaption id="tiles-title"></figcaption><div id="tiles"></div>
<div id="scale"></div></figure>
<figure><figcaption id="league-title"></figcaption><div id="league"></div>
<p class="note">{{ words("rank.note") }}</p></figure>
</div>
<h3 id="here"></h3>
<div class="scroll"><table class="wide" id="figures"></table></div>
<div class="two">
<figure><figcaption>{{ words("trend") }}</figcaption><div id="trend"></div></figure>
<figure><figcaption>{{ words("parity") }}</figcaption><div id="parity"></div>
<p class="note">{{ words("parity.note") }}</p></figure>
</div>
</div>
</section>
{% include "sections" %}
</main>
<footer>{{ words("footer") }}</footer>
<script type="application/json" id="data">{{ data }}</script>
<script>{{ script }}</script>
</body>
</html>
"""
