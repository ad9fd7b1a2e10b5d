"""`make doctor`: a page that names problems, without names of users, hosts and home folders."""

import os
import re
import subprocess
import sys

import doctor
import environment
import pytest


@pytest.fixture
def page(monkeypatch, tmp_path):
    home = tmp_path / "home" / "ada.private"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(doctor.getpass, "getuser", lambda: "adaprivate")
    monkeypatch.setattr(doctor.socket, "gethostname", lambda: "adas-laptop")
    return doctor.Page()


def test_the_whole_page_ends_with_no_fault_here(root):
    done = subprocess.run(
        [sys.executable, root / ".setup" / "doctor.py"],
        env={**os.environ, "FER_EPOCHS": "2", "CXXFLAGS": "-O1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("Machine", "Versions", "GPU", "Variables", "Set-up", "no faults found"):
        assert words in done.stdout
    assert re.search(r"FER_EPOCHS +2", done.stdout)
    assert re.search(r"CXXFLAGS +-O1 +\(not used", done.stdout)
    assert re.search(r"start and first cell +[\d.]+ s", done.stdout)
    assert str(root) not in done.stdout


def test_names_and_homes_are_taken_out(page, tmp_path):
    home = os.environ["HOME"]
    text = f"{home}/data of adaprivate at adas-laptop, /home/somebody/x and {doctor.setup.ROOT}/build; adaprivately"
    assert page.clean(text) == "~/data of USER at HOST, ~/x and ./build; adaprivately"


def test_a_configuration_that_the_kernel_refuses_is_a_fault(page, monkeypatch, capsys):
    def refuse(environ):
        raise environment.Refused("config.toml sets build.rustc")

    monkeypatch.setattr(environment, "built_with", refuse)
    doctor.variables(page)
    assert page.faults == 1
    assert "! config.toml sets build.rustc" in capsys.readouterr().out


def test_a_driver_that_is_too_old_says_what_follows(page, monkeypatch, capsys):
    answers = {
        "--query-gpu=name,driver_version,memory.total": "NVIDIA T4, 535.161.08, 15360 MiB",
        None: "| NVIDIA-SMI 535.161.08   Driver Version: 535.161.08   CUDA Version: 12.2     |",
    }
    monkeypatch.setattr(doctor.setup, "output", lambda *command: answers[command[1] if command[1:] else None])
    monkeypatch.setattr(doctor, "torch_version", lambda: "cuda: Optional[str] = '13.0'\n")
    doctor.gpu(page)
    out = capsys.readouterr().out
    assert "NVIDIA T4" in out and "! the driver offers CUDA 12.2 and libtorch needs 13.0" in out
    assert page.faults == 1


def test_a_temporary_folder_that_is_gone_is_a_fault(page, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    doctor.machine(page)
    assert "! TMPDIR names" in capsys.readouterr().out
