"""ClickHouse for tests on a machine without Docker: the real engine, in this process (PyPI
package chdb-core), behind ClickHouse's HTTP interface.

    python clickhouse-http.py --port 18123 --path DIR --user U --password P

Known to work with clickhouse-go/v2 (Protocol: clickhouse.HTTP), ClickHouse's Java client and
curl. Each request has an engine connection of its own (about 1 ms), so requests run in parallel
and the settings of one are not seen by the next.

Not here: the native protocol, users and roles beyond the one, system.query_log, streaming of
results (a result is built in memory), progress headers.
"""

import argparse
import base64
import gzip
import hmac
import os
import re
import signal
import struct
import threading
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import lz4.block
import lz4.frame
import zstandard
from chdb import _chdb
from clickhouse_cityhash.cityhash import CityHash128

# URL parameters that speak to the HTTP interface; every other one is a setting.
NOT_SETTINGS = {
    "buffer_size", "client_protocol_version", "close_session", "compress", "database", "decompress",
    "default_format", "enable_http_compression", "jwt", "network_compression_method", "password",
    "query", "query_id", "quota_key", "role", "session_check", "session_id", "session_timeout",
    "stacktrace", "user", "wait_end_of_query",
}

# Exception codes that are not answered with 500.
STATUS = {"516": 403, "60": 404, "81": 404, "47": 404}

INSERT = re.compile(rb"\s*INSERT\s+INTO\b", re.I)
FORMAT = re.compile(rb"\bFORMAT\s+(\w+)[ \t]*;?[ \t]*(?:\r?\n|$|[ \t])", re.I)
LAST_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
VALUES = re.compile(rb"\bVALUES\s*$", re.I)
SETTINGS = re.compile(r"\bSETTINGS\b", re.I)


# ---- ClickHouse's compressed blocks: checksum, method, two sizes, data ----

LZ4, ZSTD = 0x82, 0x90


def checksum(b):
    h = CityHash128(b)
    return struct.pack("<QQ", h >> 64, h & (1 << 64) - 1)


def decompress(b):
    out, p = [], 0
    while p < len(b):
        size, raw = struct.unpack_from("<II", b, p + 17)
        block = b[p + 16 : p + 16 + size]
        if checksum(block) != b[p : p + 16]:
            raise RuntimeError("Code: 40. DB::Exception: Checksum doesn't match: corrupted data. (CHECKSUM_DOESNT_MATCH)")
        if block[0] == LZ4:
            out.append(lz4.block.decompress(block[9:], uncompressed_size=raw))
        elif block[0] == ZSTD:
            out.append(zstandard.decompress(block[9:], max_output_size=raw))
        else:
            out.append(block[9:])
        p += 16 + size
    return b"".join(out)


def compress(b, method):
    out = []
    for i in range(0, len(b), 1 << 20):
        raw = b[i : i + (1 << 20)]
        if method == ZSTD:
            z = zstandard.compress(raw, 1)
        else:
            z = lz4.block.compress(raw, store_size=False)
        block = struct.pack("<BII", method, len(z) + 9, len(raw)) + z
        out += [checksum(block), block]
    return b"".join(out)


# ---- the engine ----


class Engine:
    """The engine of this process; its root connection keeps it open."""

    def __init__(self, path):
        self.path = path
        self.root = self.connect()
        version = self.root.query("SELECT version(), timezone()", "TSV").bytes().decode()
        self.version, self.timezone = version.strip().split("\t")
        self.sessions, self.lock = {}, threading.Lock()

    def connect(self):
        return _chdb.connect(self.path or ":memory:")

    def run(self, params, headers, body):
        """Runs one request; returns the result and headers for it."""
        query = params.get("query", "").encode()
        if query and body and not INSERT.match(query):
            query, body = query + b"\n" + body, b""
        if not query:
            query, body = body, b""
        if b"displayName(), version(), revision(), timezone()" in query and params.get("client_protocol_version"):
            return self.hello(), [("X-ClickHouse-Format", "Native")]
        if params.get("session_id"):
            with self.lock:
                connection, lock = self.sessions.get(params["session_id"], (None, None))
                if connection is None:
                    connection, lock = self.connect(), threading.Lock()
                    self.sessions[params["session_id"]] = connection, lock
            with lock:
                return self.execute(connection, params, headers, query, body)
        connection = self.connect()
        try:
            return self.execute(connection, params, headers, query, body)
        finally:
            connection.close()

    def hello(self):
        """The answer to clickhouse-go's first query. The driver reads it at its own protocol
        revision; revision() = 0 makes it read every later block as plain Native, which is what
        this engine writes."""

        def text(s):
            b = s.encode()
            return bytes([len(b)]) + b

        columns = (
            ("displayName()", "String", text("chdb")),
            ("version()", "String", text(self.version)),
            ("revision()", "UInt32", struct.pack("<I", 0)),
            ("timezone()", "String", text(self.timezone)),
        )
        block = b"".join(text(name) + text(kind) + b"\0" + value for name, kind, value in columns)
        return b"\x01\x00\x02" + struct.pack("<i", -1) + b"\x00" + b"\x04\x01" + block

    def execute(self, connection, params, headers, query, body):
        database = params.get("database") or headers.get("X-ClickHouse-Database")
        if database and database != "default":
            connection.query("USE `%s`" % database.replace("`", ""))
        settings = ", ".join(f"{k} = {quote(v)}" for k, v in params.items() if k not in NOT_SETTINGS)
        if settings:
            connection.query("SET " + settings)
        if INSERT.match(query):
            found = FORMAT.search(query)
            if found and not body and found.group(1).lower() != b"values":
                query, body = query[: found.end()], query[found.end() :]
            if body:
                return b"", self.headers(params, *self.insert(connection, query, found, body))
        form = params.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
        result = connection.query(query.decode().strip().rstrip(";"), form)
        found = LAST_FORMAT.search(query)
        form = found.group(1).decode() if found else form
        return result.bytes(), self.headers(params, result.rows_read(), result.bytes_read(), 0, 0) + [("X-ClickHouse-Format", form)]

    def insert(self, connection, query, found, body):
        """Inserts through a file: the engine's streaming insert hides errors raised at its end,
        such as a violated CONSTRAINT. The file is memory, so nothing stays behind a kill."""
        if found:
            head, form = query[: found.start()].decode(), found.group(1).decode()
        else:
            head, form = VALUES.sub(b"", query.rstrip().rstrip(b";")).decode(), "Values"
        settings = SETTINGS.search(head)
        at = settings.start() if settings else len(head)
        with os.fdopen(os.memfd_create("insert"), "wb") as f:
            f.write(body)
            f.flush()
            size = len(body)
            del body
            sql = f"{head[:at]} FROM INFILE '/proc/self/fd/{f.fileno()}' COMPRESSION 'none' {head[at:]} FORMAT {form}"
            rows = connection.query(sql).rows_written()
        return rows, size, rows, size

    def headers(self, params, read_rows, read_bytes, written_rows, written_bytes):
        summary = (
            f'{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}",'
            f'"written_rows":"{written_rows}","written_bytes":"{written_bytes}",'
            f'"total_rows_to_read":"0","result_rows":"{written_rows}","result_bytes":"0","elapsed_ns":"1"}}'
        )
        return [
            ("X-ClickHouse-Query-Id", params.get("query_id") or str(uuid.uuid4())),
            ("X-ClickHouse-Summary", summary),
        ]


