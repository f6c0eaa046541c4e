from models.tables.search import LONGEST_TERM
from models.terms import MOST_WORDS, terms_of


def test_a_name_is_known_from_each_of_its_letters_on() -> None:
    assert terms_of("a-web", "") == {"a-web", "-web", "web", "eb"}


def test_a_short_name_is_a_term_all_the_same() -> None:
    assert terms_of("a", "") == {"a"}


def test_words_of_the_description_are_terms_in_lower_case() -> None:
    assert terms_of("ab", "The WEB, the über-web_app!") == {"ab", "the", "web", "über", "app"}


def test_what_is_long_or_much_is_cut() -> None:
    terms = terms_of("n" * 255, " ".join(f"{'w' * 99}{number}" for number in range(999)))
    assert max(map(len, terms)) == LONGEST_TERM
    assert len(terms_of("ab", " ".join(f"word{number}" for number in range(999)))) == MOST_WORDS + 1
