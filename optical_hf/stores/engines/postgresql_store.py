"""PostgreSQL with pgvector: columns of `vector`, `halfvec` and `bit`, searched along their own index. Needs the extra `postgresql`.

Vectors cross in the binary form that pgvector sends, so that no client of pgvector is needed. Every name is quoted.
One vector a text: late interaction compares again what this finds.

Shapes: R rows, D width.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from optical_hf.extras import import_extra
from optical_hf.stores.document_store import (
    ROWS_AT_ONCE,
    Metric,
    Precision,
    StoreHits,
    StoreRows,
    check_queries,
)
from optical_hf.stores.engines.engine_faults import (
    NoTableError,
    check_columns,
    closed_on_fault,
    engine_faults,
    metric_named,
    packed_signs,
    secret_of,
    unpacked_signs,
    vector_column,
)
from optical_hf.stores.engines.postgresql_queries import BY_WORDS, CHANGES, COLUMNS, INDEX
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

KEY = "PGPASSWORD"
PRECISIONS: dict[str, Precision] = {"vector": "float32", "halfvec": "float16", "bit": "binary"}
OPERATORS: dict[Metric, str] = {"cosine": "<=>", "dot": "<#>", "euclidean": "<->"}
CLASSES: dict[str, Metric] = {
    "vector_cosine_ops": "cosine",
    "vector_ip_ops": "dot",
    "vector_l2_ops": "euclidean",
    "halfvec_cosine_ops": "cosine",
    "halfvec_ip_ops": "dot",
    "halfvec_l2_ops": "euclidean",
    "bit_hamming_ops": "cosine",
}
"""What an index compares by. Hamming distance orders as the cosine of signs does."""


@dataclass
class PostgresqlStore:
    """A table; see `DocumentStore`. `id` None is the place of a row in the table."""

    location: StoreLocation
    connection: Any
    sql: Any
    table: Any
    id: str | None
    vector: str
    width: int
    metric: Metric
    precision: Precision
    secret: str | None
    late_interaction: bool = False

    @property
    def count(self) -> int:
        """Rows."""
        return int(self._ask(self.sql.SQL("SELECT count(*) FROM {}").format(self.table))[0][0])

    @property
    def stamp(self) -> tuple[Any, ...]:
        """The count, and how many rows the server has seen written."""
        return (self.count, *(self._ask(CHANGES, [self.table.as_string(self.connection)]) or [()])[0])

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows in the order of the table, a batch in memory at a time."""
        columns = [self._id(), *(self._text(name) for name in self._texts()), self.sql.Identifier(self.vector)]
        query = self.sql.SQL("SELECT {} FROM {}").format(self.sql.SQL(", ").join(columns), self.table)
        with engine_faults(self.location, self.secret), self.connection.transaction():
            self.connection.execute("SET LOCAL synchronize_seqscans = off")  # the same order each time
            with self.connection.cursor(name="optical_hf_rows", binary=True) as cursor:
                cursor.execute(query)
                while batch := cursor.fetchmany(batch_size):
                    columns = list(zip(*batch, strict=True))
                    titles = list(columns[2]) if self.location.title else None
                    yield StoreRows(
                        list(columns[0]), list(columns[1]), VectorSet.of(self._vectors(columns[-1])), titles
                    )

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best rows of each query, along the index of the column where it has one."""
        check_queries(queries, self, k)
        binary = self.precision == "binary"
        kind = self.sql.SQL(f"bit({self.width})" if binary else "halfvec" if self.precision == "float16" else "vector")
        query = self.sql.SQL("SELECT {}, {}, {} {} %(q)s::{} AS d FROM {} ORDER BY d LIMIT %(k)s").format(
            self._id(), self._text(self.location.text), self.sql.Identifier(self.vector),
            self.sql.SQL("<~>" if binary else OPERATORS[self.metric]), kind, self.table,
        )  # fmt: skip
        found = []
        with engine_faults(self.location, self.secret), self.connection.transaction():
            self._look_at(k)
            for text in self._query_texts(queries, binary):
                found.append(self.connection.execute(query, {"q": text, "k": k}, prepare=True).fetchall())
        scores = [[self._score(float(row[2])) for row in rows] for rows in found]
        return StoreHits(
            [[row[0] for row in rows] for rows in found], scores, [[row[1] or "" for row in rows] for rows in found]
        )

    def search_texts(self, queries: Sequence[str], k: int) -> StoreHits:
        """The k rows whose text shares most with each query: any of its words, as `ts_rank` weighs them, long texts less."""
        words = self.location.options.get("words")
        text = self.sql.SQL("to_tsvector('english', {})").format(self.sql.Identifier(self.location.text))
        query = self.sql.SQL(BY_WORDS).format(
            id=self._id(), text=self._text(self.location.text), table=self.table,
            words=self.sql.Identifier(words) if words else text,
        )  # fmt: skip
        with engine_faults(self.location, self.secret), self.connection.transaction():
            found = [self.connection.execute(query, {"q": one, "k": k}, prepare=True).fetchall() for one in queries]
        ids, texts, scores = ([[row[place] for row in rows] for rows in found] for place in range(3))
        return StoreHits(ids, scores, [[text or "" for text in row] for row in texts])

    def add(self, rows: StoreRows) -> None:
        """Append rows in one transaction: all of them or none."""
        assert rows.vectors is not None
        names = self.sql.SQL(", ").join(map(self.sql.Identifier, (str(self.id), self.location.text, self.vector)))
        copy = self.sql.SQL("COPY {} ({}) FROM STDIN").format(self.table, names)
        values = zip(rows.ids, rows.texts, map(_as_text, rows.vectors.vectors.numpy()), strict=True)
        with (
            engine_faults(self.location, self.secret),
            self.connection.transaction(),
            self.connection.cursor() as cursor,
            cursor.copy(copy) as stream,
        ):
            for row in values:
                stream.write_row(row)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _ask(self, query: Any, values: Sequence[Any] = ()) -> list[Any]:
        with engine_faults(self.location, self.secret), self.connection.transaction():
            return list(self.connection.execute(query, values).fetchall())

    def _id(self) -> Any:
        return self.sql.SQL("{}::text").format(
            self.sql.SQL("ctid") if self.id is None else self.sql.Identifier(self.id)
        )

    def _text(self, name: str) -> Any:
        return self.sql.SQL("{}::text").format(self.sql.Identifier(name))

    def _texts(self) -> list[str]:
        return [name for name in (self.location.text, self.location.title) if name is not None]

    def _vectors(self, values: Sequence[bytes | None]) -> np.ndarray:
        """Rows of zeros where there is no vector."""
        if self.precision == "binary":
            empty = bytes(4 + math.ceil(self.width / 8))
            packed = np.frombuffer(b"".join((value or empty)[4:] for value in values), np.uint8).reshape(
                len(values), -1
            )
            return unpacked_signs(packed)[:, : self.width]
        kind = ">f2" if self.precision == "float16" else ">f4"
        empty = bytes(4 + self.width * int(kind[-1]))
        if odd := next((value for value in values if value is not None and len(value) != len(empty)), None):
            width = (len(odd) - 4) // int(kind[-1])
            raise ValueError(
                f"{self.location}: vectors of different widths, {self.width} and {width}: keep those of one model"
            )
        flat = np.frombuffer(b"".join((value or empty)[4:] for value in values), kind)
        return flat.astype(np.float32).reshape(-1, self.width)

    def _query_texts(self, queries: VectorSet, binary: bool) -> Iterator[str]:
        if not binary:
            return map(_as_text, queries.vectors.numpy())
        bits = np.unpackbits(packed_signs(queries.vectors), axis=-1)[:, : self.width]
        return ("".join(map(str, row)) for row in bits.tolist())

    def _score(self, distance: float) -> float:
        if self.precision == "binary":
            return 1 - 2 * distance / self.width
        return 1 - distance if self.metric == "cosine" else -distance

    def _look_at(self, k: int) -> None:
        """Let HNSW keep as many candidates as are wanted: 40, its default, would be all that is found."""
        self.connection.execute(
            "SELECT set_config('hnsw.ef_search', "
            "greatest(coalesce(nullif(current_setting('hnsw.ef_search', true), '')::int, 40), %s)::text, true)",
            [min(k, 1000)],
        )


def open_postgresql(location: StoreLocation, read_only: bool = True) -> PostgresqlStore:
    """Open a table.

    Args:
        location: of the table.
        read_only: let the server refuse to write.

    Raises:
        ValueError: no server, a refused password; no table, column, or vectors.
        ImportError: without the extra `postgresql`.
    """
    connection, sql, secret = _connected(location)
    table = _table(sql, location)
    with closed_on_fault(connection), engine_faults(location, secret), connection.transaction():
        connection.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION READ {'ONLY' if read_only else 'WRITE'}")
        quoted = table.as_string(connection)
        if connection.execute("SELECT to_regclass(%s)", [quoted]).fetchone()[0] is None:
            raise NoTableError(
                f"{location}: there is no table {location.table!r} in this database that this user may see"
            )
        columns = {name: (kind, primary) for name, kind, primary in connection.execute(COLUMNS, [quoted]).fetchall()}
        kinds = {name: kind.partition("(")[0] for name, (kind, _) in columns.items()}
        check_columns(location, columns)
        vector = vector_column(location, [name for name, kind in kinds.items() if kind in PRECISIONS], columns)
        primary = next((name for name, (_, is_primary) in columns.items() if is_primary), None)
        index = connection.execute(INDEX, [quoted, vector]).fetchone()
        metric = metric_named(location, CLASSES, index and index[0])
        width = int(columns[vector][0].partition("(")[2].rstrip(")") or 0) or _first_width(
            connection, sql, table, vector
        )
    return PostgresqlStore(
        location,
        connection,
        sql,
        table,
        location.id or primary,
        vector,
        width,
        metric,
        PRECISIONS[kinds[vector]],
        secret,
    )


def make_postgresql(location: StoreLocation, width: int, metric: Metric) -> PostgresqlStore:
    """Make an empty table; the extension is made where it is missing and this user may.

    Raises:
        ValueError: as `open_postgresql`.
    """
    connection, sql, secret = _connected(location)
    table, id_, vector = _table(sql, location), str(location.id), str(location.vector)
    create = sql.SQL("CREATE TABLE {} ({} bigint PRIMARY KEY, {} text, {} vector({}))")
    with closed_on_fault(connection), engine_faults(location, secret), connection.transaction():
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(create.format(table, *map(sql.Identifier, (id_, location.text, vector)), sql.Literal(width)))
    return PostgresqlStore(location, connection, sql, table, id_, vector, width, metric, "float32", secret)


def _connected(location: StoreLocation) -> tuple[Any, Any, str | None]:
    psycopg = import_extra("psycopg", "postgresql", "PostgreSQL")
    sql = import_extra("psycopg.sql", "postgresql", "PostgreSQL")
    secret = secret_of(location, KEY)
    user = f"{quote(location.user, safe='')}@" if location.user else ""
    options = {name: value for name, value in location.options.items() if name not in ("metric", "words")}
    with engine_faults(location, secret):
        connection = psycopg.connect(
            f"postgresql://{user}{location.place}", autocommit=True,
            **{"connect_timeout": 10, **options, **({"password": location.secret} if location.secret else {})},
        )  # fmt: skip
    return connection, sql, secret


def _table(sql: Any, location: StoreLocation) -> Any:
    """The quoted name; a dot parts the schema from the table."""
    return sql.Identifier(*location.table.split(".", 1))


def _first_width(connection: Any, sql: Any, table: Any, vector: str) -> int:
    column = sql.Identifier(vector)
    query = sql.SQL("SELECT vector_dims({}) FROM {} WHERE {} IS NOT NULL LIMIT 1").format(column, table, column)
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _as_text(vector_D: np.ndarray | torch.Tensor) -> str:
    return "[" + ",".join(map(repr, vector_D.tolist())) + "]"
