"""The page in gradio: a search box and languages above, what each system finds below, a report on a second tab.

gradio's analytics, its share links and its monitoring are off. Fonts are the reader's, so nothing is fetched from the net.
"""

import os
import socket
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.evaluation.translate.translators import Translators
from optical_hf.extras import import_extra
from optical_hf.languages import canonical_language, language_info
from optical_hf.models.tokens import Encoder
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.search.open_index import IndexSource
from optical_hf.search.page.page_html import STYLE, answers_html, report_html
from optical_hf.search.page.page_systems import PageSystems
from optical_hf.stores.search_engine import Search

if TYPE_CHECKING:
    from gradio import Blocks

TITLE = "Search an English index in any language"
ABOUT = """Open **Words** under a document to see which of its words stand for those of the query: the same number and colour, the
stronger the larger the share. Point at a word of the query, or go there with Tab, to see its words alone."""
MOST = 20
"""Documents of each system, at most."""


def search_page(
    student: Encoder | str | Path,
    index: IndexSource,
    *,
    teacher: Encoder | str | Path | None = None,
    translator: "Translator | str | Path | Translators | None" = None,
    report: RetrievalReport | str | Path | None = None,
    language: str | None = None,
    top: int = 5,
    hybrid: bool = False,
    query_prompt: str | None = None,
    search: Search | None = None,
    cache: str | Path | None = None,
) -> "Blocks":
    """A page to try a student on its index, ready for `serve`.

    Args:
        student: a saved student by its folder or hub id, or a model.
        index: the English index, as `open_index` takes it.
        teacher: the teacher that made the index. It reads the query too, its English or its translation, and the documents where
            their words are shown.
        translator: puts queries into English for the teacher: a model, or one or a dictionary's file a language.
        report: of `evaluate_retrieval`, or its JSON file; its plots stand on a second tab.
        language: of the queries, chosen at the start.
        top: documents of each system, at the start.
        hybrid: show the student fused with BM25 as well; all texts of the index are read at the start.
        query_prompt: in front of the student's queries, in place of the one that it states.
        search: of an index without vectors, which the teacher reads; with `cache` as `open_index` takes them.
        cache: a folder for the vectors that the teacher gives.

    Raises:
        ImportError: without the extra `app`.
        ValueError: what cannot be read, or does not fit together.

    Example:
        >>> serve(search_page("students/e5", "index.parquet", teacher="all-MiniLM-L6-v2"))  # doctest: +SKIP
    """
    gr = _gradio()
    if not 1 <= top <= MOST:
        raise ValueError(f"top is {top}: expected 1 to {MOST} documents of each system")
    chosen = None if language is None else canonical_language(language)
    measured = RetrievalReport.from_json(report) if isinstance(report, str | Path) else report
    plots = None if measured is None else report_html(measured)
    systems = PageSystems.open(
        student, index, teacher=teacher, translator=translator, hybrid=hybrid, query_prompt=query_prompt, search=search,
        cache=cache,
    )  # fmt: skip

    def answer(text: str, code: str | None, english: str, count: int) -> str:
        try:
            return answers_html(systems.columns(text, code or None, english, int(count)))
        except ValueError as error:  # an empty query, a store that is gone
            return f'<p class="caution" role="alert">{escape(str(error))}</p>'

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(f"<h1>{TITLE}</h1><p class='reads'>{escape(_facts(systems))}</p>{_cautions(systems.notes)}")
        if plots is None:
            _search_tab(gr, systems, answer, chosen, top)
        else:
            with gr.Tab("Search"):
                _search_tab(gr, systems, answer, chosen, top)
            with gr.Tab("Report"):
                gr.HTML(plots)
    return page


def serve(page: "Blocks", *, host: str = "127.0.0.1", port: int = 7860, wait: bool = True) -> str:
    """Show a page in the browser until it is stopped.

    Args:
        page: from `search_page`.
        host: address to listen on; the default is reached from this machine alone, "0.0.0.0" from others too.
        port: of the server.
        wait: return when the page is stopped; False returns at once, `page.close()` stops it.

    Returns:
        The address of the page.

    Raises:
        OSError: where the port is taken.
    """
    system = ["system-ui", "sans-serif"]
    theme = _gradio().themes.Default(font=system, font_mono=["ui-monospace", "monospace"])
    _, address, _ = page.launch(
        server_name=host, server_port=port, share=False, inbrowser=False, quiet=True, prevent_thread_lock=True, theme=theme,
        css=STYLE, footer_links=[], run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False, mcp_server=False,
    )  # fmt: skip
    if wait:
        print(f"The page is at {address} (Ctrl-C stops it)", flush=True)
        page.block_thread()
    return address


def check_address(host: str, port: int) -> None:
    """Raise OSError where a server cannot listen there: before the models are loaded, and not after."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise OSError(f"{host}:{port}: {reason}; name another --port or --host") from None


def _gradio() -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read as gradio is imported
    return import_extra("gradio", "app", "the page")


def _search_tab(gr: Any, systems: PageSystems, answer: Any, language: str | None, top: int) -> None:
    codes = list(dict.fromkeys([*systems.languages, *([language] if language else [])]))
    with gr.Row(equal_height=True):
        query = gr.Textbox(
            label="Query", placeholder="in any language", max_lines=1, autofocus=True, scale=6, min_width=320,
            html_attributes=gr.InputHTMLAttributes(enterkeyhint="search", autocorrect="off", spellcheck=False),
        )  # fmt: skip
        button = gr.Button("Search", variant="primary", scale=1, min_width=100)
    with gr.Row():
        code = gr.Dropdown(
            [("not said", ""), *((f"{language_info(one).name} ({one})", one) for one in codes)], value=language or "",
            label="Language of the query", allow_custom_value=True, min_width=160,
        )  # fmt: skip
        english = gr.Textbox(
            label="The same in English, for the teacher",
            max_lines=1,
            min_width=200,
            visible=systems.teacher is not None,
        )
        count = gr.Slider(1, MOST, top, step=1, label="Documents", min_width=160)
    found = gr.HTML(elem_id="found")
    gr.Markdown(ABOUT)
    gr.on(
        [query.submit, english.submit, button.click],
        answer,
        [query, code, english, count],
        found,
        api_visibility="private",
    )


def _facts(systems: PageSystems) -> str:
    known = f"Index: {systems.index.location}, {systems.index.count:,} documents."
    if systems.teacher is None:
        return f"{known} The teacher is not at hand: the student reads the documents where words are shown."
    return known


def _cautions(notes: list[str]) -> str:
    return "".join(f'<p class="caution" role="note">{escape(note)}</p>' for note in notes)
