"""For how long collection spares what nothing keeps, and how much it does at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.settings import Settings
from models.tables.base import now


@dataclass(frozen=True)
class Terms:
    """`protection`: of what was just pushed. `upload_life`: of an upload since its last bytes, and of bytes in storage
    that no row knows. `slice_size`: rows in a transaction. `rest_s`: the longest pause after one, in seconds.
    """

    protection: timedelta = timedelta(hours=1)
    upload_life: timedelta = timedelta(days=1)
    slice_size: int = 500
    rest_s: float = 0.1

    @classmethod
    def of(cls, settings: Settings) -> "Terms":
        return cls(protection=timedelta(seconds=settings.PUSH_TEMP_TAG_EXPIRATION_SEC))

    @property
    def manifests_in_slice(self) -> int:
        """Fewer than other rows: with each go those of its tags, blobs and children."""
        return max(1, self.slice_size // 5)

    @property
    def unprotected(self) -> datetime:
        """What was touched at this moment or before is protected no more."""
        return now() - self.protection
