import gc

from cli.collector import spare_what_is_there


def test_what_is_there_is_looked_at_no_more() -> None:
    things = [[number] for number in range(1000)]
    before = gc.get_freeze_count()

    spare_what_is_there()

    assert gc.get_freeze_count() >= before + len(things)
    assert not any(each is things for each in gc.get_objects())
