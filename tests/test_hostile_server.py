"""About a minute of tests/hostile/server.py: attacks on `fer serve`."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "hostile"))

from server import campaign, table


def test_the_server_withstands_a_minute_of_attacks():
    rows = campaign()
    print(table(rows))
    assert all(tried > 0 for _, tried, _, _ in rows)
    assert not any(failed for _, _, failed, _ in rows), table(rows)
