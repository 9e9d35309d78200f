"""The table of the methods: each number in its cell, with a pointer into the artefact."""

from __future__ import annotations

from typing import Any

import methods_toys as toys

from harness.report.methods_sheet import sheet


def resolved(document: Any, pointer: str) -> Any:
    for part in pointer.strip("/").split("/"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def test_every_cell_says_what_it_shows() -> None:
    found = sheet(toys.result())
    caa = dict(zip(found.headings, found.rows[1].texts, strict=True))
    assert caa["Arm"] == "Caa"
    assert caa["Entries"] == "192"
    assert caa["Chosen on pairs held back"] == "strength 4, layer 3 (end of the grid)"
    assert caa["SimPO loss ↓ (nats)"] == "4.500 ±0.100"
    assert caa["Gain on base ↑ (nats) [95 % CI]"] == "+0.250 [+0.150, +0.350]"
    assert caa["Preferred ↑ (%)"] == "50.0 ±3.0"
    assert caa["KL to base ↓ (nats a token) [95 % CI]"] == "0.0200 [0.0100, 0.0300]"
    assert caa["MMLU − base (points) [95 % CI]"] == "-2.0 [-12.0, +8.0]"
    assert (caa["Time (s)"], caa["Tokens"], caa["Memory (GiB)"]) == ("30.5", "123,456", "1.25")


def test_the_base_has_no_difference_to_itself() -> None:
    base = sheet(toys.result()).rows[0].texts
    assert base[0] == "Base"
    assert base[4] == base[6] == base[8] == ""


def test_every_pointer_leads_to_its_number() -> None:
    document = toys.result().model_dump(mode="json")
    found = sheet(toys.result())
    pointed = [cell for row in found.rows for cell in row.cells if cell.pointer]
    assert len(pointed) == 7 + 2 * 10
    for cell in pointed:
        number = resolved(document, cell.pointer)
        assert cell.number in (number, 100 * number)


def test_the_notes_say_what_the_numbers_are() -> None:
    notes = " ".join(sheet(toys.result()).notes)
    for words in (
        "Toy numbers.",
        "300 test pairs",
        "8 neutral texts",
        "no test pair was used",
        "uncorrected",
    ):
        assert words in notes
