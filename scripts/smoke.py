"""Check an installed seqscore from outside its source tree: quick imports, the command line, scores.

With ``--extras`` also a run and its report, and the session of each kind of model that ``seqscore/models/README.md``
shows; without, that what is not installed names the extra that brings it.

Builds a tiny Llama with random weights and a byte-level tokenizer, scores texts with it through ``python -m seqscore``,
and compares every token with a float64 forward through plain transformers. Exits with 1 and says why if it is not so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

SESSIONS = {
    "causal": ("score 'It rained.' --model llama --tokens", "next 'It' --model llama --top 3"),
    "masked": (
        "score 'it rained' --model bert --tokens",
        "score 'it rained' --model bert --masking within-word-l2r",
        "eval perplexity texts.txt --model bert --out runs/bert",
    ),
    "encoder-decoder": (
        "score 'es regnete' --context 'it rained' --model t5 --score-eos --tokens",
        "next 'it rained' --target-begins 'es' --model t5 --top 3",
        "eval filter bitext.tsv --column de --context-column en --max 1000 --model t5 --out runs/t5",
    ),
    "ngram": (
        "score 'it rained' --model words.arpa --score-eos --tokens",
        "eval filter texts.txt --model words.arpa --score-eos --keep scores --out runs/ngram",
    ),
}
"""What people do with each kind of model, on tiny ones that are made here."""

FILES = {
    "texts.txt": "it rained\nnobody came\nes regnete\n",
    "bitext.tsv": "en\tde\nit rained\tes regnete\nnobody came\tniemand kam\n",
    "words.arpa": (
        "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n"
        "-1.0\t<unk>\n-99\t<s>\t-0.3\n-0.7\t</s>\n-0.6\tit\t-0.2\n-0.6\trained\t-0.1\n"
        "\n\\2-grams:\n-0.2\t<s> it\n-0.3\tit rained\n\n\\end\\\n"
    ),
}

TEXTS = ["It rained.", "The keys are on the table, 24 of them.", "小猫在窗台上睡着了 👨‍👩‍👧‍👦"]
TOLERANCE = 1e-4  # nats a token, against float64: what the project promises
IMPORT_SECONDS, HELP_SECONDS = 0.2, 0.5  # promised; an older machine is given twice that
SLACK = 2.0
TRIES = 5


def check(holds: bool, what: str) -> None:
    """Stop with a message unless ``holds``."""
    print(f"smoke: {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        raise SystemExit(1)


def build_model(folder: Path) -> None:
    """A random two-layer Llama whose 257 tokens are the bytes and an end-of-text token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=end, eos_token=end)  # type: ignore[no-untyped-call]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_kinds(folder: Path) -> None:
    """A model of each other kind, with random weights."""
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = {piece: i for i, piece in enumerate([*marks, *letters, *(f"##{letter}" for letter in letters)])}
    backend = Tokenizer(models.WordPiece(vocab=words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), marks, strict=True))
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    save(folder / "bert", BertForMaskedLM(BertConfig(vocab_size=len(words), **sizes)), tokenizer_of(backend, **named))
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((one, -5.0) for one in f"▁{letters}")]
    t5: dict[str, Any] = {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 16,
        "num_layers": 1,
        "num_heads": 2,
        "decoder_start_token_id": 0,
    }
    tokenizer: Any = T5Tokenizer(vocab=pieces, extra_ids=0)
    save(folder / "t5", T5ForConditionalGeneration(T5Config(vocab_size=len(pieces), **t5)), tokenizer)


def tokenizer_of(backend: Any, **special: str) -> Any:
    made: Any = PreTrainedTokenizerFast(tokenizer_object=backend, **special)  # type: ignore[no-untyped-call]
    return made


def save(folder: Path, model: Any, tokenizer: Any) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_sessions(folder: Path) -> None:
    """Every command of every kind ends well, in a folder that has what they name."""
    build_model(folder / "llama")
    build_kinds(folder)
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
    for kind, commands in SESSIONS.items():
        if kind == "ngram" and importlib.util.find_spec("kenlm") is None:
            print("smoke: --   n-gram models: kenlm, which is compiled, is not installed", flush=True)
            continue
        for command in commands:
            told = seqscore(*shlex.split(command), cwd=folder)
            check(bool(told.strip()), f"{kind}: seqscore {command}")


