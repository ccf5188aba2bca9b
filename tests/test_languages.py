import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical_hf.languages import by_canonical_language, canonical_language, language_info


@pytest.mark.parametrize(
    ("codes", "canonical"),
    [
        (("sw", "swa", "swh", "swh_Latn", "SW"), "sw"),
        (("mr", "mar", "mar_Deva", "mr_IN"), "mr"),
        (("so", "som", "som_Latn"), "so"),
        (("tl", "tgl", "fil", "tgl_Latn", "fil-PH"), "tl"),
        (("de", "deu", "ger", "de-AT", "deu_Latn"), "de"),
        (("zh", "zho", "chi", "cmn", "zho_Hans", "zh-CN", "zh_cn", "zh_sg"), "zh"),
        (("zho_Hant", "zh-TW", "zh_Hant", "zh_tw", "ZH-tw", "zh_hk", "zh_hant_tw"), "zh-Hant"),
        (("sr_latn", "sr-me", "srp_Latn"), "sr-Latn"),
        (("pt", "pt_br", "pt-PT", "por_BR"), "pt"),
        (("ar", "ara", "arb_Arab", "ar_AR"), "ar"),
        (("en", "eng", "en_XX", "eng_Latn"), "en"),
        (("om", "orm", "gaz"), "om"),
        (("ca", "cat_Latn_vale"), "ca"),
        (("iw", "heb"), "he"),
        (("kas_Deva",), "ks-Deva"),
        (("quy", "quy_Latn"), "quy"),
    ],
)
def test_all_codes_of_a_language_have_one_canonical_form(codes: tuple[str, ...], canonical: str) -> None:
    assert {canonical_language(code) for code in codes} == {canonical}
    assert canonical_language(canonical) == canonical


@pytest.mark.parametrize(
    ("wrong", "meant"), [("jp", "'ja'"), ("cz", "'cs'"), ("somali", "'so'"), ("Swahili", "'sw'"), ("soma", "'so'")]
)
def test_an_unknown_code_is_an_error_with_a_suggestion(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"unknown language code '{wrong}'.*did you mean.*{meant}"):
        canonical_language(wrong)


@pytest.mark.parametrize(
    "code", ["\x00\U00010000", "", "xx", "mul", "und", "zxx", "qaa", "x-foo", "en us", "../etc", "123"]
)
def test_codes_of_no_language_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match="unknown language code"):
        canonical_language(code)


@pytest.mark.slow
@given(st.text(max_size=12) | st.from_regex(r"[a-z]{2,3}([-_]([A-Z][a-z]{3}|[A-Z]{2}))?", fullmatch=True))
def test_any_text_is_a_language_or_a_value_error(text: str) -> None:
    try:
        canonical = canonical_language(text)
    except ValueError:
        return
    assert canonical_language(canonical) == canonical


@pytest.mark.parametrize(
    ("code", "resource_class"),
    # The classes of Joshi et al. 2020, table 1 and its list.
    [
        *(("en", 5), ("de", 5), ("fi", 4), ("cs", 4), ("tl", 3), ("id", 3), ("sw", 2), ("mr", 2), ("ti", 2)),
        *(("so", 1), ("ig", 1), ("dal", 0), ("aa", 0)),
    ],
)
def test_classes_are_those_of_joshi_et_al(code: str, resource_class: int) -> None:
    assert language_info(code).resource_class == resource_class


def test_info_names_language_and_script() -> None:
    assert language_info("mar") == ("mr", "Marathi", "Deva", 2)
    assert language_info("zho_Hant")[:3] == ("zh-Hant", "Chinese (Traditional)", "Hant")
    assert language_info("fil").name == "Tagalog"


def test_two_codes_of_one_language_do_not_hide_each_other() -> None:
    assert by_canonical_language({"som": 1, "pt_br": 2}) == {"so": 1, canonical_language("pt-BR"): 2}
    with pytest.raises(ValueError, match="'so', 'som' name the language 'so' twice"):
        by_canonical_language({"so": 1, "som": 2})
