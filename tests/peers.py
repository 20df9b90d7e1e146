"""Installs what tests talk to: independent AWS emulators and SQL engines, each in a venv of its own,
and PostgreSQL and a few programs, from the system's packages."""

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
PROGRAMS_OF_THE_SYSTEM = {"ssh-keygen": "openssh-client", "jq": "jq", "c++": "g++"}


def has_postgresql() -> bool:
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return any(versions) or shutil.which("initdb") is not None


def install(package: str) -> None:
    """Installs a package of the system, where that can be done."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"{package} is not installed; as root: apt-get install {package}")
    print(f"installing {package}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run(["apt-get", "install", "-qq", "-y", package], check=True, env=quiet)


def main() -> int:
    # The tests start a server of their own; one that the package starts is not used.
    if not has_postgresql():
        install("postgresql")
    for program, package in PROGRAMS_OF_THE_SYSTEM.items():
        if shutil.which(program) is None:
            install(package)
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
