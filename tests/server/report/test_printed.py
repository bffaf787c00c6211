"""What `edufed run` prints of a report at its end."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from edufed.cli.show import print_results
from server.report.compare import gain
from server.report.contract import Report


def test_sites_are_compared_with_their_own_models(
    full: dict[str, Any],
) -> None:
    report = Report.model_validate(full)
    printed = io.StringIO()
    print_results(Console(file=printed, width=120), report)
    gained = gain(report)
    assert gained is not None
    assert f"ROC-AUC {gained.mean:+.3f} on average" in printed.getvalue()
    assert f"higher at {gained.better} of {gained.sites}" in printed.getvalue()
    assert report.worst_site is not None
    assert f"worst site: {report.worst_site.site}" in printed.getvalue()