def quote(s):
    return "'" + s.replace("\\", "\\\\").replace("'", "\\'") + "'"


# ---- the HTTP interface ----


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "chdb"
    disable_nagle_algorithm = True  # head and body are two writes

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self.body()
        if url.path == "/ping" or (url.path == "/" and not params and not body):
            return self.reply(200, b"Ok.\n")
        engine = self.server.engine
        try:
            self.authenticate(params)
            body = self.decoded(body)
            if params.get("decompress") == "1":
                body = decompress(body)
            data, extra = engine.run(params, self.headers, body)
        except Exception as e:
            return self.fail(str(e))
        if params.get("compress") == "1":
            method = ZSTD if params.get("network_compression_method", "").upper() == "ZSTD" else LZ4
            data = compress(data, method)
        elif data and self.headers.get("Accept-Encoding") == "gzip" and params.get("enable_http_compression", "1") == "1":
            data = gzip.compress(data, 1)
            extra.append(("Content-Encoding", "gzip"))
        self.reply(200, data, extra)

    do_POST = do_HEAD = do_GET

    def body(self):
        if "chunked" not in (self.headers.get("Transfer-Encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = []
        while True:
            n = int(self.rfile.readline().split(b";")[0], 16)
            if n == 0:
                break
            out.append(self.rfile.read(n))
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(out)

    def decoded(self, body):
        encoding = (self.headers.get("Content-Encoding") or "").lower()
        if encoding == "gzip":
            return gzip.decompress(body)
        if encoding == "deflate":
            return zlib.decompress(body)
        if encoding == "zstd":
            return zstandard.decompressobj().decompress(body)
        if encoding == "lz4":
            return lz4.frame.decompress(body)
        return body

    def authenticate(self, params):
        user = params.get("user") or self.headers.get("X-ClickHouse-User")
        password = params.get("password") or self.headers.get("X-ClickHouse-Key")
        authorization = self.headers.get("Authorization") or ""
        if authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
        user, password = user or "default", password or ""
        want_user, want_password = self.server.user
        if user != want_user or not hmac.compare_digest(password.encode(), want_password.encode()):
            raise RuntimeError(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, "
                "or there is no user with such name. (AUTHENTICATION_FAILED)"
            )

    def fail(self, message):
        found = re.search(r"Code: (\d+)", message)
        code = found.group(1) if found else "1002"
        if not message.startswith("Code:"):
            message = f"Code: {code}. DB::Exception: {message}"
        message += f" (version {self.server.engine.version})\n"
        self.reply(STATUS.get(code, 500), message.encode(), [("X-ClickHouse-Exception-Code", code)])

    def reply(self, status, data, extra=()):
        self.send_response(status)
        for name, value in extra:
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Timezone", self.server.engine.timezone)
        self.send_header("X-ClickHouse-Server-Display-Name", "chdb")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=18123)
    parser.add_argument("--path", default="", help="data directory; empty: in memory")
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    args = parser.parse_args()
    server = Server(("127.0.0.1", args.port), Handler, bind_and_activate=False)
    server.server_bind()
    server.user = (args.user, args.password)
    server.engine = Engine(os.path.abspath(args.path) if args.path else "")
    server.server_activate()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"clickhouse {server.engine.version} (chdb) on http://127.0.0.1:{args.port}", flush=True)
    server.serve_forever()
    server.engine.root.close()


main()
