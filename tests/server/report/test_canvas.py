from __future__ import annotations

import warnings
from xml.etree import ElementTree

import matplotlib as mpl

from server.report import canvas, plots


def _frame() -> plots.Frame:
    return plots.Frame("被联系的学习者比例", "精确率", marks=((0.1, "10%"),))


def _lines(name: str = "one") -> str:
    return plots.lines(name, "alt", [plots.Line("federated", [0, 1], [0.2, None])], _frame())


def test_text_stays_text_and_colours_become_variables() -> None:
    drawn = _lines()
    assert "被联系的学习者比例" in drawn
    assert "var(--federated)" in drawn
    assert not any(colour in drawn for colour in canvas.COLOURS.values())
    assert "font-family: inherit" in drawn
    assert "DejaVu" not in drawn


def test_ids_do_not_meet() -> None:
    first, second = (ElementTree.fromstring(_lines(name)) for name in ("one", "two"))
    ids = [{node.get("id") for node in tree.iter() if node.get("id")} for tree in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for tree, known in zip((first, second), ids, strict=True):
        used = {node.get("href", "#")[1:] for node in tree.iter() if node.get("href")}
        assert used <= known


def test_drawing_leaves_the_settings_alone_and_warns_of_no_glyph() -> None:
    before = dict(mpl.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.bars("bars", "alt", ["学业预警"], [3], ["3"], "federated")
    assert dict(mpl.rcParams) == before


def test_alt_text_is_escaped() -> None:
    drawn = plots.bars("bars", 'a "quoted" <b>', ["x"], [1], ["1"], "federated")
    tree = ElementTree.fromstring(drawn)
    assert tree.get("aria-label") == 'a "quoted" <b>'


def test_width_knows_chinese() -> None:
    assert canvas.width("学业预警") > 1.6 * canvas.width("abcd")


def test_names_are_cut_to_one_line() -> None:
    assert canvas.shorten("North\n Region\x00", 200) == "North Region"
    cut = canvas.shorten("a very long name of a site indeed", 80)
    assert cut.endswith("…")
    assert canvas.width(cut) <= 80
    assert canvas.shorten("地区教育平台名称很长很长", 80).endswith("…")


def test_mathematics_is_not_read_into_a_name() -> None:
    row = plots.Row(r"$\frac{1}$", 0.7)
    assert r"$\frac{1}$" in plots.dots("dots", "alt", [row], "ROC-AUC", None)
