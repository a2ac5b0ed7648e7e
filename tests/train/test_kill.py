"""Runs that are killed at random moments, and runs whose disk is full, lose nothing."""

import importlib.util

from tests.support import ROOT

spec = importlib.util.spec_from_file_location("kill_training", ROOT / "tools" / "kill_training.py")
kill_training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kill_training)


def test_killed_runs_go_on_bit_equal(tmp_path):
    result = kill_training.kill(tmp_path, kills=20, seed=5)
    assert result["amid_a_write"], "no kill hit a save; the test proves nothing"
    assert result["lost"] == result["litter"] == 0 and result["bit_equal"]


def test_full_disks_lose_nothing(tmp_path):
    result = kill_training.full_disks(tmp_path, count=4, seed=0)
    assert result["failed"] == 0 and result["full"] > 0
