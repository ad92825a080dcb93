"""Reads Autobahn's index.json: counts the results, names what is not strict, and fails when a case failed.

wstest itself exits 0 whatever the cases say.
"""

import json
import sys

STRICT = {"OK", "INFORMATIONAL"}
TOLERATED = {"NON-STRICT"}
FEWEST = 515  # fewer means that the run ended early


def main(path):
    with open(path, encoding="utf-8") as file:
        (cases,) = json.load(file).values()

    def order(case):
        return [int(part) for part in case.split(".")]

    results = {"behavior": {}, "behaviorClose": {}}
    failed, loose = [], []
    for case in sorted(cases, key=order):
        for aspect, counts in results.items():
            verdict = cases[case][aspect]
            counts[verdict] = counts.get(verdict, 0) + 1
            if verdict in TOLERATED:
                loose.append(f"{case} ({aspect})")
            elif verdict not in STRICT:
                failed.append(f"{case} ({aspect}): {verdict}")
    for aspect, counts in results.items():
        print(f"autobahn: {aspect}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    print("autobahn: non-strict: " + (", ".join(loose) or "none"))
    if len(cases) < FEWEST:
        failed.append(f"only {len(cases)} cases ran")
    for line in failed:
        print(f"autobahn: FAILED {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
