"""PostgreSQL without its driver's cost for each statement: libpq itself, with prepared statements and pipelines.

What answers nothing is not sent at once: it leaves with the next statement that does, or with the commit, in one round
trip, and an error of it is raised there. The driver may be used in between, once `send_waiting` was called.
"""

import itertools
import json
import select
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError, pq
from psycopg.errors import error_from_result

from models.prepared import Ask, Prepared, Rows, Values

TEXT, BINARY = 0, 1
_KEEP_PLANS = "SET LOCAL plan_cache_mode = force_generic_plan"
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
_numbers = itertools.count()  # of statements: unique in the process, since a connection may pass to another Libpq
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class _Command(NamedTuple):
    """A prepared statement and its values, as libpq takes them."""

    name: bytes
    values: Any  # a list; psycopg's own annotations leave out that a value may be None
    formats: list[int]


class Libpq:
    """One connection. Not thread-safe. psycopg.Error, as the driver would raise it."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self.serves = connection
        self._connection = connection.pgconn
        self._names: dict[str, bytes] = {}
        self._decoders: dict[str, list[Callable[[bytes], Any]]] = {}
        self._waiting: list[_Command] = []
        self._poll = select.poll()

    def run(self, prepared: Prepared, rows: list[Values]) -> Rows:
        """Run the statement with each of the rows' values; all that it answers."""
        commands = [self._command(prepared, row) for row in rows]
        if not prepared.answers:
            self._waiting += commands
            return Rows()
        return self._rows(prepared, self._answers(commands))

    def ask(self, asked: list[Ask]) -> list[Rows]:
        """What each of the queries finds, all of them in one round trip. None is answered if one fails."""
        results = self._answers([self._command(query, values) for query, values in asked])
        return [self._rows(each.query, [result]) for each, result in zip(asked, results, strict=True)]

    def keep_plans(self) -> None:
        """Have statements run by the plans they have, until this transaction ends."""
        self._waiting.append(_Command(self._named(_KEEP_PLANS), [], []))

    def send_waiting(self) -> None:
        """Have what waits carried out."""
        if self._waiting:
            self._send(self._waiting)

    def commit(self) -> None:
        """Have what waits carried out and committed. If nothing waits, the driver commits."""
        if self._waiting:
            self._send(self._waiting, commit=True)

    def forget_waiting(self) -> None:
        self._waiting = []

    def _command(self, prepared: Prepared, values: Values) -> _Command:
        return _command(self._named(prepared.sql), prepared.arguments(values))

    def _answers(self, commands: list[_Command]) -> list[pq.abc.PGresult]:
        """What the commands answer, after what waits was carried out."""
        if len(commands) > 1 or self._waiting or self._must_begin:
            return self._send(self._waiting + commands)[-len(commands) :]
        (command,) = commands
        return [self._checked(self._connection.exec_prepared(command.name, command.values, command.formats, BINARY))]

    def _rows(self, prepared: Prepared, results: list[pq.abc.PGresult]) -> Rows:
        return prepared.rows(
            partial(_names, results[0]), [row for each in results for row in self._read(prepared, each)]
        )

    @property
    def _must_begin(self) -> bool:
        """Whether the driver would begin a transaction now."""
        return not self.serves.autocommit and self._connection.transaction_status == pq.TransactionStatus.IDLE

    def _named(self, sql: str) -> bytes:
        """The statement's name, prepared if it was not."""
        if known := self._names.get(sql):
            return known
        name = self._names[sql] = f"run_{next(_numbers)}".encode()
        self._checked(self._connection.prepare(name, sql.encode()))
        return name

    def _send(self, commands: list[_Command], *, commit: bool = False) -> list[pq.abc.PGresult]:
        """The results of the commands, one for each, and of what begins and ends a transaction around them."""
        self._waiting = []
        connection, begin = self._connection, self._must_begin
        connection.enter_pipeline_mode()
        if begin:
            connection.send_query_params(b"BEGIN", None)
        for name, values, formats in commands:
            connection.send_query_prepared(name, values, formats, BINARY)
        if commit:
            connection.send_query_params(b"COMMIT", None)
        connection.pipeline_sync()
        results = self._results()
        connection.exit_pipeline_mode()
        for result in results:
            self._checked(result)
        return results

    def _results(self) -> list[pq.abc.PGresult]:
        """All until the server has done what it was sent. Who waits for it must not keep other threads from working."""
        results: list[pq.abc.PGresult] = []
        while True:
            self._wait()
            result = self._connection.get_result()
            if result is None:
                if self._connection.status != pq.ConnStatus.OK:
                    raise OperationalError("the connection was lost")
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _wait(self) -> None:
        """Until the next result is here."""
        connection = self._connection
        while (unsent := connection.flush()) or connection.is_busy():
            self._poll.register(connection.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            self._poll.poll()
            connection.consume_input()

    def _checked(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in _DONE:
            return result
        if self._connection.status != pq.ConnStatus.OK:
            raise OperationalError("the connection was lost")
        raise error_from_result(result)

    def _read(self, prepared: Prepared, result: pq.abc.PGresult) -> list[list[Any]]:
        decoders = self._decoders.get(prepared.sql)
        if decoders is None:
            types = [result.ftype(column) for column in range(result.nfields)]
            decoders = self._decoders[prepared.sql] = [_DECODERS[type_] for type_ in types]
        columns, get = list(enumerate(decoders)), result.get_value
        return [[_decoded(decode, get(row, column)) for column, decode in columns] for row in range(result.ntuples)]


def _names(result: pq.abc.PGresult) -> list[str]:
    return [(result.fname(column) or b"").decode() for column in range(result.nfields)]


def _command(name: bytes, arguments: list[Any]) -> _Command:
    """Texts and bytes go as they are, in binary form; everything else as PostgreSQL reads it."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for value in arguments:
        if isinstance(value, bytes):
            values.append(value)
            formats.append(BINARY)
        elif isinstance(value, str):
            values.append(value.encode())
            formats.append(BINARY)
        else:
            values.append(None if value is None else _written(value).encode())
            formats.append(TEXT)
    return _Command(name, values, formats)


def _written(value: Any) -> str:
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if isinstance(value, list):
        return f"{{{','.join(_element(each) for each in value)}}}"
    return str(value)


def _element(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _decoded(decode: Callable[[bytes], Any], value: bytes | None) -> Any:
    return None if value is None else decode(value)


_WHOLE = partial(int.from_bytes, byteorder="big", signed=True)
_DECODERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"\x01",  # boolean
    17: bytes,  # bytea
    20: _WHOLE,  # bigint
    23: _WHOLE,  # integer
    25: bytes.decode,  # text
    114: json.loads,  # json
    1043: bytes.decode,  # character varying
    1184: lambda value: _EPOCH + timedelta(microseconds=_WHOLE(value)),  # timestamp with time zone
}
"""By the type's number (pg_type.oid): how it reads in PostgreSQL's binary form."""
