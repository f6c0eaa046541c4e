import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from models.dialect import is_full


def test_a_full_disk_is_told_from_other_failures() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE kept (content BLOB)"))
        connection.execute(text("PRAGMA max_page_count = 4"))
        with pytest.raises(OperationalError) as full:
            connection.execute(text("INSERT INTO kept VALUES (zeroblob(100000))"))
        with pytest.raises(OperationalError) as other:
            connection.execute(text("SELECT * FROM nowhere"))
    engine.dispose()
    assert is_full(full.value)
    assert not is_full(other.value)
