import pytest

from buildworker.output import MAX_LINE, BuildOutput, Line, Lines, clean


def lines(*pieces: str) -> list[str]:
    reader = Lines()
    found = [line.text for piece in pieces for line in reader.feed(piece)]
    return found + [line.text for line in reader.end()]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["one\ntw", "o\nthree"], ["one", "two", "three"]),
        (["a\r\nb\r", "\nc"], ["a", "b", "c"]),
        (["10%\r20%\r100%\n"], ["100%"]),
        (["\x1b[1;31mred\x1b[0m \x1b[2Kx\n"], ["red x"]),
        (["\x1b]0;title\x07shown\n"], ["shown"]),
        (["\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"], ["link"]),
        (["\x1b[3", "1mred\n"], ["red"]),
        (["a\x00\x07\x08b\tc\x9b\n"], ["ab\tc"]),
        (["\n\n"], ["", ""]),
        ([""], []),
    ],
)
def test_lines_are_put_together_and_cleaned(pieces: list[str], expected: list[str]) -> None:
    assert lines(*pieces) == expected


def test_a_step_is_a_command() -> None:
    assert next(Lines().feed("Step 3/12 : RUN make\n")) == Line("Step 3/12 : RUN make", "command", 3, 12)
    assert next(Lines().feed("> Step 3/12 : RUN make\n")).kind == "output"


def test_a_line_without_end_is_cut() -> None:
    (found,) = lines(*["x" * 10_000] * 100)
    assert found == "x" * MAX_LINE + "…"


def test_a_progress_bar_without_end_shows_what_it_drew_last() -> None:
    assert lines(*[f"{number:5}%\r" for number in range(20_000)], "done\n") == ["done"]


def test_a_return_at_a_cut_still_ends_the_line() -> None:
    assert lines("x" * 3 * MAX_LINE + "\r", "\nnext\n") == ["x" * MAX_LINE + "…", "next"]


def test_an_unfinished_escape_is_removed_quickly() -> None:
    assert clean("\x1b]" * 100_000) == ""


def told(*messages: dict[str, object]) -> tuple[list[str], BuildOutput]:
    found: list[str] = []
    output = BuildOutput(lambda line: found.append(line.text))
    for message in messages:
        output.feed(message)
    output.end()
    return found, output


def test_what_a_command_printed_last_does_not_run_into_the_engines_words() -> None:
    found, _ = told(
        {"stream": "no newline"}, {"stream": "Removing intermediate container abc\n"}, {"stream": " ---> x\n"}
    )
    assert found == ["no newline", "Removing intermediate container abc", " ---> x"]


def test_words_of_a_pull_are_shown_but_not_its_progress() -> None:
    found, _ = told(
        {"status": "Pulling from library/x", "id": "latest"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 1}},
    )
    assert found == ["Pulling from library/x"]


def test_the_last_image_of_each_stage_is_known_and_bases_are_not_among_them() -> None:
    _, output = told(
        {"stream": "Step 1/6 : FROM base AS one\n"},
        {"stream": " ---> 000000000000\n"},
        {"stream": "Step 2/6 : RUN x\n"},
        {"stream": " ---> Running in 999999999999\n"},
        {"stream": " ---> 111111111111\n"},
        {"stream": "Step 3/6 : RUN y\n"},
        {"stream": " ---> 222222222222\n"},
        {"stream": "Step 4/6 : FROM scratch\n"},
        {"stream": " ---> \n"},
        {"stream": "Step 5/6 : COPY x /\n"},
        {"stream": " ---> 333333333333\n"},
    )
    assert output.tips() == ["222222222222", "333333333333"]
    output.feed({"aux": {"ID": "sha256:333333333333" + "0" * 52}})
    assert output.tips() == ["222222222222"]
    assert output.image_id == "sha256:333333333333" + "0" * 52
