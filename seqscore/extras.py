"""Which extra of the installation brings a library that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from seqscore.errors import MissingDependencyError

EXTRA_OF: Mapping[str, str] = MappingProxyType(
    {
        "conllu": "eval",
        "datasets": "eval",
        "jiwer": "eval",
        "kenlm": "ngram",
        "pyarrow": "eval",
        "scipy": "eval",
        "matplotlib": "plot",
        "ml_dtypes": "plot",
        "pandas": "notebook",
        "peft": "peft",
        "ray": "ray",
        "sentencepiece": "translation",
        "icu4py": "words",
        "tenacity": "server",
    }
)
"""Library -> the extra that installs it."""


@contextmanager
def naming_extras() -> Iterator[None]:
    """Inside the block, a library of an extra that cannot be imported is an error that says what to install.

    Raises:
        MissingDependencyError: such a library is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None or isinstance(error, MissingDependencyError):
            raise
        raise MissingDependencyError(
            f"this needs {error.name}, which is not installed; install it with: pip install 'seqscore[{extra}]'"
        ) from error
