"""Installs what tests talk to: independent AWS emulators and SQL engines, each in a venv of its own,
and the PostgreSQL server, from the system's packages."""

import os
import pathlib
import shutil
import subprocess
import sys

PEERS = {
    "ministack": ["ministack==1.5.33"],
    "moto": ["moto[server]==5.2.5"],
    "sql": ["duckdb==2.0.0", "sqlglot==30.30.0"],
}
PROGRAMS = {"ministack": "ministack", "moto": "moto_server"}


def has_postgresql() -> bool:
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return any(versions) or shutil.which("initdb") is not None


def install_postgresql() -> None:
    """The tests start a server of their own; one that the package starts is not used."""
    if has_postgresql():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("PostgreSQL is not installed; as root: apt-get install postgresql")
    print("installing PostgreSQL", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run(["apt-get", "install", "-qq", "-y", "postgresql"], check=True, env=quiet)


def main() -> int:
    install_postgresql()
    if shutil.which("ssh-keygen") is None:
        sys.exit("ssh-keygen is not installed; as root: apt-get install openssh-client")
    folder = pathlib.Path(os.environ.get("RELATCH_PEERS", "/var/tmp/relatch-peers"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, packages in PEERS.items():
        venv = folder / name
        what = "-".join(packages).replace("[", "-").replace("]", "")
        done = venv / f".installed-{what}"
        if done.exists() or name in PROGRAMS and (venv / "bin" / PROGRAMS[name]).exists():
            continue
        print(f"installing {', '.join(packages)} into {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", *packages], check=True)
        done.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
