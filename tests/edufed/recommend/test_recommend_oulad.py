"""Real records: the thirteen regions' sums are the whole country's."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest

from data_adapters.base import open_adapter
from edufed.config import compose_job, simulated_sites
from edufed.ranking import judge, top
from edufed.recommend.counts import count
from edufed.recommend.items import ease
from edufed.recommend.usage import Catalogue, Usage, interactions, read_usage

pytestmark = pytest.mark.data
DAY, HORIZON, L2 = 60.0, 14.0, 100.0
#: Two presentations of 2014, small ones, so that the test is quick.
COURSES = ("AAA_2014J", "GGG_2014J")


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seven tables, of two presentations alone."""
    import duckdb

    small = tmp_path_factory.mktemp("oulad")
    connection = duckdb.connect()
    for file in sorted((shared_data / "oulad").glob("*.parquet")):
        columns = [row[0] for row in connection.sql(f"DESCRIBE FROM '{file}'").fetchall()]
        where = ""
        if "code_presentation" in columns:
            chosen = ", ".join(f"'{course}'" for course in COURSES)
            where = f" WHERE code_module || '_' || code_presentation IN ({chosen})"
        connection.execute(
            f"COPY (SELECT * FROM '{file}'{where}) TO '{small / file.name}' (FORMAT parquet)"
        )
    return small


def usage(folder: Path, region: str | None) -> Usage:
    adapter = {"name": "oulad", "path": str(folder), **({"region": region} if region else {})}
    return read_usage(open_adapter(adapter, folder).read(DAY + HORIZON), DAY, HORIZON)


def test_federated_ease_is_pooled_ease_and_beats_popularity_and_a_site_alone(folder: Path) -> None:
    job = compose_job(["data=oulad", f"data.path={folder}", "out=x"])
    regions = [str(site.adapter["region"]) for site in simulated_sites(job)]
    assert len(regions) == 13
    whole, parts = usage(folder, None), [usage(folder, region) for region in regions]
    assert len(whole) == sum(len(part) for part in parts)
    ndcg: dict[str, list[float]] = {"federated": [], "popular": [], "alone": []}
    for name in COURSES:
        catalogue = Catalogue.of(name, whole.catalogues[name])
        everybody = interactions(whole, catalogue)
        pooled = ease(count(everybody, DAY).gram, L2)
        seen = [interactions(part, catalogue) for part in parts]
        counts = [count(one, DAY) for one in seen]
        total = reduce(add, counts)
        federated = ease(total.gram, L2)
        used = everybody.used.astype(float)
        np.testing.assert_allclose(used @ federated, used @ pooled, rtol=0, atol=1e-6)
        found: dict[str, list[np.ndarray]] = {key: [] for key in ndcg}
        for own, one in zip(counts, seen, strict=True):
            tested = one.part(one.later.any(axis=1))
            rows = tested.used.astype(float)
            for key, scores in {
                "federated": rows @ federated,
                "popular": np.broadcast_to(total.users.astype(float), rows.shape),
                "alone": rows @ ease(own.gram, L2),
            }.items():
                judged = judge(top(scores, ~tested.used, 10), tested.later)
                found[key].append(judged.ndcg)
        for key, values in found.items():
            ndcg[key].append(float(np.concatenate(values).mean()))
    means = {key: float(np.mean(values)) for key, values in ndcg.items()}
    assert means["federated"] > means["popular"]
    assert means["federated"] > means["alone"]
