"""Test suites in SyntaxGym's JSON: one object, whose items become rows.

    {"meta": {"name": ..., "metric": "sum"}, "region_meta": {"1": "subject", ...},
     "predictions": [{"type": "formula", "formula": "(2;%mismatch%) > (2;%match%)"}],
     "items": [{"item_number": 1, "conditions": [{"condition_name": "match", "regions": [
         {"region_number": 1, "content": "The woman"}, ...]}, ...]}, ...]}

Source: SyntaxGym's documentation, "Test suite JSON representation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_OF_ITEM, _OF_SUITE = "conditions", ("predictions", "region_meta")


def is_suite(value: Any) -> bool:
    """Whether a value of JSON is a suite: it has predictions, and items with conditions."""
    if not isinstance(value, Mapping) or not isinstance(value.get("predictions"), list):
        return False
    items = value.get("items")
    return isinstance(items, list) and any(isinstance(one, Mapping) and _OF_ITEM in one for one in items)


def suite_rows(suite: Mapping[str, Any]) -> Iterator[Any]:
    """A row an item, each with what its suite says: ``suite_name``, ``metric``, ``predictions``, ``region_meta``. These
    are also the names that the suites have as a dataset of the datasets library. What is no item stays as it is."""
    meta = suite.get("meta")
    about = meta if isinstance(meta, Mapping) else {}
    shared = {"suite_name": about.get("name"), "metric": about.get("metric", "sum")}
    shared |= {name: suite.get(name) for name in _OF_SUITE}
    for item in suite["items"]:
        yield {**shared, **item} if isinstance(item, Mapping) else item
