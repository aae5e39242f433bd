"""The fuse: no request to a hosted model while it is switched off."""

from __future__ import annotations

import threading

import pytest

from tercet.errors import ModelRequestsForbiddenError
from tercet.models.model_requests import allow_model_requests, check_model_requests


def test_the_suite_runs_with_the_fuse_out() -> None:
    with pytest.raises(ModelRequestsForbiddenError, match="some-model"):
        check_model_requests("some-model")


def test_a_block_restores_what_held_before_it_also_after_an_error() -> None:
    with allow_model_requests(True):
        check_model_requests("some-model")
        with allow_model_requests(False), pytest.raises(ModelRequestsForbiddenError):
            check_model_requests("some-model")
        check_model_requests("some-model")
    with pytest.raises(ModelRequestsForbiddenError):
        check_model_requests("some-model")


def test_it_holds_in_every_thread() -> None:
    refused: list[str] = []

    def ask() -> None:
        try:
            check_model_requests("some-model")
        except ModelRequestsForbiddenError as error:
            refused.append(error.message)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert len(refused) == 1


def test_called_plainly_it_holds_from_then_on() -> None:
    with allow_model_requests(True):
        allow_model_requests(False)
        with pytest.raises(ModelRequestsForbiddenError):
            check_model_requests("some-model")
        allow_model_requests(True)
        check_model_requests("some-model")
