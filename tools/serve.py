"""Serve the built book to this machine's browser: python tools/serve.py _build/html [PORT]"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, says only what went wrong, and lets nothing be cached: a rebuilt book shows."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *args) -> None:
        pass

    def log_error(self, format: str, *args) -> None:
        print(format % args, file=sys.stderr)


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of `folder` on the loopback address; port 0 takes any free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder)))


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    if not (folder / "index.html").is_file():
        sys.exit(f"{folder} holds no built book (no index.html); run `make book` first.")
    try:
        httpd = server(folder, port)
    except OSError as error:
        sys.exit(f"Port {port} cannot be had ({error.strerror}); try `make serve PORT={port + 1}`.")
    print(f"The book is at http://127.0.0.1:{port}/ (Ctrl-C ends)", flush=True)
    try:
        httpd.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
