"""The page of a quality map: the report's, with the interactive part before the sections."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any, cast

from markupsafe import Markup

from server.report.contract import Report
from server.report.map_page.headline import headline
from server.report.map_page.places import at_sites
from server.report.map_page.script import SCRIPT
from server.report.map_page.styles import STYLES
from server.report.map_page.template import TEMPLATE
from server.report.page import fill_in
from server.report.sections import sections
from server.report.stylesheet import STYLESHEET
from server.report.words import Language, Words, load

#: Sections that say nothing of a map: it has no model.
_NOT_HERE = {"caveats", "metrics", "sites", "privacy", "rounds", "calibration", "caseload"}


def render(report: Report, language: Language = "en") -> str:
    """The page for one quality map; see `server.report.html.render`."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return fill_in(
        TEMPLATE,
        Words(language, "quality_map"),
        headline(report, language),
        [part for part in sections(report, language) if part.name not in _NOT_HERE],
        stylesheet=STYLESHEET + STYLES,
        script=Markup(SCRIPT),
        script_hash=digest,
        data=_inline(_payload(report, language)),
    )


def _payload(report: Report, language: Language) -> dict[str, Any]:
    told = cast(dict[str, Any], report.more["quality_map"])
    config = cast(dict[str, Any], report.job.config or {})
    data = config.get("data", {})
    layout = data.get("map") or {}
    return {
        "units": [_short(unit) for unit in told["units"]],
        "levels": told["levels"],
        "terms": told["terms"],
        "measures": told["measures"],
        "tiles": at_sites(layout.get("tiles") or {}, data),
        "shapes": told.get("shapes"),
        "words": load(language)["quality_map"],
    }


def _short(unit: dict[str, Any]) -> dict[str, Any]:
    """A unit without what the page does not draw."""
    kept = {key: value for key, value in unit.items() if key not in ("groups", "level")}
    return cast(dict[str, Any], _rounded(kept))


def _rounded(value: Any) -> Any:
    """`value` to six significant digits: a page is to be read; the JSON beside it has them all."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


def _inline(data: dict[str, Any]) -> Markup:
    """`data` as JSON that cannot end the element in which it stands."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(sign, code)
    return Markup(text)
