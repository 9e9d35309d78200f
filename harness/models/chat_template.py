"""A chat template that prints the day: refused, or frozen at a day of the profile."""

from __future__ import annotations

from datetime import date

from harness.core.errors import ProfileError

CLOCK = "strftime_now"
"""The one function of the clock that transformers gives to a template."""
CODES = "aAbBcCdDeFgGhHIjmMpRrSTuUVwWxXyYZ"
"""Codes of strftime that a frozen template knows; the time of day is midnight."""
MACRO = """{%- macro strftime_now(format) -%}
{%- for part in format.split("%%") -%}
{%- set text = namespace(text=part) -%}
{%- for code, said in CODES -%}{%- set text.text = text.text.replace(code, said) -%}{%- endfor -%}
{{- "" if loop.first else "%" -}}{{- text.text -}}
{%- endfor -%}
{%- endmacro %}
"""
"""Prints nothing itself: transformers drops the line's end after a block."""


def frozen(template: str, day: str) -> str:
    """The template as it renders on one day, whatever the clock says: its function of the clock is a macro.

    Args:
        day: YYYY-MM-DD, or empty.

    Raises:
        ProfileError: the template names the function of the clock and there is no day.
    """
    if CLOCK not in template:
        return template
    if not day:
        raise ProfileError(
            "the model's chat template prints the day: prompts would be others tomorrow",
            value=f"{CLOCK} in the chat template; model.template_date is not set",
            remedy='give a day in [model] of the profile, for example template_date = "2026-01-31"',
        )
    return MACRO.replace("CODES", repr(_codes(date.fromisoformat(day)))) + template


def _codes(day: date) -> list[tuple[str, str]]:
    """What each code of strftime says on a day; `%-d` is the day without a leading zero."""
    plain = [(f"%{code}", day.strftime(f"%{code}")) for code in CODES]
    return [*plain, *((f"%-{code}", str(int(day.strftime(f"%{code}")))) for code in "djm")]
