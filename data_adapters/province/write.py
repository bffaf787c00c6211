"""Write regions as Parquet files, chunk by chunk, each region whole or not at all."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from data_adapters.province.activity import draw_events, event_table
from data_adapters.province.courses import Catalogue, catalogue, resource_ids, resource_table
from data_adapters.province.dirt import soil, strangers
from data_adapters.province.learners import chunks, draw_learners, learner_ids, learner_table
from data_adapters.province.results import draw_results, enrolment_table, outcome_table
from data_adapters.province.risk import drift
from data_adapters.province.settings import PLATFORMS, Platform, ProvinceSettings, chunk_rng
from data_adapters.province.truth import truth_summary, truth_table

#: Called with the learners written so far and those of the whole province.
Progress = Callable[[int, int], None]


class _Files:
    """Open Parquet files of one folder, by name; one row group a table written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            file = self._folder / f"{name}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            # Without the Arrow schema: readers then see plain strings, not dictionaries.
            self._writers[name] = pq.ParquetWriter(
                file, table.schema, compression="zstd", store_schema=False
            )
        self._writers[name].write_table(table, row_group_size=max(table.num_rows, 1))

    def __enter__(self) -> _Files:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()


def write_province(
    settings: ProvinceSettings, folder: Path, progress: Progress | None = None
) -> list[Path]:
    """Write every region, and an example `site.yaml` for each of its platforms.

    Parameters
    ----------
    settings : ProvinceSettings
    folder : pathlib.Path
        Gets one folder a region, and `sites/region-NN-PLATFORM/site.yaml`.
    progress : callable, optional
        Called with the learners written so far and the province's learners.

    Returns
    -------
    list of pathlib.Path
        The site files.
    """
    files = []
    before = 0
    for region in range(settings.regions):
        start = before

        def report(done: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, settings.learners)

        write_region(settings, folder, region, report)
        before += settings.region_learners(region)
        report(settings.region_learners(region))
        files += [_write_site(settings, folder, region, platform) for platform in PLATFORMS]
    return files


def write_region(
    settings: ProvinceSettings,
    folder: Path,
    region: int,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write one region where it is missing, and return its folder.

    Processes that want the same region at once wait for the first of them. A folder with the
    final name is complete: it is written under another name, then renamed.

    Parameters
    ----------
    settings : ProvinceSettings
    folder : pathlib.Path
        Where regions lie; made where it is missing.
    region : int
        From 0 to `settings.regions` - 1.
    progress : callable, optional
        Called with the learners of this region written so far.
    """
    if not 0 <= region < settings.regions:
        raise ValueError(f"region {region} is not one of 0 to {settings.regions - 1}")
    key = settings.region_key(region)
    final = folder / key
    if final.is_dir():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f".{key}.lock"):
        if not final.is_dir():
            part = folder / f".{key}.part"
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            _fill(settings, part, region, progress)
            part.rename(final)
    return final


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # released when closed, and when the process dies
        yield


def _fill(
    settings: ProvinceSettings, folder: Path, region: int, progress: Callable[[int], None] | None
) -> None:
    books = catalogue(settings)
    names = {platform: pa.array(resource_ids(books, platform)) for platform in PLATFORMS}
    dirt: dict[str, dict[str, Counter[str]]] = {platform: {} for platform in PLATFORMS}
    rows: dict[str, Counter[str]] = {platform: Counter() for platform in PLATFORMS}
    done = 0
    with _Files(folder) as files:
        for platform in PLATFORMS:
            table = resource_table(books, platform, settings.seed)
            files.write(f"{platform}/resources", table)
            rows[platform]["resources"] = table.num_rows
        for chunk in range(chunks(settings, region)):
            for platform, name, table, bad in _chunk(settings, books, names, region, chunk, files):
                files.write(f"{platform}/{name}", table)
                rows[platform][name] += table.num_rows
                dirt[platform].setdefault(name, Counter()).update(bad)
            done = min(done + settings.chunk, settings.region_learners(region))
            if progress is not None:
                progress(done)
    summary = truth_summary(settings, region) | {"rows": rows, "dirt": dirt}
    text = json.dumps(summary, indent=1) + "\n"
    (folder / "truth" / "truth.json").write_text(text, encoding="utf-8")


def _chunk(
    settings: ProvinceSettings,
    books: Catalogue,
    names: dict[Platform, pa.Array],
    region: int,
    chunk: int,
    files: _Files,
) -> Iterator[tuple[Platform, str, pa.Table, Counter[str]]]:
    """Yield the tables of one chunk, one at a time, with their bad rows counted."""
    place = drift(settings, region)
    learners = draw_learners(settings, books, place, region, chunk)
    results = draw_results(settings, books, place, region, chunk, learners)
    files.write("truth/enrolments", truth_table(settings, books, region, learners, results))
    rng = chunk_rng(settings.seed, region, chunk, "dirt")
    everyone = np.concatenate([learners.number, strangers(chunk)])
    for platform in PLATFORMS:
        ids = learner_ids(settings, platform, region, everyone)
        unknown = ids.slice(len(learners.number))
        people = learner_table(settings, place, region, chunk, learners, platform)
        tables = [("learners", people)]
        if platform == "mooc":
            tables.append(("enrolments", enrolment_table(books, learners, results, ids)))
            tables.append(("outcomes", outcome_table(books, learners, results, ids)))
        for name, table in tables:
            yield platform, name, *soil(rng, name, table, unknown, settings.dirt)
        events = draw_events(settings, books, place, region, chunk, learners, results, platform)
        table = event_table(books, learners, events, ids, names[platform])
        yield platform, "events", *soil(rng, "events", table, unknown, settings.dirt)


def _write_site(settings: ProvinceSettings, folder: Path, region: int, platform: Platform) -> Path:
    name = f"region-{region:02d}-{platform.replace('_', '-')}"
    file = folder / "sites" / name / "site.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    site = {
        "name": name,
        "adapter": {
            "name": "province",
            "path": "../..",
            "region": region,
            "platform": platform,
            **settings.model_dump(mode="json"),
        },
        "state": "state",
        "policy": {},
    }
    part = file.with_suffix(".part")
    part.write_text(yaml.safe_dump(site, sort_keys=False), encoding="utf-8")
    part.replace(file)
    return file
