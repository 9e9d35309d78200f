"""Answers of a language model, kept by the content of the question: nothing is asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Annotated

from pydantic import Field

from harness.core.artefact import write_bytes
from harness.core.folders import writing
from harness.core.json_lines import parsed
from harness.core.results import Record


class Answer(Record):
    """One answer.

    Attributes:
        key: digest of the question, see `harness.classification.endpoint.question_key`.
        label: one of the two allowed ones.
        model: the model that the endpoint says answered.
        input_tokens, output_tokens: as the endpoint counted them; 0 where it does not.
        probability: of the label among the allowed ones, where a local model gave it.
    """

    key: str
    label: str
    model: str
    input_tokens: int
    output_tokens: int
    probability: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None


class Answers:
    """A JSON-lines file that is only ever appended to; a line that a killed run half wrote is dropped.

    Raises:
        DamagedFileError: a complete line that is not an answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, Answer] = {}
        self._stream: IO[str] | None = None
        if path.is_file():
            self._read()

    def get(self, key: str) -> Answer | None:
        """The answer to a question that was asked before."""
        return self._by_key.get(key)

    def add(self, answer: Answer) -> None:
        """Keep an answer; it is in the file when this returns.

        Raises:
            RunFolderError: the file cannot be written.
        """
        with writing("the answers cannot be kept", self.path):
            if self._stream is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self.path.open("a", encoding="utf-8")
            self._stream.write(answer.model_dump_json() + "\n")
            self._stream.flush()
        self._by_key[answer.key] = answer

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _read(self) -> None:
        whole, _, torn = self.path.read_bytes().rpartition(b"\n")
        lines = enumerate(whole.split(b"\n") if whole else (), start=1)
        remedy = "delete that line; the question is asked again"
        kept = parsed(lines, Answer.model_validate, self.path, what="the kept answers", remedy=remedy)
        self._by_key = {answer.key: answer for answer in kept}
        if torn:
            write_bytes(self.path, whole + b"\n" if whole else b"")
