"""What a target of transfer makes of its own learners with the model that stayed there."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from loopback import Loopback, flower_run
from scipy.special import expit
from small_transfer import small

from clients.canonical import domain
from clients.site import Site
from clients.transfer_scores import contributions, score
from edufed.cli.predict import command
from edufed.config import Job, simulated_sites
from edufed.features.catalogue import NAMES
from edufed.privacy.simulated import simulated_roster
from edufed.records import DataError
from edufed.transfer.target import predicted
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import transfer


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Site]:
    folder = tmp_path_factory.mktemp("transfer-scores")
    job = small(folder, "privacy=none", "scenario.folds=3", f"federation.state={folder}/sites")
    sites = simulated_sites(job)
    roster = simulated_roster(site.name for site in sites)
    with flower_run():
        federation = Federation(Loopback(len(roster)), job, lambda _: None)  # type: ignore[arg-type]
        transfer.run(federation, len(roster), roster, Checkpoint(folder / "c", job.id))
    (target,) = [site for site in sites if site.name == job.data.target]
    return job, Site(target)


def listed(done: tuple[Job, Site], out: Path, *more: str) -> pd.DataFrame:
    """Ask as the platform's engineer does."""
    job, site = done
    own = site.settings
    file = out.parent / "site.yaml"
    said = {"name": own.name, "adapter": own.adapter, "state": str(own.state)}
    file.write_text(yaml.safe_dump(said))
    command([f"site={file}", f"job={job.id}", f"out={out}", *more])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    return pd.read_csv(out)


def test_risks_are_those_of_the_model_that_was_judged(
    done: tuple[Job, Site], tmp_path: Path
) -> None:
    job, site = done
    own = domain(site, job)
    weights = site.store.load(f"jobs/{job.id}/transfer")
    assert weights is not None
    z = predicted(own.learners.canonical, own.learners.private, weights["weights"])
    frame = listed(done, tmp_path / "risk.csv").set_index(["learner_id", "course_id"])
    assert len(frame) == len(z)
    keys = list(zip(own.matrix.learner_id, own.matrix.course_id, strict=True))
    np.testing.assert_allclose(frame.loc[keys, "risk"], expit(z), rtol=0, atol=1e-6)
    assert frame["risk"].is_monotonic_decreasing
    assert frame["reason_1"].notna().any()  # a small province's model has little to say
    # The adapter adds no columns here: the features' parts make up all of the score.
    parts = contributions(
        own.learners.canonical, own.learners.private, own.standard, weights["weights"], NAMES
    )
    np.testing.assert_allclose(parts.sum(axis=1) + weights["weights"][0], z, rtol=0, atol=1e-9)


def test_reasons_are_in_the_language_asked_for(done: tuple[Job, Site], tmp_path: Path) -> None:
    english = listed(done, tmp_path / "en.csv")
    chinese = listed(done, tmp_path / "zh.csv", "language=zh")
    np.testing.assert_array_equal(chinese["risk"], english["risk"])
    assert english["reason_1"].dropna().str.isascii().all()
    assert not chinese["reason_1"].dropna().str.isascii().any()


def test_a_site_without_labels_gives_the_risks_of_the_sources_learners(
    done: tuple[Job, Site],
) -> None:
    job, site = done
    name = f"jobs/{job.id}/transfer"
    kept = site.store.load(name)
    assert kept is not None
    site.store.save("jobs/unlabelled/transfer", kept | {"unlabelled": np.array(True)})
    by_rank, by_model = score(site, "unlabelled"), score(site, job.id)
    assert any("no labels" in warning for warning in by_rank.warnings)
    order = ["learner_id", "course_id"]
    assert (by_rank.frame[order] == by_model.frame[order]).all().all(), "the order is the model's"
    counts, risks = kept["source"][..., 0].sum(), kept["source"][..., 1].sum()
    assert by_rank.frame["risk"].mean() == pytest.approx(risks / counts, abs=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "no model of job other"),
        ({"features_version": np.array(0)}, "reads version 0 of the features"),
        ({"mean": np.zeros(3)}, "reads 3 columns of this site"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    done: tuple[Job, Site], change: dict[str, np.ndarray] | None, message: str
) -> None:
    job, site = done
    kept = site.store.load(f"jobs/{job.id}/transfer")
    assert kept is not None
    if change is not None:
        site.store.save("jobs/other/transfer", kept | change)
    with pytest.raises(DataError, match=message) as caught:
        score(site, "other")
    assert "\n" not in str(caught.value)
