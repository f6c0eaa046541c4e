"""`python -m tests.bench`: start the registries, let them do the same work in turns, print medians and ratios.

`python -m tests.bench seed URI` and `python -m tests.bench scale` are about the REST API of a large installation,
`python -m tests.bench logs` about those who follow builds, `python -m tests.bench builds` about what these take.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench import builds, logs, scale, seed
from tests.bench.client import Client
from tests.bench.peers import running_peers
from tests.bench.reports import REPORTS
from tests.bench.work import Contestant, Size, write_layer
from tests.services.base_image import cache_folder

COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "builds": builds.main,
    "logs": logs.main,
    "scale": scale.main,
    "seed": seed.main,
}
Figures = Mapping[str, Mapping[str, Sequence[float]]]
_FULL = Size(layer=512 << 20, batch=300, seconds=4)
_QUICK = Size(layer=64 << 20, batch=100, seconds=1)


def main() -> None:
    """Run the comparison, or the command that is named."""
    name, *rest = sys.argv[1:] or [""]
    if name in COMMANDS:
        COMMANDS[name](rest)
    else:
        compare()


def compare() -> None:
    """Compare registries."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=None, help="how often everything is done (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="less of everything: rough figures within a minute")
    parser.add_argument("--only", default="", metavar="TEXT", help="only operations whose name contains this")
    for name, report in REPORTS.items():
        parser.add_argument(f"--{name}", action="store_true", help=report.__doc__)
    given = parser.parse_args()
    wanted = [report for name, report in REPORTS.items() if getattr(given, name)]
    if wanted:
        for report in wanted:
            report(_QUICK if given.quick else _FULL)
        return
    rounds = given.rounds or (1 if given.quick else 3)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder, running_peers() as peers:
        size = _QUICK if given.quick else _FULL
        layer = write_layer(Path(folder) / "layer", size.layer)
        contestants = [Contestant(Client(peer), layer, size) for peer in peers]
        figures = _measured(contestants, rounds, given.only)
    _show(figures, size, rounds)


def _measured(contestants: Sequence[Contestant], rounds: int, only: str) -> dict[str, dict[str, list[float]]]:
    """operation → registry → a figure for each round. Registries take turns, so that the machine's moods hit all."""
    names = [name for name in contestants[0].operations() if only in name]
    figures = {name: {each.client.peer.name: list[float]() for each in contestants} for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            print(f"round {number} of {rounds}: {name.partition(',')[0]}   ", end="\r", file=sys.stderr, flush=True)  # noqa: T201
            for each in contestants:
                figures[name][each.client.peer.name].append(each.operations()[name]())
    print(" " * 60, end="\r", file=sys.stderr)  # noqa: T201
    return figures


def _show(figures: Figures, size: Size, rounds: int) -> None:
    """A table of medians; in brackets how many times as much as the first registry."""
    registries = list(next(iter(figures.values()), {}))
    lines = [f"{'':28}" + "".join(f"{name:>26}" for name in registries)]
    for operation, measured in figures.items():
        medians = [statistics.median(measured[name]) for name in registries]
        cells = [f"{medians[0]:26,.0f}"] + [f"{value:16,.0f} ({value / medians[0]:5.2f} x)" for value in medians[1:]]
        lines.append(f"{operation:28}" + "".join(cells))
    lines.append(f"Medians of {rounds} rounds; the layer has {size.layer >> 20} MiB. More is better.")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
