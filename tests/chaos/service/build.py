"""A build that does nothing but say that it works, every 50 ms."""

import time

from marks import mark

with open("seconds") as file:
    seconds = float(file.read())
mark("build")
end = time.monotonic() + seconds
while time.monotonic() < end:
    time.sleep(0.05)
    mark("step")
