import os
import socket
from pathlib import Path

import pytest

from cli.claims import listening, locked
from cli.options import Refused


def test_a_folder_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with locked(data), pytest.raises(Refused, match=f"process {os.getpid()}"), locked(data):
        pass
    with locked(data):
        assert (data.stat().st_mode & 0o777) == 0o700


def test_a_port_is_held_from_the_first_moment() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        with pytest.raises(Refused, match=f"Port {port} of 127.0.0.1 is in use"), listening("127.0.0.1", port):
            pass


@pytest.mark.parametrize("host", ["192.0.2.1", "not-a-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="not an address of this machine"), listening(host, 0):
        pass
