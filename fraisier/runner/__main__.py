"""Try how this machine can end the processes of a run, and print that as JSON."""

import json
import sys
from dataclasses import asdict

from fraisier.runner.mechanism import choose

if __name__ == "__main__":
    print(json.dumps(asdict(choose(*sys.argv[1:]))))
