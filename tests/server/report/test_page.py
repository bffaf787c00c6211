from __future__ import annotations

import re
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import pytest

from server.report import compare, sections
from server.report import words as words_module
from server.report.contract import Report
from server.report.html import render
from server.report.summary import summary
from server.report.words import LANGUAGES, Language

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


def _page(report: dict[str, Any], language: Language = "en") -> str:
    return render(Report.model_validate(report), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_loads_nothing_from_anywhere(pages: dict[str, str], language: Language) -> None:
    text = pages[language]
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "image"}
    for _, attributes in page.tags:
        for key, value in attributes.items():
            assert key not in {"src", "srcset", "data", "action"}
            assert not key.startswith("on")
            if key.endswith("href"):
                assert (value or "").startswith("#")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    assert "://" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_ids_are_unique_and_links_lead_somewhere(pages: dict[str, str], language: Language) -> None:
    page = Page(pages[language])
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        if attributes.get("href"):
            assert str(attributes["href"])[1:] in ids


def test_says_in_plain_words_what_was_done(pages: dict[str, str], full: dict[str, Any]) -> None:
    text = Page(pages["en"]).text
    tested = sum(site["n_test"] for site in full["sites"])
    assert "Early warning: one model, learned by 13 sites together" in text
    assert f"on 12,229 learners and tested it on {tested:,} " in text
    assert "82 times in 100 (ROC-AUC 0.820)" in text
    assert "better than a site's own model at 13 of 13 sites" in text
    assert "keeping the records apart costs 0.002" in text
    assert f"It works least well at {full['worst_site']['site']}" in text
    assert "secure aggregation and differential privacy (ε = 4)" in text
    assert "kept: round 12" in text


def test_chinese_page_is_chinese(pages: dict[str, str]) -> None:
    text = pages["zh"]
    assert '<html lang="zh-Hans">' in text
    assert "学业预警：13 个站点共同训练一个模型" in text
    english = words_module.load("en")
    for section in sections.renderers():
        assert english[section]["title"] not in text


def test_no_gain_is_not_sold_as_one(full: dict[str, Any]) -> None:
    for site in full["sites"]:
        site["local"]["roc_auc"] = site["federated"]["roc_auc"] + 0.02
    text = Page(_page(full)).text
    assert "better than a site's own model at only 0 of 13 sites" in text
    assert "−0.020" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_minimal_report(minimal: dict[str, Any], language: Language) -> None:
    page = Page(_page(minimal, language))
    assert "policy: strategy fedavg is not allowed here" in page.text
    assert not any(tag == "svg" for tag, _ in page.tags)
    if language == "en":
        assert "Early warning: no model was trained" in page.text


def test_one_site_and_one_round(full: dict[str, Any]) -> None:
    full["sites"], full["rounds"] = full["sites"][:1], full["rounds"][:1]
    full["metrics"]["pooled"] = full["metrics"]["local"] = full["delta"] = None
    full["sites"][0]["local"] = full["sites"][0]["pooled"] = None
    full["totals"].update(rounds=1, best_round=None)
    full["baselines"] = full["curves"] = None
    text = Page(_page(full)).text
    assert "Early warning: a model from one site" in text
    assert "Training ran one round." in text
    assert "works least well" not in text


