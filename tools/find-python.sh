#!/bin/sh
# Print a Python that the lock supports. 3.11 comes first because the lock was made on it; the
# version managers' folders are looked through because their `python3.12` on PATH may be a stub.
# VAE_BOOK_PYTHON names the one to be taken instead.
if [ -n "${VAE_BOOK_PYTHON:-}" ]; then
    set -- "$VAE_BOOK_PYTHON"
else
    set -- python3.11 python3.12 python3.13 python3.14 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1234].*/bin/python python
fi
for name in "$@"; do
    if "$name" -c 'import sys, venv, ensurepip, sqlite3; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
        exec "$name" -c 'import sys; print(sys.executable)'
    fi
done
echo "No Python 3.11 to 3.14 with venv, pip and sqlite3 was found${VAE_BOOK_PYTHON:+, for VAE_BOOK_PYTHON is $VAE_BOOK_PYTHON}; found: $(python3 --version 2>&1)." \
    "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), then run make again." >&2
exit 1
