"""A step runs as processes of its own, which end with the grid."""

import signal
import socket
import subprocess
import sys

import pytest

WAIT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"here")
connection.recv(1)
"""
GRID = """
import sys
from pathlib import Path
from spacy_crossner.comparison.project import Step
from spacy_crossner.comparison.step import run_step
run_step(Path(sys.argv[1]), Step("wait", [f"python wait.py {sys.argv[2]}"], [], []), Path(sys.argv[1], "logs"))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_step_ends_with_the_grid(tmp_path, number):
    """The step waits for this test, which sees by the end of their connection that it is gone."""
    (tmp_path / "wait.py").write_text(WAIT)
    # Where tests run in the background their processes would pass over an interrupt.
    handler = signal.signal(number, signal.SIG_DFL)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        words = [sys.executable, "-c", GRID, str(tmp_path), str(server.getsockname()[1])]
        # In a group of its own: the signal is for the grid alone.
        with subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL) as process:
            signal.signal(number, handler)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(4) == b"here"
                process.send_signal(number)
                assert connection.recv(4) == b""
    assert process.returncode != 0
