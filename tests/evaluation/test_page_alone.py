"""The page of one system in one language: no gap, nothing to compare."""

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval, write_html


def test_one_system_in_one_language(student, teacher, collection, tmp_path):
    report = evaluate_retrieval(student, teacher, collection.select("de"), rounds=50, progress=False)
    for source, name in ((report, "fresh.html"), (RetrievalReport.from_json(report.to_json()), "read.html")):
        write_html(source, tmp_path / name, title="Wörter & <mehr>")
    text = (tmp_path / "fresh.html").read_text(encoding="utf-8")
    assert text == (tmp_path / "read.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "<h1>Wörter &amp; &lt;mehr&gt;</h1>" in text
    assert "No gap: a gap needs queries in at least two languages" in text
