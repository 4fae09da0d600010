"""Ways to ask a server and to read its answer: a new one is a file here, and a line in ``DIALECTS``."""

from __future__ import annotations

from seqscore.models.server.dialects.base import Dialect
from seqscore.models.server.dialects.completions import Completions
from seqscore.models.server.dialects.sglang import SGLang
from seqscore.models.server.dialects.tgi import TextGenerationInference
from seqscore.models.server.dialects.vllm import VLLM

DIALECTS: tuple[Dialect, ...] = (VLLM(), SGLang(), TextGenerationInference(), Completions())
"""A server is asked in the first that recognises it; the last one takes all that have OpenAI's completions."""
