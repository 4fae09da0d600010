from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

import pytest
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers import modeling_gguf_pytorch_utils as reader
from transformers.utils import logging as library

from seqscore.errors import DeviceError, ModelError
from seqscore.models.load.quiet import loading, quiet_transformers


def test_nothing_is_said_inside_and_everything_is_restored(capsys: pytest.CaptureFixture[str]) -> None:
    library.set_verbosity_info()
    library.enable_progress_bar()
    with quiet_transformers():
        library.get_logger("transformers.modeling_utils").error("loud")
        logging.getLogger("huggingface_hub.file_download").warning("loud")
        list(library.tqdm(range(3), desc="loud"))
        warnings.warn("loud", stacklevel=1)
        assert are_progress_bars_disabled()
    assert library.get_verbosity() == logging.INFO
    assert library.is_progress_bar_enabled()
    assert not are_progress_bars_disabled()
    assert capsys.readouterr() == ("", "")
    library.set_verbosity_warning()


def test_settings_are_restored_after_an_error_too() -> None:
    library.set_verbosity_error()
    with pytest.raises(KeyError), quiet_transformers():
        raise KeyError
    assert library.get_verbosity() == logging.ERROR
    assert library.is_progress_bar_enabled()
    library.set_verbosity_warning()


def test_bars_that_were_off_stay_off() -> None:
    library.disable_progress_bar()
    with quiet_transformers():
        pass
    assert not library.is_progress_bar_enabled()
    library.enable_progress_bar()
    disable_progress_bars()
    with quiet_transformers():
        pass
    assert are_progress_bars_disabled()
    assert library.is_progress_bar_enabled()
    enable_progress_bars()


def test_of_two_threads_the_last_to_leave_restores() -> None:
    def state() -> list[object]:
        bars: Any = reader.tqdm
        return [library.get_verbosity(), list(warnings.filters), are_progress_bars_disabled(), bars.__init__]

    before, inside, leave = state(), threading.Event(), threading.Event()

    def other() -> None:
        with quiet_transformers():
            inside.set()
            leave.wait(240)

    thread = threading.Thread(target=other)
    with quiet_transformers():
        quiet = state()
        thread.start()
        assert inside.wait(240)
    assert state() == quiet != before  # the other is still inside
    leave.set()
    thread.join()
    assert state() == before


def test_plain_bars_are_silent_and_back_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_transformers():
        bars: list[Any] = [reader.tqdm([1, 2], desc="loud"), reader.tqdm([1, 2], desc="louder", disable=False)]
        assert [list(bar) for bar in bars] == [[1, 2], [1, 2]]
    assert capsys.readouterr().err == ""
    assert list(reader.tqdm([1, 2], desc="loud")) == [1, 2]
    assert "loud" in capsys.readouterr().err


def test_failures_become_errors_that_name_the_model() -> None:
    block = loading("tiny", device="cpu", dtype="float32")
    with pytest.raises(ModelError, match="cannot load tiny: first second") as caught, block:
        raise UnforeseenError("first\nsecond")
    assert isinstance(caught.value.__cause__, UnforeseenError)


def test_errors_of_ours_and_interrupts_pass() -> None:
    with pytest.raises(DeviceError, match=r"^mine$"), loading("tiny", device="cpu", dtype="float32"):
        raise DeviceError("mine")
    with pytest.raises(KeyboardInterrupt), loading("tiny", device="cpu", dtype="float32"):
        raise KeyboardInterrupt


class UnforeseenError(Exception):
    """An error of a type that nobody foresaw."""
