"""The vertical job on three platforms of a small region: real messages, no processes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flwr.app import Message
from loopback import Alter
from small_vertical import LIVE, MOOC, CutError, Make, asked_round, live_leaves, run, scoring

from clients.alignment import read_alignment
from clients.block import load_block
from clients.platform import Rows
from clients.site import Site
from clients.vertical_pooled import gather, pooled_vertical
from clients.vertical_scoring import predictions_file
from edufed.cli.predict_together import scoring_job
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.vertical import FeatureBlock, LabelBlock, train_together
from edufed.wire import unpack
from server.app import CHECKPOINT, Finished
from server.checkpoint import Checkpoint
from server.federation import JobError
from server.progress import Step


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("province")


def explained(page: Path, kind: str) -> set[str]:
    """Values of an answer that the threat model's row of messages names."""
    rows = page.read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in rows if line.startswith(f"| `{kind}` |"))
    return {"site", "status", *re.findall(r"`(\w+)`", row)}


@pytest.fixture
def make_job(province: Path, tmp_path: Path) -> Make:
    def make(*settings: str) -> Job:
        return compose_job(
            [
                *("scenario=vertical", f"data.path={province}", "data.regions=2"),
                *("+data.adapter.learners=2400", f"out={tmp_path / 'out'}"),
                *("model.l2=0.01", "scenario.rounds=8", f"federation.state={province / 'sites'}"),
                *settings,
            ]
        )

    return make


def losses(finished: Finished) -> list[float]:
    return [r.loss for r in finished.outcome.rounds]


def test_the_parties_reach_the_pooled_model(
    make_job: Make, province: Path, root: Path, tmp_path: Path
) -> None:
    job = make_job("scenario.rounds=12")
    seen: list[tuple[str, dict[str, Any], list[str]]] = []

    def note(node: int, asked: Message, answered: Message) -> Message:
        meta, arrays = unpack(answered.content)
        seen.append((asked.metadata.message_type, meta, sorted(arrays)))
        return answered

    finished = run(job, tmp_path / "job", note)
    pooled = pooled_vertical(job, gather(job, simulated_sites(job)))
    report = finished.report(1.0, pooled)
    vertical = report.more["vertical"]
    assert isinstance(vertical, dict)
    assert -1e-6 < vertical["loss_gap"] < 1e-4  # features are rounded, so it may be below 0
    assert abs(report.metrics.federated.roc_auc - report.metrics.pooled.roc_auc) < 0.002
    parties = {party["site"]: party for party in vertical["parties"]}
    assert parties["mooc"]["role"] == "label"
    # Each platform lacks learners that the label party has, and all of these were used.
    assert vertical["aligned"] == sum(
        finished.outcome.hello["mooc"][part] for part in ("n_train", "n_valid", "n_test")
    )
    for name in ("digital-library", "live-class"):
        assert parties[name]["role"] == "feature"
        assert 0 < parties[name]["rows"] < vertical["aligned"]
    # A round is one message and one answer for each party.
    assert {r.messages for r in report.rounds[:-1]} == {6}
    # Letters between sites, and of the label party's words few numbers: no block, no score.
    for kind, meta, arrays in seen:
        if kind in ("query.align", "train.vertical"):
            assert arrays == ["post"]
            assert len(json.dumps(meta)) < 16_000
        if kind != "query.publish":
            for page in ("threat-model.md", "threat-model.zh-CN.md"):
                assert set(meta) <= explained(root / "docs" / page, kind), kind
    feature = [m for kind, m, _ in seen if kind == "train.vertical" and m["site"] != "mooc"]
    assert {frozenset(meta) for meta in feature} == {frozenset({"site", "status"})}

    # Every party keeps its own block, and they make the model that was tested.
    together = gather(job, simulated_sites(job))
    blocks = {s.name: load_block(Site(s), job.id) for s in simulated_sites(job)}
    own = blocks["mooc"].parameters["weights"]
    score = together.x["mooc"] @ own[:-1] + own[-1]
    for name in ("digital-library", "live-class"):
        score += np.round(together.x[name] * 1024) / 1024 @ blocks[name].parameters["weights"]
    y = together.y[together.part == 0]
    z = score[together.part == 0, 0]
    loss = float(np.mean(np.logaddexp(0, z) - y * z))
    penalty = 0.005 * sum(
        (b.parameters["weights"][: len(b.columns.names) + 1] ** 2).sum() for b in blocks.values()
    )
    assert loss + penalty - 0.005 * float((own[-1] ** 2).sum()) == pytest.approx(
        finished.outcome.end["loss"], abs=1e-9
    )
    # Of the job's keys and masks nothing is left.
    assert not list((province / "sites").glob(f"*/jobs/{job.id}/steps.npz"))


