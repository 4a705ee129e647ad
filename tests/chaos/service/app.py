"""The smallest service with a health check: it answers every request as its version behaves."""

import os
import socket

from marks import mark

with open("behaviour") as file:
    good = file.read().strip() == "good"
mark("start")
answer = b"HTTP/1.0 %s\r\nContent-Length: 0\r\n\r\n" % (b"200 OK" if good else b"500 Bad")
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
    while True:
        client, _ = server.accept()
        with client:
            client.recv(4096)
            client.sendall(answer)
