"""Where an index is: a URL as a user writes it, taken apart. No store is opened here, and no secret is ever shown.

Passwords and keys stand in the URL or in the environment. What a location prints, compares by and is hashed by has none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from optical_hf.files import expand_path

Scheme = Literal["qdrant", "qdrant-local", "postgresql", "milvus", "milvus-lite", "lancedb", "faiss", "file"]

FORMS: dict[Scheme, str] = {
    "qdrant": "qdrant://HOST:6333/COLLECTION?text=FIELD&vector=NAME",
    "qdrant-local": "qdrant-local:///FOLDER/COLLECTION?text=FIELD&allow_pickle=yes",
    "postgresql": "postgresql://USER@HOST/DATABASE?table=TABLE&id=COLUMN&text=COLUMN&vector=COLUMN",
    "milvus": "milvus://HOST:19530/COLLECTION?id=FIELD&text=FIELD&vector=FIELD",
    "milvus-lite": "milvus-lite:///FILE.db/COLLECTION?id=FIELD&text=FIELD&vector=FIELD",
    "lancedb": "lancedb:///FOLDER/TABLE?id=COLUMN&text=COLUMN&vector=COLUMN",
    "faiss": "faiss:///FILE.faiss?texts=FILE",
    "file": "file:///FILE.parquet?text=COLUMN&vector=COLUMN",
}
"""Each kind of URL as a user writes it; folders and files may be relative: lancedb://FOLDER/TABLE."""
ALIASES: dict[str, Scheme] = {"postgres": "postgresql", "pgvector": "postgresql"}
ON_DISK: tuple[Scheme, ...] = ("qdrant-local", "milvus-lite", "lancedb")
"""Whose path ends in the name of the table."""
COLUMNS = ("id", "text", "vector", "title")
OPTIONS: dict[Scheme, tuple[str, ...] | None] = {
    "qdrant": ("https", "timeout"),
    "qdrant-local": ("allow_pickle",),
    "postgresql": None,  # those of libpq, which knows them
    "milvus": ("https", "database", "timeout"),
    "milvus-lite": (),
    "lancedb": (),
    "faiss": ("texts",),
    "file": (),
}
"""What a URL may say beside `COLUMNS` and `metric`; None for anything."""
SECRETS = ("password", "api_key", "token", "sslpassword")


@dataclass(frozen=True)
class StoreLocation:
    """One table of an index, and which of its columns or fields are read.

    Attributes:
        scheme: the kind of store.
        place: the server as HOST:PORT/DATABASE, or the folder or file.
        table: the table or collection; "" for files.
        id: the column of the ids; None takes the store's own.
        text: the column of the texts; "text" where the URL does not say.
        vector: the column of the vectors; None takes the only one there is.
        title: the column of the titles, where there is one.
        options: what else the URL says.
        user: who signs in.
        secret: the password, key or token of the URL; what a location prints leaves it out.

    Example:
        >>> location = StoreLocation.parse("postgresql://ann:secret@localhost/shop?table=docs&text=body")
        >>> location.table, location.text, location.secret
        ('docs', 'body', 'secret')
        >>> print(location)
        postgresql://ann@localhost/shop?table=docs&text=body
    """

    scheme: Scheme
    place: str
    table: str = ""
    id: str | None = None
    text: str = "text"
    vector: str | None = None
    title: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    secret: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, url: str) -> "StoreLocation":
        """Take a URL apart; a plain path is a file.

        Raises:
            ValueError: an unknown kind of store, an option that it does not have, no table, or a part that is no URL.
        """
        scheme = _scheme(url)
        if scheme == "file" and "://" not in url:
            return cls("faiss" if url.endswith((".faiss", ".index")) else "file", str(expand_path(url)))
        try:
            parts = urlsplit(url)
            query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            secret, user, _ = parts.password, parts.username, parts.port
        except ValueError as error:
            raise ValueError(f"{without_secrets(url)}: no URL ({error}); expected {FORMS[scheme]}") from None
        said = dict(query)
        if len(said) < len(query):
            raise ValueError(f"{without_secrets(url)}: an option stands twice; expected {FORMS[scheme]}")
        secret = next(filter(None, [said.pop(name, None) for name in SECRETS]), None) or (unquote(secret or "") or None)
        host = parts.netloc.rpartition("@")[2]
        place, table = _place(scheme, host, unquote(parts.path), said)
        columns = {name: said.pop(name) for name in COLUMNS if name in said}
        _check_options(url, scheme, said)
        if not place or (not table and scheme not in ("faiss", "file")):
            raise ValueError(
                f"{without_secrets(url)}: names no {'table' if place else 'place'}; expected {FORMS[scheme]}"
            )
        return cls(
            scheme, place, table, columns.get("id"), columns.get("text", "text"), columns.get("vector"),
            columns.get("title"), said, unquote(user) if user else None, secret,
        )  # fmt: skip

    def __str__(self) -> str:
        """The URL without its secret."""
        said = {"table": self.table} if self.scheme == "postgresql" else {}
        columns = {name: getattr(self, name) for name in COLUMNS if (name, getattr(self, name)) != ("text", "text")}
        query = urlencode(
            said | {name: value for name, value in columns.items() if value is not None} | dict(self.options)
        )
        if self.scheme == "file" and not query:
            return self.place
        path = quote(self.place, safe="/:[],") + (
            f"/{quote(self.table)}" if self.table and self.scheme != "postgresql" else ""
        )
        return f"{self.scheme}://{quote(self.user) + '@' if self.user else ''}{path}{'?' + query if query else ''}"

    def __hash__(self) -> int:
        return hash(str(self))


