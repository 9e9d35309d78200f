"""A sheet as LaTeX (booktabs)."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.core.sheet import Sheet

TEMPLATES = Path(__file__).parent / "templates"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "·": r"$\cdot$",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    '"': r"\textquotedbl{}",
}
TABLE = str.maketrans(SPECIAL)
WIDE = 40


def latex(sheet: Sheet) -> str:
    """A `table` environment; columns with long text are paragraphs."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["tex"] = tex
    return environment.get_template("table.tex.jinja").render(sheet=sheet, columns=_columns(sheet))


def tex(text: str) -> str:
    """Text with every character that LaTeX would take as a command escaped.

    Brackets and stars are grouped: after a line's end LaTeX would take them as an argument of it.
    """
    return " ".join(text.translate(TABLE).split())


def _columns(sheet: Sheet) -> str:
    lengths = [max((len(row.texts[i]) for row in sheet.rows), default=0) for i in range(len(sheet.headings))]
    return "".join("p{0.2\\linewidth}" if length > WIDE else "l" for length in lengths)
