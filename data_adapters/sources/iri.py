"""Internationalised resource identifiers, as xAPI names activities, verbs and extensions.

The grammar of RFC 3987, section 2.2 (Duerst & Suignard 2005), as one regular expression. The
inside of an IPv6 literal is checked for its letters alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

_PLANES = "".join(f"\\U{plane:04X}0000-\\U{plane:04X}FFFD" for plane in range(1, 0xE))
_UCS = rf"\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF{_PLANES}\U000E1000-\U000EFFFD"
_ESCAPED = "%[0-9A-Fa-f]{2}"
_NAME = rf"(?:[A-Za-z0-9._~!$&'()*+,;=\-{_UCS}]|{_ESCAPED})"
_USER = rf"(?:{_NAME}|:)"
_SEGMENT = rf"(?:{_NAME}|[:@])"
_AUTHORITY = rf"(?:{_USER}*@)?(?:\[[0-9A-Fa-f:.]+\]|{_NAME}*)(?::[0-9]*)?"
_PATH = rf"(?://{_AUTHORITY}(?:/{_SEGMENT}*)*|/?(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?)"
_QUERY = rf"(?:{_SEGMENT}|[/?\uE000-\uF8FF\U000F0000-\U000FFFFD\U00100000-\U0010FFFD])*"
_IRI = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_PATH}(?:\?{_QUERY})?(?:#(?:{_SEGMENT}|[/?])*)?")


@lru_cache(maxsize=65_536)  # a million statements name a few verbs, types and activities
def _absolute(text: str) -> str:
    if _IRI.fullmatch(text) is None:
        raise ValueError("not an IRI")
    return text


#: A string that is an absolute IRI, with or without a fragment.
Iri = Annotated[str, AfterValidator(_absolute)]
