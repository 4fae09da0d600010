"""A small byte-level tokenizer trained on the spot, for tests of everything behind the tokenizer."""

from __future__ import annotations

from functools import lru_cache

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

_LINES = (
    "The quick brown fox jumps over the lazy dog. The answer is the same in the end.",
    "Answer the questions: what is the capital of France? Paris is the capital of France.",
    "Answer Answer Answer Answers, answered;",
    "one two three, the other answers another question about the fox and the dog",
)

CHAT_TEMPLATE = (
    "{% for m in messages %}<|user|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|bot|>{% endif %}"
)


@lru_cache(maxsize=4)
def _backend(size: int) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "<s>", "</s>", "<|user|>", "<|bot|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_LINES * 3, trainer)
    return str(tokenizer.to_str())


def tiny_tokenizer(
    *, bos: str | None = "<s>", eos: str | None = "</s>", chat: bool = False, bos_in_front: bool = False
) -> PreTrainedTokenizerFast:
    """A tokenizer of 300 tokens, every byte among them."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_backend(300)),
        bos_token=bos,
        eos_token=eos,
        pad_token="<pad>",
        additional_special_tokens=[AddedToken(one, special=True) for one in ("<|user|>", "<|bot|>", "<|end|>")],
    )
    if bos_in_front:
        template = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        tokenizer.backend_tokenizer.post_processor = template
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
