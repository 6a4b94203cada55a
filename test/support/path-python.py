"""Answers with the path of the file that Python's http.server would look for, on the unix socket it is given."""

import http.server
import socketserver
import sys


BASE = "/base"


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=BASE)

    def do_GET(self):
        seen = self.translate_path(self.path).removeprefix(BASE).encode("utf-8", "surrogateescape")
        self.send_response(200)
        self.send_header("Content-Length", str(len(seen)))
        self.end_headers()
        self.wfile.write(seen)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


Server(sys.argv[1], Handler).serve_forever()
