# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of a test's own, in a temporary folder, reached by a socket there. It refuses to run as root, so root
starts it as somebody else. It is not made to sync: what a crash of the machine leaves is not tested here."""
import ctypes
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from harness import DEADLINE


def programs():
    """The folder of initdb and postgres; None where PostgreSQL is not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return pathlib.Path(found[-1]).parent if found else None


class Postgres:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="topn-postgres-")
        self.process = None
        self.owner = None
        try:
            if os.geteuid() == 0:
                names = {entry.pw_name for entry in pwd.getpwall()}
                self.owner = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
                os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
            self.spawn("initdb", "-D", "data", "-A", "trust", "-U", "topn", "-E", "UTF8", "-N", "--locale=C").wait(DEADLINE)
            self.start()
        except BaseException:
            self.remove()
            raise
        self.address = f"postgresql:///postgres?host={self.folder}&user=topn"

    def spawn(self, program, *arguments):
        def prepare():
            if self.owner:
                os.setgid(self.owner.pw_gid)
                os.setuid(self.owner.pw_uid)
            ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: it ends with the test

        with open(f"{self.folder}/log", "ab") as log:
            return subprocess.Popen([programs() / program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, preexec_fn=prepare)

    def start(self):
        self.process = self.spawn("postgres", "-D", "data", "-k", self.folder, "-h", "", "-F")
        end = time.monotonic() + DEADLINE
        while subprocess.run([programs() / "pg_isready", "-q", "-h", self.folder]).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(pathlib.Path(self.folder, "log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def end(self, number=signal.SIGINT):
        """SIGINT: in order; SIGQUIT: at once, as after a crash."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(DEADLINE)

    def remove(self):
        self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.remove()
