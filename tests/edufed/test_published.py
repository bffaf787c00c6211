from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edufed.config.model import MlpSettings
from edufed.models import build_model, get_weights, personal_names
from edufed.published import (
    Description,
    PublishedModel,
    SiteScore,
    load_published,
    restore_model,
    save_published,
)
from edufed.records import DataError

SETTINGS = MlpSettings(name="mlp", hidden=[8, 4], dropout=0.1, l2=1e-4)


@pytest.fixture
def published() -> PublishedModel:
    model = build_model(SETTINGS, 6, seed=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.arange(parameter.numel()).reshape(parameter.shape) / 7.0)
    description = Description(
        edufed="0.1.0",
        job="j-1",
        created="2026-01-31",
        scenario="horizontal",
        task="early_warning",
        data="province",
        strategy="fedavg",
        model=SETTINGS,
        cutoff=60.0,
        relative=True,
        min_cohort=20,
        features=["clicks", "score"],
        features_version="1",
        columns=["a", "b", "c", "d", "e", "f"],
        seed=4,
        rounds=12,
        metrics={"n": 300, "positives": 90, "roc_auc": 0.8123, "pr_auc": None},
        sites=[
            SiteScore(site="north", n_train=100, n_test=200, roc_auc=0.83),
            SiteScore(site="south", n_train=80, n_test=100, roc_auc=0.78),
            SiteScore(site="empty", n_train=0, n_test=0, roc_auc=None),
        ],
        privacy={"secagg": None, "he": None, "dp": None},
    )
    arrays = {
        "counts": np.arange(24, dtype=np.int64).reshape(2, 3, 4),
        "moments": np.linspace(0.0, 1.0, 6).reshape(3, 2),
        "cohorts": np.array(["AAA-2013", "数学-2014"]),
    }
    return PublishedModel(description, get_weights(model), arrays)


def test_a_round_trip_keeps_every_number_and_word(published, tmp_path):
    save_published(published, tmp_path / "deep" / "model")
    loaded = load_published(tmp_path / "deep" / "model")
    assert loaded.description == published.description
    for name, array in published.weights.items():
        assert np.array_equal(loaded.weights[name], array)
    for name, array in published.arrays.items():
        assert np.array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype.kind == array.dtype.kind
    x = torch.randn(5, 6)
    assert torch.equal(restore_model(loaded)(x), restore_model(published)(x))


def test_only_the_four_files_are_left(published, tmp_path):
    for _ in range(2):  # the second replaces the first
        save_published(published, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "card.md",
        "card.zh.md",
        "model.json",
        "model.safetensors",
    ]


def test_two_saves_are_equal(published, tmp_path):
    for name in ("one", "two"):
        save_published(published, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_what_is_not_ours_is_not_replaced(published, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="no published model"):
        save_published(published, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_the_older_model(published, tmp_path, monkeypatch):
    save_published(published, tmp_path / "model")
    before = (tmp_path / "model" / "model.json").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(DataError, match="No space left"):
        save_published(published, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "model.json").read_bytes() == before


def _drop(name):
    return lambda folder: (folder / name).unlink()


def _flip(folder):
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def _edit(**changes):
    def change(folder):
        file = folder / "model.json"
        content = json.loads(file.read_text())
        for key, value in changes.items():
            if value is None:
                del content[key]
            else:
                content[key] = value
        file.write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_drop("model.json"), r"model\.json: missing"),
        (_drop("model.safetensors"), r"model\.safetensors: missing"),
        (_flip, r"model\.safetensors: damaged"),
        (lambda f: (f / "model.json").write_text("{"), r"model\.json: damaged"),
        (lambda f: (f / "model.json").write_bytes(b"\xff\xfe"), r"model\.json: damaged"),
        (_edit(cutoff="soon"), r"model\.json: cutoff"),
        (_edit(columns=None), r"model\.json: .*columns.* required"),
        (_edit(shoe_size=43), r"model\.json: .*shoe_size"),
        (_edit(format=2), r"model\.json: format"),
    ],
)
def test_damage_is_named_in_one_line(published, tmp_path, damage, words):
    save_published(published, tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(DataError, match=words) as caught:
        load_published(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="missing; give the folder of a published model"):
        load_published(tmp_path / "nowhere")


def test_a_weight_that_is_no_number(published, tmp_path):
    published.weights["layers.0.bias"][1] = np.nan
    save_published(published, tmp_path / "model")
    with pytest.raises(DataError, match="NaN or infinite"):
        load_published(tmp_path / "model")


def test_weights_must_fit_the_description(published):
    short = published.description.model_copy(update={"columns": ["a"]})
    with pytest.raises(DataError, match=r"layers\.0\.weight has shape"):
        restore_model(replace(published, description=short))


def test_personal_layers_come_from_the_site(published):
    model = build_model(SETTINGS, 6, seed=4)
    own = personal_names(model, 1)
    shared = replace(
        published,
        description=published.description.model_copy(update={"personal": sorted(own)}),
        weights={name: a for name, a in published.weights.items() if name not in own},
    )
    with pytest.raises(DataError, match="strategy=fedper"):
        restore_model(shared)
    whole = restore_model(shared, {name: published.weights[name] for name in own})
    assert torch.equal(whole(torch.ones(1, 6)), restore_model(published)(torch.ones(1, 6)))


def test_cards_say_what_matters(published, tmp_path):
    save_published(published, tmp_path / "model")
    english = (tmp_path / "model" / "card.md").read_text(encoding="utf-8")
    assert "0.812" in english
    assert "Worst site: south, ROC-AUC 0.780" in english
    assert "Punishing" in english
    assert "| empty | 0 | 0 | – |" in english
    assert "The last layers stay" not in english
    chinese = (tmp_path / "model" / "card.zh.md").read_text(encoding="utf-8")
    assert "效果最差的站点：south" in chinese
    assert english.count("\n|") == chinese.count("\n|")
    assert english.count("\n- ") == chinese.count("\n- ")


def test_a_card_without_any_score(published, tmp_path):
    bare = published.description.model_copy(
        update={"metrics": {"n": 0, "positives": 0}, "sites": [], "personal": ["layers.2.bias"]}
    )
    save_published(replace(published, description=bare), tmp_path / "model")
    text = (tmp_path / "model" / "card.md").read_text(encoding="utf-8")
    assert "Worst site" not in text
    assert "The last layers stay" in text