@pytest.mark.parametrize("products", ["lattice", "dealt"])
def test_every_round_is_as_in_one_place(make_job: Make, tmp_path: Path, products: str) -> None:
    job = make_job(
        "scenario.rounds=4", "scenario.min_improvement=0", f"strategy.products={products}"
    )
    finished = run(job, tmp_path / "job")
    (own, *others), y = gather(job, simulated_sites(job)).of(0)
    label = LabelBlock(own, y[:, None], job.model.l2)
    rounded = [np.round(x * 1024) / 1024 for x in others]
    blocks = [FeatureBlock(x, 1, job.model.l2) for x in rounded]
    plain = train_together(label, blocks, lambda k, r: rounded[k].T @ r, 4)
    assert losses(finished) == pytest.approx([float(value[0]) for value in plain], abs=1e-7)
    report = finished.report(1.0)
    assert report.more["vertical"]["products"] == products
    assert [w for w in report.warnings if "joining forces" in w] == report.warnings
    assert len(report.warnings) == (products == "dealt")
    assert (report.privacy.he is None) == (products == "dealt")


def test_a_feature_party_that_drops_out_keeps_its_part(make_job: Make, tmp_path: Path) -> None:
    job = make_job("scenario.round_timeout_s=0.5", "scenario.min_improvement=0")

    finished = run(job, tmp_path / "job", live_leaves)
    report = finished.report(1.0)
    assert [(e.round, e.site) for e in report.exclusions] == [(3, "live-class")]
    reached = losses(finished)
    assert reached[2] == reached[1]  # round 3 is done over, by those that are left
    assert reached[3] < reached[2]
    assert all(later <= earlier for earlier, later in itertools.pairwise(reached))
    assert report.more["vertical"]["left_at_the_end"] == ["digital-library"]
    assert any("live-class left" in warning for warning in report.warnings)
    # It took the step of round 2 when it was told of round 3, and nothing after.
    away = run(make_job("scenario.rounds=2"), tmp_path / "short")
    assert reached[1] == pytest.approx(losses(away)[1], abs=1e-7)


def test_too_few_parties_end_the_job_in_one_line(make_job: Make, tmp_path: Path) -> None:
    job = make_job("scenario.min_sites=3", "scenario.round_timeout_s=0.3", "scenario.wait_s=0")

    def leave(node: int, asked: Message, answered: Message) -> Message | None:
        return None if node == LIVE and asked_round(asked) >= 2 else answered

    with pytest.raises(JobError, match=r"1 of 2 feature parties .* scenario\.min_sites is 3"):
        run(job, tmp_path / "job", leave)


def test_without_its_label_party_no_job_begins(make_job: Make, tmp_path: Path) -> None:
    job = make_job("scenario.round_timeout_s=0.3", "scenario.wait_s=0")

    def silent(node: int, asked: Message, answered: Message) -> Message | None:
        return None if node == MOOC else answered

    with pytest.raises(JobError, match="mooc, the label party, does not take part"):
        run(job, tmp_path / "job", silent)


@pytest.mark.parametrize(
    ("after", "products"), [("round 3: loss", "lattice"), ("round 3: asked", "dealt")]
)
def test_a_job_that_was_cut_off_goes_on(
    make_job: Make, tmp_path: Path, after: str, products: str
) -> None:
    job = make_job("scenario.rounds=5", "scenario.min_improvement=0")
    whole = losses(run(job, tmp_path / "whole"))
    job = make_job(
        "scenario.rounds=5", "scenario.min_improvement=0", f"strategy.products={products}"
    )

    def cut(step: Step) -> None:
        if step.text.startswith(after):
            raise CutError

    def lose(node: int, asked: Message, answered: Message) -> Message:
        if after.endswith("asked") and node == LIVE and asked_round(asked) == 3:
            raise CutError
        return answered

    folder = tmp_path / "cut"
    with pytest.raises(CutError):
        run(job, folder, lose, cut)
    assert Checkpoint(folder / CHECKPOINT, job.id).load("vertical") is not None
    finished = run(job, folder)
    assert losses(finished) == pytest.approx(whole, abs=1e-9)  # rows stand in another order
    assert len(finished.outcome.rounds) == 5


