"""A service that publishes exchange rates: `python -m examples.rates.server [PORT]`.

It answers a request with 503 now and then, as services do. Days that it does not know are 404.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

RATES = {
    "2026-01-02": {"USD": "1.1750", "GBP": "0.8712", "JPY": "184.09"},
    "2026-01-05": {"USD": "1.1701", "GBP": "0.8665", "JPY": "183.55"},
}


class Rates(BaseHTTPRequestHandler):
    """GET /DAY"""

    requests = count(1)

    def do_GET(self) -> None:
        day = self.path.strip("/")
        if next(self.requests) == 1:
            self.answer(503, {"error": "warming up"})
        elif day in RATES:
            self.answer(200, {"base": "EUR", "day": day, "rates": RATES[day]})
        else:
            self.answer(404, {"error": f"no rates for {day}"})

    def answer(self, status: int, value: object) -> None:
        """Send JSON."""
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8900
    with ThreadingHTTPServer(("127.0.0.1", port), Rates) as server:
        server.serve_forever()
