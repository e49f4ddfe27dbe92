"""Print the JSON lines of the benches as one table per bench."""
import json
import sys


def main(path):
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for bench in dict.fromkeys(row["bench"] for row in rows):
        mine = [row for row in rows if row["bench"] == bench]
        names = [name for name in mine[0] if name != "bench"]
        cells = [names] + [[str(row.get(name, "")) for name in names] for row in mine]
        widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
        print("\n" + bench)
        for line in cells:
            print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths)))


if __name__ == "__main__":
    main(sys.argv[1])
