"""A small transfer job: three education types of a small province, one site each."""

from __future__ import annotations

from pathlib import Path

from edufed.config import Job, compose_job

TYPES = ("community", "vocational", "higher")


def small(folder: Path, *more: str, learners: int = 1500) -> Job:
    """Compose the job: community and higher education know, vocational education needs."""
    domains = ",".join(
        f"{{name:{kind},sites:[{{name:{kind},adapter:{{education:{kind},region:{number}}}}}]}}"
        for number, kind in enumerate(TYPES)
    )
    return compose_job(
        [
            *("scenario=transfer", "data=province", f"data.path={folder}/province"),
            *(f"data.domains=[{domains}]", "data.regions=3", "data.target=vocational"),
            *(f"+data.adapter.learners={learners}", "+data.adapter.events_per_learner=20"),
            *("scenario.label_sizes=[20]", "scenario.draws=1", f"out={folder}/out"),
            "data.every_direction=false",
            *more,
        ]
    )
