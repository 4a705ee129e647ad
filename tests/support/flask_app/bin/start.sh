#!/bin/sh
cd "$(dirname "$0")/.." || exit 1
. ./local.env
test "$(cat behaviour)" != die || exit 1
exec python3 app.py
