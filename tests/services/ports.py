"""Free loopback ports, without two test processes ever choosing the same one."""

import atexit
import random
import socket

# Below the range that the kernel takes outgoing connections' ports from.
_CANDIDATES = range(20000, 32000)
_claims: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that nothing listens on; no other call gets it while this process lives."""
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if _claim(port) and _unused(port):
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def _claim(port: int) -> bool:
    # An abstract socket is a lock that the kernel drops when its process ends, however it ends.
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0drydock-tests-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _unused(port: int) -> bool:
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


@atexit.register
def _release() -> None:
    for claim in _claims:
        claim.close()


def listening(port: int) -> bool:
    """Whether something accepts connections on that loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
