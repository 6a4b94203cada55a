"""Reads length-prefixed byte strings and says, for each, what Python's http.server takes them for, as a line of JSON."""

import http.client
import http.server
import io
import json
import struct
import sys


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.rfile = io.BytesIO(self.request)
        self.wfile = io.BytesIO()

    def finish(self):
        pass

    def log_message(self, *_):
        pass

    def send_error(self, code, message=None, explain=None):
        self.server.append({"error": int(code)})
        self.close_connection = True

    def record(self):
        length = self.headers.get_all("Content-Length") or []
        coding = self.headers.get_all("Transfer-Encoding") or []
        body = b""
        if coding:
            while True:
                size = int(self.rfile.readline().strip(), 16)
                body += self.rfile.read(size)
                if size == 0:
                    break
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        elif length:
            body = self.rfile.read(int(length[0]))
        self.server.append(
            {
                "method": self.command,
                "target": self.raw_target,
                "host": self.headers.get_all("Host") or [],
                "length": length,
                "coding": coding,
                "body": body.decode("latin-1"),
            }
        )

    def parse_request(self):
        # the parser itself joins leading slashes of a path; what was sent is wanted here
        words = str(self.raw_requestline, "iso-8859-1").split()
        self.raw_target = words[1] if len(words) > 1 else ""
        return super().parse_request()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.record
        raise AttributeError(name)


# it counts lines, and less of them
http.client._MAXHEADERS = 1000


def main():
    source = sys.stdin.buffer
    while True:
        prefix = source.read(4)
        if len(prefix) < 4:
            return
        data = source.read(struct.unpack(">I", prefix)[0])
        seen = []
        try:
            Recorder(data, ("127.0.0.1", 0), seen)
        except Exception as error:
            seen.append({"error": repr(error)})
        print(json.dumps(seen), flush=True)


main()
