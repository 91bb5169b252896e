"""What ADBC takes to read a workspace's journeys, a stretch of people at a time. Run by
attribution_ten_million.py in an environment of its own.

Input: JSON with uri, workspace, stretches and the selects, each of which takes the workspace and a stretch.
"""

import json
import sys

from adbc_driver_postgresql import dbapi

from benchmarks._measure import Steps, cpu_of


def main() -> None:
    asked = json.load(sys.stdin)
    with dbapi.connect(asked["uri"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.ws', $1, false)", [str(asked["workspace"])])
        cursor.fetchall()
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
        steps = Steps(server=lambda: cpu_of(backend))
        with steps.step("read by ADBC"):
            rows = 0
            for stretch in asked["stretches"]:
                for select in asked["selects"]:
                    cursor.execute(select, [asked["workspace"], *stretch])
                    rows += cursor.fetch_arrow_table().num_rows
    print(json.dumps({"rows": rows, **vars(steps.done["read by ADBC"])}))


if __name__ == "__main__":
    main()
