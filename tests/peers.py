"""Installs the independent AWS emulators that tests talk to, each in a venv of its own."""

import os
import pathlib
import subprocess
import sys

PEERS = {"ministack": "ministack==1.5.33", "moto": "moto[server]==5.2.5"}


def main() -> int:
    folder = pathlib.Path(os.environ.get("RELATCH_PEERS", "/var/tmp/relatch-peers"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in PEERS.items():
        venv = folder / name
        done = venv / f".installed-{package.replace('[', '-').replace(']', '')}"
        if done.exists() or (venv / "bin" / ("moto_server" if name == "moto" else name)).exists():
            continue
        print(f"installing the emulator {package} into {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", package], check=True)
        done.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