def seqscore(*arguments: str, cwd: Path | None = None) -> str:
    """Standard output of ``python -m seqscore``."""
    command = [sys.executable, "-m", "seqscore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    check(done.returncode == 0, f"exit status of seqscore {' '.join(arguments)[:60]} {done.stderr.strip()[-2000:]}")
    return done.stdout


def expected_logprobs(folder: Path, token_ids: list[int]) -> list[float]:
    """log p(token | tokens before it) of all tokens but the first, nats, from a float64 forward."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    ids = torch.tensor([token_ids])
    with torch.inference_mode():
        logprobs = model(ids).logits.log_softmax(-1)
    picked: list[float] = logprobs[0, :-1].gather(1, ids[0, 1:, None])[:, 0].tolist()
    return picked


def check_record(folder: Path, text: str, record: dict[str, Any]) -> None:
    """One JSONL record, scored without a start token, against transformers."""
    tokens = record["tokens"]
    data = text.encode()
    check(record["text"] == text and [token["id"] for token in tokens] != [], f"the text comes back: {text}")
    check(b"".join(data[t["start"] : t["end"]] for t in tokens) == data, "the byte spans cover the text")
    check(tokens[0]["logprob"] is None, "the first token is unscored")
    expected = expected_logprobs(folder, [token["id"] for token in tokens])
    error = max(abs(token["logprob"] - right) for token, right in zip(tokens[1:], expected, strict=True))
    check(error < TOLERANCE, f"largest error against float64: {error:.1e} nats")
    check(abs(record["log_likelihood"] - sum(expected)) < TOLERANCE * len(expected), "the sum is that of the tokens")


def check_report(model: Path, folder: Path) -> None:
    """A run and its page, whose template, style and script must have come with the package."""
    data, page = folder / "texts.txt", folder / "report.html"
    data.write_text("\n".join(TEXTS), encoding="utf-8")
    seqscore("eval", "perplexity", str(data), "--out", str(folder / "run"), "--model", str(model), "--device", "cpu")
    seqscore("report", str(folder / "run"), "-o", str(page))
    text = page.read_text(encoding="utf-8")
    check(text.startswith("<!doctype html>") and "<svg" in text and TEXTS[2] in text, "a run makes a report")


def check_extra_named(folder: Path) -> None:
    """A bare installation cannot make a run, and says what is lacking."""
    data = folder / "texts.txt"
    data.write_text("\n".join(TEXTS), encoding="utf-8")
    command = ["eval", "perplexity", str(data), "--out", str(folder / "run")]
    done = subprocess.run([sys.executable, "-m", "seqscore", *command], capture_output=True, text=True, check=False)
    said = "pip install 'seqscore[eval]'" in done.stderr and "loading model" not in done.stderr
    check(done.returncode == 1 and said, "eval names its extra, before a model is loaded")


def check_times() -> None:
    """Time of the processor, the least of several tries: what a machine can do, not how busy it is."""
    for what, arguments, promised in (
        ("import", ["-c", "import seqscore"], IMPORT_SECONDS),
        ("--help", ["-m", "seqscore", "--help"], HELP_SECONDS),
    ):
        least = min(processor_seconds([sys.executable, *arguments]) for _ in range(TRIES))
        check(least < SLACK * promised, f"{what} takes {least:.3f} s of the processor (promised: {promised} s)")


def processor_seconds(command: list[str]) -> float:
    """What a process of its own takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", action="store_true", help="eval, plot and report are installed")
    parser.add_argument("--not-from", type=Path, help="a source tree that the package must not be imported from")
    arguments = parser.parse_args()

    import seqscore as package

    home = Path(package.__file__).resolve()
    outside = arguments.not_from is None or not home.is_relative_to(arguments.not_from.resolve())
    check(outside, f"the installed package is {home.parent}")
    check(seqscore("--version").strip().endswith(package.__version__), f"version {package.__version__}")
    check_times()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "tiny model"
        build_model(folder)
        options = ["--model", str(folder), "--device", "cpu", "--bos", "none", "--format", "jsonl", "--tokens"]
        records = [json.loads(line) for line in seqscore("score", *TEXTS, *options).splitlines()]
        check(len(records) == len(TEXTS), "one record a text")
        for text, record in zip(TEXTS, records, strict=True):
            check_record(folder, text, record)
        if arguments.extras:
            check_report(folder, Path(temporary))
            check_sessions(Path(temporary))
        else:
            check_extra_named(Path(temporary))
    print("smoke: passed")


if __name__ == "__main__":
    main()
