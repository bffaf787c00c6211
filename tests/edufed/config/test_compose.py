from __future__ import annotations

import json
from pathlib import Path

import pytest

from edufed.config import SettingsError, compose_job, job_from_run_config, simulated_sites
from edufed.config.compose import check_job

OULAD = ["data=oulad", "data.path=somewhere", "out=runs/x"]


def test_defaults_give_a_whole_job() -> None:
    job = compose_job(["out=runs/x"])
    assert (job.scenario.name, job.task.name, job.data.name) == (
        "horizontal",
        "early_warning",
        "province",
    )
    assert [site.name for site in simulated_sites(job)][:2] == ["region-00", "region-01"]


def test_every_choice_of_every_group_composes(root: Path) -> None:
    for group in ("scenario", "task", "data", "model", "strategy", "privacy", "federation"):
        for file in (root / "conf" / group).glob("*.yaml"):
            needed = ["federation.settings=server.yaml"] if file.stem == "deployment" else []
            job = compose_job([f"{group}={file.stem}", "out=x", "++data.path=somewhere", *needed])
            assert getattr(job, group).name == file.stem


def test_oulad_has_its_thirteen_regions() -> None:
    sites = simulated_sites(compose_job(OULAD))
    assert len(sites) == 13
    assert len({site.adapter["region"] for site in sites}) == 13
    assert all(site.adapter["path"] == str(Path("somewhere").resolve()) for site in sites)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "setting 'out' is required; add out=VALUE"),
        (["data=oulad", "out=x"], "setting 'data.path' is required; add data.path=VALUE"),
        (
            ["data=ould", "out=x"],
            "no data=ould; choose one of oulad, oulad_to_basic, oulad_to_polytechnic,",
        ),
        (["task.cutof_day=3", "out=x"], "unknown setting 'task.cutof_day'; did you mean"),
        (["+task.cutof_day=3", "out=x"], "unknown setting 'task.cutof_day'; did you mean"),
        (["sede=3", "out=x"], "unknown setting 'sede'; did you mean 'seed'?"),
        (["task.cutoff_day=soon", "out=x"], "task.cutoff_day: Input should be a valid number"),
        (["model.hidden=[0]", "out=x"], "model.hidden.0: Input should be greater than 0"),
        (["strategy.learning_rate=-1", "out=x"], "strategy.learning_rate: "),
        (["model=logistic", "strategy=fedper", "out=x"], "choose model=mlp"),
        (["out"], "'out' is not a setting; write KEY=VALUE"),
        (["out=x", "seed=[1"], "seed"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(overrides: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        compose_job(overrides)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_sites_of_one_name_are_refused() -> None:
    sites = "data.sites=[{name: a, adapter: {}}, {name: a, adapter: {}}]"
    with pytest.raises(SettingsError, match="listed twice"):
        compose_job([*OULAD, sites])


def test_paths_with_spaces_and_brackets_need_no_quotes() -> None:
    job = compose_job(["data=oulad", "data.path=/some where/(old)/it's", "out=my runs/1"])
    assert job.data.path == "/some where/(old)/it's"
    assert job.out == str(Path("my runs/1").absolute())


def test_paths_are_made_absolute_where_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    job = compose_job(["data=oulad", "data.path=~/data", "out=../runs", "federation.state=s"])
    assert job.data.path == str(tmp_path / "home/data")
    assert Path(job.out).resolve() == tmp_path.parent / "runs"
    assert job.federation.state == str(tmp_path / "s")
    assert job_from_run_config({"job": job.model_dump_json()}) == job


def test_a_job_survives_the_run_config() -> None:
    job = compose_job(OULAD)
    assert job_from_run_config({"job": job.model_dump_json(), "overrides": ""}) == job
    other = job_from_run_config({"job": "", "overrides": "out=x seed=3"})
    assert other.seed == 3
    spaced = job_from_run_config({"overrides": "'out=/some where/x' seed=4"})
    assert (spaced.out, spaced.seed) == ("/some where/x", 4)
    with pytest.raises(SettingsError, match="quote"):
        job_from_run_config({"overrides": "out='x"})
    with pytest.raises(SettingsError, match="not JSON"):
        job_from_run_config({"job": "{"})
    with pytest.raises(SettingsError, match="unknown setting 'surprise'"):
        job_from_run_config({"job": json.dumps({**job.model_dump(mode="json"), "surprise": 1})})


def test_two_jobs_have_two_names() -> None:
    assert compose_job(OULAD).id != compose_job(OULAD).id


def test_a_deployed_job_sums_securely_unless_told_otherwise() -> None:
    deployed = ["federation=deployment", "federation.settings=server.yaml", "out=x"]
    assert compose_job(deployed).privacy.name == "secagg"
    assert compose_job([*deployed, "privacy=none"]).privacy.name == "none"
    assert compose_job(["out=x"]).privacy.name == "none"


def test_where_the_coordinator_keeps_things_does_not_travel() -> None:
    deployed = ["federation=deployment", "federation.settings=secret.yaml", "out=outward"]
    job = compose_job([*deployed, "data.path=private"])
    said = json.dumps(job.for_sites())
    assert not any(word in said for word in ("secret.yaml", "outward", "private"))
    assert check_job(job.for_sites()).id == job.id
