"""For which platforms a machine can build: its own, and those that its kernel has an emulator for."""

from pathlib import Path

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_EMULATORS = {
    "qemu-aarch64": "linux/arm64",
    "qemu-arm": "linux/arm",
    "qemu-i386": "linux/386",
    "qemu-ppc64le": "linux/ppc64le",
    "qemu-riscv64": "linux/riscv64",
    "qemu-s390x": "linux/s390x",
    "qemu-x86_64": "linux/amd64",
}


def emulated(folder: Path = _BINFMT) -> frozenset[str]:
    """The platforms that this machine's kernel runs by an emulator."""
    return frozenset(platform for name, platform in _EMULATORS.items() if (folder / name).exists())


def can_build(platform: str, platforms: frozenset[str]) -> bool:
    """Whether the platform is one of these; variants, as of arm, are not told apart."""
    return "/".join(platform.split("/")[:2]) in platforms
