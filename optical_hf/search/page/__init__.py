"""A page in the browser to try a student: a search box, what each system finds, and why. Needs the extra `app`."""

from optical_hf.search.page.gradio_page import check_address, search_page, serve

__all__ = ["check_address", "search_page", "serve"]
