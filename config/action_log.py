"""The keys about the action log: its exports, and what becomes of old entries."""

from pydantic import Field

from config.group import Group
from config.kinds import Duration, Flag, Seconds, StoreFolder, Text


class LogKeys(Group):
    title = "Action log"

    FEATURE_LOG_EXPORT: Flag = Field(
        default=True, description="Administrators may have the action log written to a file that they fetch."
    )
    FEATURE_ACTION_LOG_ROTATION: Flag = Field(
        default=False,
        description="Old entries of the action log are moved to storage, as compressed files of JSON lines; they are "
        "not shown any more then, but daily counts go on to count them.",
    )
    ACTION_LOG_ROTATION_THRESHOLD: Duration = Field(
        default="30d", description="How old an entry of the action log is when it is moved."
    )
    ACTION_LOG_ARCHIVE_PATH: StoreFolder = Field(
        default="action-log", description="The folder in storage to which old entries are moved."
    )
    ACTION_LOG_ARCHIVE_LOCATION: Text | None = Field(
        default=None,
        description="The location of DISTRIBUTED_STORAGE_CONFIG to which old entries are moved; by default that of the "
        "images.",
    )
    EXPORT_ACTION_LOGS_SECONDS: Seconds = Field(
        default=3600, description="How long an exported log can be fetched, in seconds; then its file goes."
    )
    EXPORT_ACTION_LOGS_MAXIMUM_SECONDS: Seconds = Field(
        default=7200, description="Longest time that an export may take, in seconds."
    )