def test_gaps_everywhere(full: dict[str, Any]) -> None:
    def empty(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: empty(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [empty(item, key) for item in value]
        return value if isinstance(value, str) or key in {"round", "reasons"} else None

    bare = empty(full)
    bare["quality"] = [{**row, "reasons": {}} for row in bare["quality"]]
    Page(_page(bare))
    Page(_page({**full, "metrics": bare["metrics"], "curves": bare["curves"]}))
    Page(_page({**bare, "metrics": full["metrics"], "sites": full["sites"]}))


def test_hostile_names_are_text(full: dict[str, Any]) -> None:
    evil = '<script>alert(1)</script>"\'</svg></style>--><!--]]>&amp; id="x" $\\frac$'
    full["sites"][0]["site"] = full["worst_site"]["site"] = full["quality"][0]["site"] = evil
    full["quality"][1]["reasons"] = {evil: 3}
    full["refusals"] = [{"site": evil, "reason": evil}]
    full["exclusions"] = [{"round": 1, "site": evil, "reason": evil}]
    full["warnings"] = [evil]
    full["job"].update(id=evil, task=evil, data=evil, config={evil: evil})
    full["phases"] = [{"phase": evil, "seconds": 1}]
    full["privacy"]["ledger"] = [{evil: evil}]
    full["baselines"]["rule"]["name"] = evil
    full["privacy"]["dp"]["kind"] = full["totals"]["stopped_by"] = evil
    full[evil] = evil
    for language in LANGUAGES:
        page = Page(_page(full, language))
        assert not any(tag in {"script", "frac"} for tag, _ in page.tags)
        assert "<script>alert(1)</script>" in page.text


def test_many_sites_and_rounds_stay_readable(full: dict[str, Any]) -> None:
    site = full["sites"][0]
    full["sites"] = [{**site, "site": f"site {number}"} for number in range(1000)]
    full["quality"] = [{**full["quality"][0], "site": f"site {number}"} for number in range(1000)]
    full["rounds"] = [{**full["rounds"][0], "round": number + 1} for number in range(200)]
    text = _page(full)
    assert "The 40 lowest of 1000 sites" in text
    assert len(text) < 2_000_000


def test_a_section_is_added_by_new_files_alone(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for plotted in ("sites", "rounds", "quality"):
        full[plotted] = []  # sections that this test need not draw
    full["curves"] = None
    assert "report.json also holds: extra." in Page(_page({**full, "extra": {"n": 3}})).text
    (tmp_path / "extra.py").write_text(
        "from server.report.pieces import Prose\nORDER = 15\n"
        "def blocks(report, words):\n"
        "    mine = report.more.get('extra')\n"
        "    return [Prose(words('lead', n=mine['n']))] if mine else []\n"
    )
    lookup = {"title": "Aligned", "lead": "{n} learners <aligned>"}
    known = {language: words_module.load(language) for language in LANGUAGES}
    monkeypatch.setattr(words_module, "load", lambda language: {**known[language], "extra": lookup})
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    sections.renderers.cache_clear()
    try:
        text = Page(_page({**full, "extra": {"n": 3}})).text
        assert list(sections.renderers())[:2] == ["metrics", "extra"]
    finally:
        sections.renderers.cache_clear()
    assert "3 learners <aligned>" in text
    assert "also holds" not in text


def test_vertical_learners_are_not_added_up(full: dict[str, Any]) -> None:
    full["job"]["scenario"] = "vertical"
    for site in full["sites"]:
        site["n_train"], site["n_test"] = 800, 200
    assert compare.learners(Report.model_validate(full)) == (800, 200)


def test_module_is_what_a_section_must_be() -> None:
    for name, renderer in sections.renderers().items():
        module = __import__(f"server.report.sections.{name}", fromlist=["ORDER"])
        assert isinstance(module, ModuleType)
        assert isinstance(module.ORDER, int)
        assert renderer is module.blocks


@pytest.mark.parametrize(
    ("language", "title", "gain"),
    [
        ("en", "one model, learned by 3 platforms of the same learners", "the label party's own"),
        ("zh", "3 个平台就同一批学习者共同训练一个模型", "标签方单独训练的模型"),
    ],
)
def test_platforms_of_the_same_learners_are_all_counted(
    full: dict[str, Any], language: Language, title: str, gain: str
) -> None:
    full["sites"] = full["sites"][:3]
    for site in full["sites"][1:]:
        site |= {"n_train": 0, "n_test": 0, "federated": None, "local": None, "pooled": None}
    full["vertical"] = {"parties": [{"site": site["site"]} for site in full["sites"]]}
    page = summary(Report.model_validate(full), language)
    assert title in page.title
    assert any(gain in text for _, text in page.lead)
