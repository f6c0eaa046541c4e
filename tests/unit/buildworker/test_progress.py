from buildworker.progress import Layer, Progress, Transfer


def test_layers_add_up_and_the_fraction_never_falls() -> None:
    told: list[Progress] = []
    transfer = Transfer("pulling", told.append, every_s=0)
    for message in (
        {"status": "Pulling from x", "id": "latest"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 50, "total": 100}},
        {"status": "Pulling fs layer", "id": "b", "progressDetail": {}},
        {"status": "Download complete", "id": "a", "progressDetail": {}},
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 100, "total": 100}},
        {"status": "Already exists", "id": "b", "progressDetail": {}},
        {"status": "Digest: sha256:0"},
    ):
        transfer.feed(message)
    transfer.finish()
    assert [progress.fraction for progress in told] == [0.25, 0.25, 0.25, 0.5, 1.0, 1.0]
    assert told[0].layers == {"a": Layer("Downloading", 50, 100)}
    assert told[-1].phase == "pulling"


def test_a_push_is_done_when_each_layer_is_there() -> None:
    told: list[Progress] = []
    transfer = Transfer("pushing", told.append)
    transfer.feed({"status": "Pushing", "id": "a", "progressDetail": {"current": 300, "total": 200}})
    assert told[-1].fraction == 1.0
    assert Layer("Mounted from ns/base", 0, 0).fraction == 1.0
    assert Layer("Pushing", 5, 0).fraction == 0.0


def test_it_tells_five_times_a_second_at_most() -> None:
    told: list[Progress] = []
    transfer = Transfer("pushing", told.append)
    for current in range(5000):
        transfer.feed({"status": "Pushing", "id": "a", "progressDetail": {"current": current, "total": 5000}})
    assert len(told) == 1
    transfer.finish()
    assert len(told) == 2
