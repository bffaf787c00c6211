"""Opens the page in a real browser: nothing overlaps, is cut off, or makes the page scroll."""

from __future__ import annotations

import copy
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.report.contract import Report
from server.report.html import render

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1200, 700, 390)

# Runs in a page that holds each report in a frame; its findings become the page's text.
MEASURE = """
<script>
addEventListener("load", () => {
  const found = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const say = (what) => found.push(frame.title + ": " + what);
    if (page.querySelectorAll("svg").length < 8) say("plots are missing");
    if (root.scrollWidth > frame.clientWidth) say("scrolls to " + root.scrollWidth);
    const edge = (node) => node.getBoundingClientRect();
    for (const svg of page.querySelectorAll("svg")) {
      const texts = [...svg.querySelectorAll("text")].map((t) => [t.textContent, edge(t)]);
      for (const [i, [text, box]] of texts.entries()) {
        if (box.left < edge(svg).left - 3 || box.right > edge(svg).right + 18)
          say("sticks out: " + text);
        if (box.left < 0 || box.right > frame.clientWidth) say("cut off: " + text);
        for (const [other, its] of texts.slice(i + 1)) {
          const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
          const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
          if (across > 1 && down > 0.3 * box.height) say(`${text} lies on ${other}`);
        }
      }
    }
    const colour = frame.contentWindow.getComputedStyle(page.querySelector("svg text")).fill;
    if (!colour.startsWith("rgb")) say("colour " + colour);
  }
  document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
});
</script>
"""


def _strain(report: dict[str, Any]) -> dict[str, Any]:
    """Long Chinese names, hardly any spread, huge numbers: where labels run out of room."""
    strained = copy.deepcopy(report)
    for place, (site, quality) in enumerate(
        zip(strained["sites"], strained["quality"], strict=True)
    ):
        site["site"] = quality["site"] = f"第 {place} 教育局职业技术教育学习平台数据中心站点"
        site["federated"]["roc_auc"] = 0.81237 + place * 1e-5
        site["local"]["roc_auc"] = 0.81231 + place * 1e-5
        site["n_train"] = 3 * 10 ** (1 + place // 3)
        quality["rows"] = 10**9 + place
        quality["reasons"] = {f"events.progress: outside 0..1 in column number {place}": 10**7}
    strained["worst_site"] = {"site": strained["sites"][6]["site"], "roc_auc": 0.8}
    strained["totals"]["best_round"] = 17
    for entry in strained["rounds"]:
        entry["metrics"] = {"loss": 0.512345 + entry["round"] * 1e-6, "roc_auc": 0.5}
        entry.update(bytes_up=7 * 10**12, bytes_down=10**9, seconds=123_456.7)
    return strained


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to open the page in")
def test_layout_holds_in_both_languages_and_at_three_widths(
    full: dict[str, Any], pages: dict[str, str], tmp_path: Path
) -> None:
    frames = []
    strained = render(Report.model_validate(_strain(full)), "zh")
    for name, page in {**pages, "strained": strained}.items():
        frames += [
            f'<iframe title="{name} {width}" srcdoc="{html.escape(page)}" '
            f'style="width:{width}px;height:900px;border:0"></iframe>'
            for width in WIDTHS
        ]
    harness = tmp_path / "harness.html"
    harness.write_text(
        f'<!doctype html><meta charset="utf-8"><body>{MEASURE}{"".join(frames)}', encoding="utf-8"
    )
    done = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1300,1000",
            "--dump-dom",
            harness.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"FOUND(.*)END</body>", done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    assert json.loads(html.unescape(found[1])) == []
