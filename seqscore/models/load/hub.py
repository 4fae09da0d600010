"""A model from the Hugging Face hub: choose its files, say how large they are, fetch them, hand on a local folder.

Names are resolved here and not by transformers, which so only ever sees a local folder: the hub's service that converts
pickles to safetensors is never called, and pickles and code are not even downloaded unless they were allowed.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqscore.errors import DownloadError, ModelError, UnsafeModelError, one_line
from seqscore.models.load.adapter_folder import PICKLED as PICKLED_ADAPTER
from seqscore.models.load.adapter_folder import SETTINGS as ADAPTER_SETTINGS
from seqscore.models.load.adapter_folder import WEIGHTS as ADAPTER_WEIGHTS
from seqscore.models.load.checkpoint import PICKLE_SUFFIXES
from seqscore.models.load.quiet import quiet_transformers

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TEXT_SUFFIXES = (".json", ".jinja", ".model", ".tiktoken", ".txt", ".bpe")
_PICKLED_MODEL = re.compile(r"pytorch_model(-\d{5}-of-\d{5})?\.bin")


def is_hub_name(text: str) -> bool:
    """Whether a text can be the name of a model on the hub: ``name`` or ``owner/name``."""
    return bool(_NAME.fullmatch(text)) and len(text) <= 96 and "--" not in text and ".." not in text


def fetch_snapshot(
    name: str,
    *,
    revision: str | None,
    allow_pickle: bool,
    trust_remote_code: bool,
    notify: Callable[[str], None] | None = None,
    endpoint: str | None = None,
    hub_cache: Path | None = None,
) -> tuple[Path, str | None]:
    """The local folder with a hub model's files and the commit they are of; what is not in the hub's cache is fetched.

    Without a connection the hub's local cache is used, with a notice.

    Raises:
        DownloadError: no such model or revision, no access, or no connection and nothing cached.
        UnsafeModelError: only pickle weights and they were not allowed.
        ModelError: the repository holds no weights that can be used.
    """
    try:
        with quiet_transformers():
            info = _describe(name, revision, endpoint)
    except DownloadError as error:
        cached = _cached_folder(name, revision, hub_cache)
        if cached is None or not _is_connection_trouble(error.__cause__):
            raise
        if notify:
            notify(
                f"the hub cannot be reached: using the files of {name} that are in its cache, commit {cached.name[:12]}"
            )
        return cached, cached.name
    sizes = {item.rfilename: item.size or 0 for item in info.siblings or ()}
    chosen = choose_files(name, sizes, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code)
    missing = [file for file in chosen if not _is_cached(name, file, info.sha, hub_cache)]
    if missing and notify:
        total = sum(sizes[file] for file in missing)
        notify(f"fetching {name} from the hub, {len(missing)} files, {total / 1e6:,.0f} MB ...")
    folder = _download(name, revision, chosen, endpoint, hub_cache)
    return folder, folder.name if _COMMIT.fullmatch(folder.name) else info.sha


def fetch_texts(name: str, *, endpoint: str | None = None, hub_cache: Path | None = None) -> Path:
    """The local folder with a hub model's configuration and tokenizer, without its weights.

    Raises:
        DownloadError: no such model, no access, or no connection and nothing cached.
    """
    try:
        with quiet_transformers():
            info = _describe(name, None, endpoint)
    except DownloadError as error:
        cached = _cached_folder(name, None, hub_cache)
        if cached is None or not _is_connection_trouble(error.__cause__):
            raise
        return cached
    files = [item.rfilename for item in info.siblings or () if "/" not in item.rfilename]
    return _download(name, None, [one for one in files if one.endswith(_TEXT_SUFFIXES)], endpoint, hub_cache)


def choose_files(
    name: str, files: Sequence[str] | dict[str, int], *, allow_pickle: bool, trust_remote_code: bool
) -> list[str]:
    """Of a repository's files those that are needed: configuration, tokenizer, and one set of weights, safetensors
    first.

    Files in sub-folders, weights in other formats and Python code (unless allowed) are left out.

    Raises:
        UnsafeModelError: only pickle weights and they were not allowed.
        ModelError: nothing that can be used.
    """
    top = sorted(file for file in files if "/" not in file)
    chosen = [file for file in top if file.endswith(_TEXT_SUFFIXES) and not _is_pickle_index(file)]
    if trust_remote_code:
        chosen += [file for file in sorted(files) if file.endswith(".py")]
    if ADAPTER_SETTINGS in top and not any(file.startswith(("model", "pytorch_model")) for file in top):
        return [*chosen, *_adapter_weights(name, top, allow_pickle=allow_pickle)]
    if "config.json" not in top:
        raise ModelError(f"{name} on the hub is not a model that can be scored with: it has no config.json{_hint(top)}")
    if "model.safetensors" in top:
        return [*chosen, "model.safetensors"]
    if "model.safetensors.index.json" in top:
        shards = [file for file in top if file.endswith(".safetensors")]
        return chosen + [file for file in shards if not file.startswith(("consolidated", "adapter_"))]
    pickles = [file for file in top if file.endswith(PICKLE_SUFFIXES) and not file.startswith("training_args")]
    if pickles and not allow_pickle:
        raise UnsafeModelError(
            f"{name} has pickle weights only ({', '.join(pickles[:3])}): a pickle can run any code when it is read, so "
            "nothing was fetched; look for a safetensors version of it, or, if you trust its owner, use --allow-pickle "
            "(LoadOptions(allow_pickle=True))"
        )
    weights = [file for file in pickles if _PICKLED_MODEL.fullmatch(file)]
    if not weights:
        raise ModelError(f"{name} on the hub has no weights that can be read: expected model.safetensors{_hint(top)}")
    return chosen + [file for file in top if _is_pickle_index(file)] + weights


def _adapter_weights(name: str, top: Sequence[str], *, allow_pickle: bool) -> list[str]:
    if ADAPTER_WEIGHTS in top:
        return [ADAPTER_WEIGHTS]
    if PICKLED_ADAPTER not in top:
        raise ModelError(f"the adapter {name} on the hub has no weights that can be read: expected {ADAPTER_WEIGHTS}")
    if not allow_pickle:
        raise UnsafeModelError(
            f"the adapter {name} has pickle weights only ({PICKLED_ADAPTER}): a pickle can run any code when it is read"
            ", so nothing was fetched; look for a safetensors version of it, or, if you trust its owner, use "
            "--allow-pickle (LoadOptions(allow_pickle=True))"
        )
    return [PICKLED_ADAPTER]


def _is_pickle_index(file: str) -> bool:
    return file.endswith(".bin.index.json")


def _hint(top: Sequence[str]) -> str:
    if any(file.endswith(".gguf") for file in top):
        return "; download one of its .gguf files and give that file's path"
    return ""


def _describe(name: str, revision: str | None, endpoint: str | None) -> ModelInfo:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True, timeout=20.0)
    except GatedRepoError as error:
        raise DownloadError(
            f"{name} is gated: accept its terms on its page on the hub, log in (hf auth login), and try again"
        ) from error
    except RepositoryNotFoundError as error:
        raise DownloadError(
            f"no model {name!r}: it is no folder or file here, and the hub has none of that name (or it is private: "
            "log in with hf auth login)"
        ) from error
    except RevisionNotFoundError as error:
        raise DownloadError(f"{name} on the hub has no revision {revision!r} (revision=, --revision)") from error
    except Exception as error:
        raise DownloadError(
            f"{name} is no folder or file here, and the hub cannot be reached for it ({one_line(error)}), nor is a "
            "copy of it cached: connect to the network, give a local folder, or use the default model"
        ) from error


def _is_connection_trouble(cause: BaseException | None) -> bool:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    return not isinstance(cause, RepositoryNotFoundError | RevisionNotFoundError)


def _cached_folder(name: str, revision: str | None, hub_cache: Path | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", cache_dir=hub_cache, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _is_cached(name: str, file: str, commit: str | None, hub_cache: Path | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, file, cache_dir=hub_cache, revision=commit), str)


def _download(
    name: str, revision: str | None, files: Sequence[str], endpoint: str | None, hub_cache: Path | None
) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [glob.escape(file) for file in files]
    try:
        with quiet_transformers():
            folder = snapshot_download(
                name, revision=revision, allow_patterns=patterns, endpoint=endpoint, cache_dir=hub_cache
            )
    except Exception as error:
        raise DownloadError(
            f"fetching {name} from the hub failed ({one_line(error)}); what has arrived is kept: try again, and look "
            "at the network and at the free space on disk"
        ) from error
    return Path(folder)
