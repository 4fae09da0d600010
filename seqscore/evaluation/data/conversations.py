"""Conversations in a column: lists of messages, each with a role and a content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MESSAGES = "messages"
"""The usual name of a column of conversations."""


def is_conversation(value: Any) -> bool:
    """Whether a value of a row is a list of chat messages."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "role" in one for one in value)
