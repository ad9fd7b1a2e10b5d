"""The kernel `rust`: started by Jupyter, and called by the set-up.

    python .setup/rust_kernel CONNECTION_FILE ...     the command in kernel.json
    python .setup/rust_kernel --prepare               updates the template and stops

`jupyter run` and `jupyter console` append further arguments, which are ignored.
"""

import fcntl
import subprocess
import sys

import environment
import template


def prepare():
    try:
        environment.enter()
    except environment.Refused as error:
        print(f"[kernel] {error}", file=sys.stderr)
        return 1
    with template.locked(template.LOCK, fcntl.LOCK_EX):
        try:
            template.prepare(lambda line: print(f"[kernel] {line}", file=sys.stderr, flush=True))
        except subprocess.CalledProcessError as error:
            return error.returncode
    return 0


def main(arguments):
    if arguments == ["--prepare"]:
        return prepare()
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    import bridge  # not before: the set-up has no use for Jupyter's packages

    bridge.run(arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