def test_a_letter_that_was_changed_is_not_opened(make_job: Make, tmp_path: Path) -> None:
    job = make_job("scenario.round_timeout_s=0.5", "scenario.wait_s=0", "scenario.rounds=3")

    def change(node: int, asked: Message, answered: Message) -> Message:
        if node == MOOC and asked.metadata.message_type == "train.vertical":
            meta, arrays = unpack(answered.content)
            if meta["round"] == 1 and meta.get("stopped_by") is None:
                post = arrays["post"].copy()
                post[-1] ^= 1
                from edufed.wire import pack

                return Message(pack(meta, {"post": post}), reply_to=asked)
        return answered

    report = run(job, tmp_path / "job", change).report(1.0)
    (left,) = report.exclusions
    assert left.site == "live-class"  # its letter is the last
    assert "does not open" in str(left.reason)


def listed(job: Job) -> pd.DataFrame:
    """What the label party wrote."""
    (mooc,) = (s for s in simulated_sites(job) if s.name == "mooc")
    file = predictions_file(Site(mooc), job.id)
    assert file.stat().st_mode & 0o777 == 0o600
    return pd.read_csv(file).set_index(["learner_id", "course_id"])


def test_the_parties_score_together(make_job: Make, province: Path, tmp_path: Path) -> None:
    job = make_job("scenario.rounds=3")
    run(job, tmp_path / "job")
    asked = scoring(job, tmp_path)
    answers = []

    def note(node: int, asked: Message, answered: Message) -> Message:
        answers.append(unpack(answered.content))
        return answered

    report = run(asked, tmp_path / "scoring", note).report(1.0)
    found = listed(asked)
    assert report.more["vertical"]["scored"] == len(found)
    assert report.more["vertical"]["missing"] == []
    # The coordinator gets no risk, and at no other site is there a list.
    assert all(set(arrays) <= {"post"} for _, arrays in answers)
    assert {key for meta, _ in answers for key in meta} <= {
        *("site", "status", "role", "n_train", "n_valid", "n_test", "features", "learners"),
        *("quality", "seconds_features", "rows", "left_out", "present", "scored", "seconds"),
    }
    assert [f.parents[1].name for f in (province / "sites").glob("*/predictions/*.csv")] == ["mooc"]

    # The same risks as of all blocks in one place.
    sites = {s.name: Site(s) for s in simulated_sites(job)}
    together = gather(job, [s.settings for s in sites.values()])
    blocks = {name: load_block(site, job.id) for name, site in sites.items()}
    own = blocks["mooc"].parameters["weights"]
    score = together.x["mooc"] @ own[:-1] + own[-1]
    for name in ("digital-library", "live-class"):
        score += together.x[name] @ blocks[name].parameters["weights"]
    matrix = sites["mooc"].learners(60).matrix
    rows = Rows.of(matrix, job).at[read_alignment(sites["mooc"], job.id).rows]
    keys = list(zip(matrix.learner_id[rows], matrix.course_id[rows], strict=True))
    expected = blocks["mooc"].calibration.risk(score[:, 0])
    assert found.loc[keys, "risk"].to_numpy() == pytest.approx(expected, abs=2e-3)

    # A party that is away costs accuracy, not the answer.
    fewer = scoring(job, tmp_path).model_copy(
        update={"scenario": asked.scenario.model_copy(update={"round_timeout_s": 0.5})}
    )
    silent: Alter = lambda node, asked, answered: None if node == LIVE else answered  # noqa: E731
    report = run(fewer, tmp_path / "fewer", silent).report(1.0)
    assert report.more["vertical"]["missing"] == []  # it never said hello
    assert report.exclusions[0].reason
    without = listed(fewer)
    assert len(without) == len(found)
    assert 0.8 < without["risk"].corr(found["risk"].reindex(without.index)) < 0.9999


def test_scoring_needs_the_model_of_a_vertical_job(make_job: Make, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no report\.json"):
        scoring_job(tmp_path, tmp_path / "out", None)
    regions = compose_job(["data=province", f"data.path={tmp_path}", f"out={tmp_path}"])
    with pytest.raises(SettingsError, match="no vertical model"):
        scoring(regions, tmp_path)
    untrained = make_job("scenario.wait_s=0").model_copy(update={"id": "never-run"})
    with pytest.raises(JobError, match=r"keeps no block of the model of job never-run"):
        run(scoring(untrained, tmp_path), tmp_path / "job")
