"""The page in gradio, without a browser: nothing is sent or fetched elsewhere, and what cannot be served is one line."""

import re
import socket
import urllib.request

import pytest
import tiny_pairs

from optical_hf.cli import main
from optical_hf.search.page import check_address, search_page, serve
from optical_hf.search.page import gradio_page as module


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use; name another --port"):
        check_address(*server.getsockname())


def test_without_gradio_the_command_is_said(monkeypatch, searched):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(ImportError, match=r'pip install "optical-hf\[app\]"'):
        search_page(*searched)


def test_the_verb_serves_the_page_on_this_machine_alone(monkeypatch, capsys):
    made, served = {}, {}
    monkeypatch.setattr("optical_hf.cli.app_page.check_address", lambda host, port: None)
    monkeypatch.setattr(
        "optical_hf.cli.app_page.search_page", lambda *words, **options: made.update(options, words=words)
    )
    monkeypatch.setattr("optical_hf.cli.app_page.serve", lambda page, **options: served.update(options))
    words = ["S", "--index", "x.parquet", "--teacher", "T", "--translator", "so=so.tsv", "--language", "som"]
    monkeypatch.setattr("sys.argv", ["optical-hf", "app", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert made["words"] == ("S", "x.parquet")
    assert (made["teacher"], made["translator"], made["language"]) == ("T", {"so": "so.tsv"}, "so")
    assert served == {"host": "127.0.0.1", "port": 7860}


@pytest.mark.slow
@pytest.mark.full
def test_the_served_page_names_no_other_server(searched):
    gradio = pytest.importorskip("gradio", reason="the extra app is not installed")
    with pytest.raises(ValueError, match="expected 1 to 20"):
        search_page(*searched, top=21)
    page = search_page(*searched, language="de")
    assert not page.analytics_enabled
    assert not gradio.analytics.analytics_enabled()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = serve(page, port=port, wait=False)
    try:
        html = urllib.request.urlopen(address).read().decode()
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"'](https?://[^\"']+)", html)
        assert fetched == []
        assert "fonts.googleapis" not in html
        assert module.TITLE in html
        theme = urllib.request.urlopen(f"{address}theme.css").read().decode()
        assert not re.search(r"url\([\"']?http|@import", theme)
        assert page.share_url is None
        (answer,) = [one.fn for one in page.fns.values()]
        found = answer(tiny_pairs.bitext()["target"][0], "de", "", 2)
        assert found.count("<li>") == 2
        assert 'role="alert"' in answer(" ", "", "", 2)
        assert "unknown language" in answer("x", "zz!", "", 2)
    finally:
        page.close()
