"""Runs LocalStack's KMS, SQS, STS, IAM and EventBridge on loopback for as long as its parent lives.

Why not LocalStack's own command: its server binds every interface whatever it is told, it takes its settings from the
caller's environment, and its keys never die. Here it listens on 127.0.0.1 alone, on a port that was free, with the
settings below and no others, and `POST /_double/clock {"advanceSeconds": N}`, the call of our own double, moves the
clock by which pending keys are deleted.

When ready it prints one line of JSON on stdout and then nothing more; what LocalStack says goes to stderr. It ends,
within a moment and with its files removed, when stdin reaches its end or on SIGTERM or SIGINT. Exit status 1 if it is
not ready in time. It never reads AWS settings or credentials of the caller, and never calls out.
"""

import datetime
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

READY_WITHIN = 120  # seconds; about 3 are usual, 10 on the first start, and machines that run tests are busy
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR")

folder = tempfile.mkdtemp(prefix="keyward-localstack.")


def end(status: int) -> None:
    """Ends at once: a graceful stop takes LocalStack seconds, and nothing here is worth saving."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(status)


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    end(0)


def settings(port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return kept | {
        "HOME": folder,
        "FILESYSTEM_ROOT": folder,
        "TZ": "UTC",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",
        "SERVICES": "kms,sqs,sts,iam,events",
        "STRICT_SERVICE_LOADING": "1",
        "EAGER_SERVICE_LOADING": "0",
        "SQS_ENDPOINT_STRATEGY": "path",  # its other URLs have names that only a public DNS server resolves
        "DNS_ADDRESS": "0",  # no DNS server
        "DISABLE_EVENTS": "1",  # no usage reports
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "LS_LOG": "warning",
    }


def serve_on(bound: socket.socket) -> None:
    """Makes LocalStack serve on a socket that is bound already, instead of binding one to every interface."""
    from twisted.internet import endpoints

    def adopted(reactor, _port, *_, **__):
        return endpoints.AdoptedStreamServerEndpoint(reactor, bound.fileno(), socket.AF_INET)

    endpoints.TCP4ServerEndpoint = adopted


class Clock:
    """How far the time that ends pending deletions is ahead of the machine's."""

    def __init__(self) -> None:
        self.ahead = datetime.timedelta()

    def now(self) -> datetime.datetime:
        # Without a time zone, as LocalStack keeps its dates; TZ above makes it UTC.
        return datetime.datetime.now() + self.ahead

    def delete_due_keys(self) -> None:
        from localstack.services.kms.models import kms_stores

        now = self.now()
        for regions in list(kms_stores.values()):
            for store in list(regions.values()):
                due = {
                    key_id
                    for key_id, key in store.keys.items()
                    if key.metadata["KeyState"] == "PendingDeletion" and key.metadata["DeletionDate"] <= now
                }
                for key_id in due:
                    del store.keys[key_id]
                for name, alias in list(store.aliases.items()):
                    if alias.metadata["TargetKeyId"] in due:
                        del store.aliases[name]


def add_clock() -> None:
    """Adds the route, and makes dates that are set after the clock moved count from the moved clock."""
    from localstack.services.edge import ROUTER
    from localstack.services.kms.models import KmsKey
    from rolo import Request, Response

    clock = Clock()
    schedule = KmsKey.schedule_key_deletion

    def schedule_on_clock(key: KmsKey, pending_window_in_days: int) -> None:
        schedule(key, pending_window_in_days)
        key.metadata["DeletionDate"] += clock.ahead

    def clock_route(request: Request, **_) -> Response:
        if request.method == "POST":
            try:
                seconds = int(json.loads(request.get_data())["advanceSeconds"])
            except (ValueError, KeyError, TypeError):
                return Response('{"message": "expected {\\"advanceSeconds\\": N}"}', 400, mimetype="application/json")
            clock.ahead += datetime.timedelta(seconds=seconds)
            clock.delete_due_keys()
        return Response(json.dumps({"now": f"{clock.now().isoformat()}Z"}), 200, mimetype="application/json")

    KmsKey.schedule_key_deletion = schedule_on_clock
    ROUTER.add("/_double/clock", clock_route, methods=["GET", "POST"])


def list_keys(port: int) -> int:
    """Asks KMS for its keys and returns the HTTP status. LocalStack reads account and Region here, and no signature."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_WITHIN)
    try:
        connection.request("POST", "/", "{}", {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "TrentService.ListKeys",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kms/aws4_request, "
            "SignedHeaders=host, Signature=none",
        })
        return connection.getresponse().status
    finally:
        connection.close()


def announce_when_ready(port: int, stdout: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    last = "no answer"
    while time.monotonic() < deadline:
        try:
            last = f"HTTP status {list_keys(port)}"
            if last == "HTTP status 200":
                line = {"endpoint": f"http://127.0.0.1:{port}", "python": sys.executable}
                os.write(stdout, f"{json.dumps(line)}\n".encode())
                return
        except OSError as error:
            last = str(error)
        time.sleep(0.1)
    print(f"localstack: KMS did not answer ListKeys within {READY_WITHIN} s: {last}", file=sys.stderr)
    end(1)


def main() -> None:
    for caught in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(caught, lambda *_: end(0))
    threading.Thread(target=end_with_parent, daemon=True).start()

    # The line of JSON is all that stdout is for.
    stdout = os.dup(1)
    os.dup2(2, 1)

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(128)
    bound.setblocking(False)
    port = bound.getsockname()[1]

    environment = settings(port)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)

    serve_on(bound)
    add_clock()
    from localstack.runtime import main as localstack

    # LocalStack's own signal actions wait for a graceful stop.
    localstack.signal.signal = lambda *_: None
    threading.Thread(target=announce_when_ready, args=(port, stdout), daemon=True).start()
    localstack.main()
    print("localstack: the server ended by itself", file=sys.stderr)
    end(1)


if __name__ == "__main__":
    main()
