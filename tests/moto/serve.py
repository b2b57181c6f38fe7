"""Serves moto on a free port of loopback until stdin ends. Why a program of our own: moto's waits for no parent and ends with none."""

import json
import os
import sys

# moto would ask for these of the caller's environment.
for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
    del os.environ[name]

from moto.server import ThreadedMotoServer

stdout = os.dup(1)
os.dup2(2, 1)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.write(stdout, f"{json.dumps({'endpoint': f'http://127.0.0.1:{port}'})}\n".encode())
while os.read(0, 4096):
    pass
# A graceful stop waits for connections that clients keep open.
os._exit(0)