def is_store_url(source: object) -> bool:
    """Whether a source of documents is the URL of a store, `faiss://` and `file://` included.

    Example:
        >>> is_store_url("qdrant://localhost/docs"), is_store_url("docs.jsonl"), is_store_url("see http://x.org")
        (True, False, False)
    """
    return (
        isinstance(source, str)
        and re.match(r"[a-z][a-z-]*(?=://)", source) is not None
        and (source.partition("://")[0] in (*FORMS, *ALIASES))
    )


def without_secrets(text: str, secret: str | None = None) -> str:
    """A URL or a message with passwords, keys and tokens replaced by ***.

    Args:
        text: what will be printed.
        secret: one that is known, wherever it stands.

    Example:
        >>> without_secrets("no way to postgresql://ann:pass@host/db?api_key=k1&table=docs")
        'no way to postgresql://ann:***@host/db?api_key=***&table=docs'
    """
    if secret:
        text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    text = re.sub(r"(\w://[^\s/@:]*):[^\s/@]+@", r"\1:***@", text)
    return re.sub(rf"\b({'|'.join(SECRETS)})=[^\s&'\"]+", r"\1=***", text)


def _scheme(url: str) -> Scheme:
    named, found, _ = url.partition("://")
    if not found:
        return "file"
    named = ALIASES.get(named, named)
    if named not in FORMS:
        raise ValueError(f"{named}:// is no kind of store; known are {', '.join(FORMS.values())}")
    return cast(Scheme, named)


def _place(scheme: Scheme, host: str, path: str, said: dict[str, str]) -> tuple[str, str]:
    """Where the store is, and the name of the table."""
    if scheme == "postgresql":
        return host + path, said.pop("table", "")
    if scheme in ("faiss", "file"):
        return str(expand_path(unquote(host) + path)) if host + path else "", ""
    place, _, table = (unquote(host) + path if scheme in ON_DISK else path).rstrip("/").rpartition("/")
    if scheme in ON_DISK:
        return str(expand_path(place)) if place else "", table
    return host if not place else "", table


def _check_options(url: str, scheme: Scheme, said: Mapping[str, str]) -> None:
    known = OPTIONS[scheme]
    if known is not None and (stray := [name for name in said if name not in (*known, "metric")]):
        names = ", ".join((*COLUMNS, "metric", *known))
        raise ValueError(f"{without_secrets(url)}: {scheme} has no option {stray[0]!r}; known are {names}")
