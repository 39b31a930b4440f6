"""How the benchmark tells for how long nobody could work."""

from bench.probe import Seen


def test_a_gap_lasts_from_the_first_request_in_vain_to_the_next_answer() -> None:
    answers = [(0.0, True), (0.1, False), (0.2, False), (5.0, True), (5.1, True), (6.0, False), (6.5, True)]
    seen = Seen(sorted(answers, key=lambda one: one[0] % 0.3))  # slow ones are noted late
    assert seen.spans() == [(0.1, 5.0), (6.0, 6.5)]
    assert [round(gap, 1) for gap in seen.gaps()] == [4.9, 0.5]
    assert seen.in_vain == 3


def test_without_a_request_in_vain_there_is_no_gap() -> None:
    assert Seen([(0.0, True), (0.1, True)]).gaps() == []
