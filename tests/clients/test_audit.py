from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.audit import GENESIS, AuditError, AuditLog

DETAILS = st.dictionaries(
    st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=8), st.booleans(), st.none())
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    log = AuditLog(tmp_path_factory.mktemp("audit") / "audit.jsonl")
    for number in range(6):
        log.append("answered", {"run": str(number), "kind": "train.horizontal", "seconds": 0.25})
    return log


def copy_of(log: AuditLog, folder: Path) -> AuditLog:
    shutil.copy(log.file, folder / log.file.name)
    shutil.copy(log.head_file, folder / log.head_file.name)
    return AuditLog(folder / log.file.name)


def test_entries_come_back_in_order_and_chained(written: AuditLog) -> None:
    entries = written.verify()
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[0].before == GENESIS
    assert [entry.before for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert entries[3].details["run"] == "3"


def test_log_is_private(written: AuditLog) -> None:
    assert written.file.stat().st_mode & 0o777 == 0o600
    assert written.head_file.stat().st_mode & 0o777 == 0o600


def test_empty_log_is_fine(tmp_path: Path) -> None:
    assert AuditLog(tmp_path / "audit.jsonl").verify() == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.tuples(st.text(max_size=8), DETAILS), max_size=5))
def test_what_was_appended_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, dict[str, object]]]
) -> None:
    log = AuditLog(tmp_path_factory.mktemp("audit") / "audit.jsonl")
    for event, details in events:
        log.append(event, details)
    assert [(entry.event, entry.details) for entry in log.verify()] == events


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found(
    written: AuditLog, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = copy_of(written, tmp_path_factory.mktemp("tampered"))
    content = bytearray(log.file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[position]))
    content[position] = value
    log.file.write_bytes(content)
    with pytest.raises(AuditError):
        log.verify()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_lines_dropped_doubled_or_moved_are_found(
    written: AuditLog, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = copy_of(written, tmp_path_factory.mktemp("tampered"))
    lines = log.file.read_bytes().splitlines(keepends=True)
    picked = st.lists(st.integers(0, len(lines) - 1), max_size=8)
    order = data.draw(picked.filter(lambda picked: picked != list(range(len(lines)))))
    log.file.write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(AuditError):
        log.verify()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_cut_or_grown_file_is_found(
    written: AuditLog, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = copy_of(written, tmp_path_factory.mktemp("tampered"))
    content = log.file.read_bytes()
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        at = data.draw(st.integers(0, len(content)))
        content = content[:at] + data.draw(st.binary(min_size=1, max_size=20)) + content[at:]
    log.file.write_bytes(content)
    with pytest.raises(AuditError):
        log.verify()


def test_a_rewritten_chain_is_found_by_a_head_kept_elsewhere(
    written: AuditLog, tmp_path: Path
) -> None:
    noted = written.verify()[-1].hash
    forged = AuditLog(tmp_path / "audit.jsonl")
    for number in range(6):
        forged.append("answered", {"run": str(number), "kind": "nothing"})
    assert len(forged.verify()) == 6
    with pytest.raises(AuditError, match="noted earlier"):
        forged.verify(noted)
    later = copy_of(written, tmp_path)
    later.append("answered", {})
    assert len(later.verify(noted)) == 7


def test_nothing_is_added_to_a_log_that_was_cut(written: AuditLog, tmp_path: Path) -> None:
    log = copy_of(written, tmp_path)
    lines = log.file.read_bytes().splitlines(keepends=True)
    log.file.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(AuditError, match=r"audit\.head"):
        log.append("answered", {})


def test_an_interrupted_append_does_not_stop_the_site(written: AuditLog, tmp_path: Path) -> None:
    log = copy_of(written, tmp_path)
    with log.file.open("ab") as stream:
        stream.write(b'{"before":"ab')
    log.append("answered", {"run": "7"})
    assert len(log.verify()) == 7
    # Killed after the line, before the head.
    head = log.head_file.read_bytes()
    log.append("answered", {"run": "8"})
    log.head_file.write_bytes(head)
    assert len(log.verify()) == 8
    log.append("answered", {"run": "9"})
    assert len(log.verify()) == 9


def test_long_entries_are_found_from_the_end(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for size in (10, 9_000, 70_000, 5):
        log.append("answered", {"settings": "x" * size})
    assert len(log.verify()) == 4


def _append(file: Path) -> None:
    for _ in range(10):
        AuditLog(file).append("answered", {"by": str(os.getpid())})


def test_processes_take_turns(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append, args=(file,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(AuditLog(file).verify()) == 30


def test_what_json_cannot_say_is_not_logged(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.append("answered", {"loss": float("nan")})
    assert log.verify() == []
