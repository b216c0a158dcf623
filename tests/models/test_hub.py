"""A hub id without a network: one line at once, unless the hub's cache holds it."""

import socket

import pytest
from huggingface_hub import constants

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.hub import check_hub
from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained

LOADERS = [check_hub, load_checkpoint, load_policy, lambda name: load_policy(name, url="http://127.0.0.1:9/v1")]


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A machine without proxies and network, with an empty cache of the hub."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    tries = []

    def refuse(address, timeout):
        tries.append((address, timeout))
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    return tries


@pytest.mark.parametrize("load", LOADERS)
def test_a_hub_that_is_out_of_reach_is_asked_once(alone, load):
    with pytest.raises(ValueError, match=r"^checkpoint someone/nothing: no such folder, not in the hub's cache, and "
                                         r"huggingface.co is out of reach \(Name or service not known\)") as caught:
        load("someone/nothing")
    assert alone == [(("huggingface.co", 443), 3.0)]
    assert "\n" not in str(caught.value)


def test_what_the_cache_holds_is_read_from_there(alone, tmp_path):
    folder = tmp_path / "hub" / "models--someone--cached"
    (folder / "snapshots" / "1").mkdir(parents=True)
    (folder / "snapshots" / "1").rmdir()
    (folder / "snapshots" / "1").symlink_to(find_pretrained("policy"))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1")
    model, _ = load_checkpoint("someone/cached")
    assert sum(one.numel() for one in model.parameters()) > 100_000
    assert constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("proxy", ["https_proxy", "all_proxy"])
def test_nothing_is_tried_for_a_folder_off_line_or_behind_a_proxy(alone, monkeypatch, proxy):
    check_hub(find_pretrained("policy"))
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    check_hub("someone/nothing")
    monkeypatch.delenv(proxy)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    check_hub("someone/nothing")
    assert not alone
