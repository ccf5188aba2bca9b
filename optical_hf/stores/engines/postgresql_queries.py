"""What is asked of PostgreSQL, as SQL: the columns of a table, its index of vectors, its changes, its rows by words."""

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND i.indnatts = 1
               AND a.attnum = ANY (i.indkey))
FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
INDEX = """
SELECT c.opcname FROM pg_index i JOIN pg_opclass c ON c.oid = i.indclass[0]
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
JOIN pg_class k ON k.oid = i.indexrelid JOIN pg_am m ON m.oid = k.relam
WHERE i.indrelid = %s::regclass AND a.attname = %s AND m.amname IN ('hnsw', 'ivfflat')"""
CHANGES = "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relid = %s::regclass"
BY_WORDS = """
SELECT {id}, {text}, ts_rank({words}, optical_hf.optical_hf_query, 1)
FROM {table}, (SELECT replace(plainto_tsquery('english', %(q)s)::text, '&', '|')::tsquery AS optical_hf_query) AS optical_hf
WHERE {words} @@ optical_hf.optical_hf_query ORDER BY 3 DESC, 1 LIMIT %(k)s"""
"""Any word of a query counts: in another language most of them stand nowhere."""
