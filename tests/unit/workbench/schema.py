"""schema.py WORKBENCH SOURCE: problems, answers and frontiers are what their schemas say.

The examples of docs/optimize.md are valid; each answer of the program to them is, and they are
solved; what the program refuses by its shape, the schema refuses too. Of frontiers every kind of
end is met.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import jsonschema

WORKBENCH, SOURCE = sys.argv[1:]
GOOD = {"assets": ["A", "B"], "method": "min_variance", "covariance": [[1, 0], [0, 1]]}
BAD = [  # fields put into GOOD; None takes one out
    {"asets": 1}, {"assets": None}, {"assets": []}, {"assets": ["A", "A"]}, {"method": "min"},
    {"covariance": None}, {"covariance": 1}, {"returns": [[1, 2], [2, 1]]}, {"mean": 1},
    {"method": "max_sharpe"}, {"method": "target_risk", "mean": [1, 2]}, {"target_return": 1},
    {"weights": [1, 0]}, {"benchmark": [1, 0]}, {"group_bounds": {"G": [0, 1]}},
    {"groups": {"G": []}}, {"constraints": "A <= 1"}, {"turnover_max": -1}, {"id": 3},
    {"options": {"explian": True}}, {"options": {"explain": 1}}, {"lower": "0"},
    {"covariance": None, "factors": {"loadings": [[1], [2]]}},
]

FRONTIER = {**GOOD, "mean": [0.1, 0.2]}
FRONTIERS = [  # fields put into FRONTIER, the exit code, the outcome, those of best and choice
    ({}, 0, "whole", "solved", "solved"),
    ({"id": "x", "current": [0.5, 0.4], "constraints": ["A <= 0.3"]}, 0, "whole", "solved",
     "solved"),
    ({"risk_free": 1}, 0, "whole", "no_excess_return", "solved"),
    ({"covariance": [[0, 0], [0, 1]]}, 0, "whole", "no_risk", "solved"),
    ({"method": "target_return", "target_return": 9}, 0, "whole", "solved", "infeasible"),
    ({"current": [0, 0], "upper": {"A": 0.5, "B": 0.5}}, 0, "whole", "solved", "solved"),
    ({"upper": 0.4}, 6, "infeasible", None, None),
    ({"covariance": [[1, 2], [2, 1]]}, 6, "not_convex", None, None),
    ({"lower": None, "upper": None}, 6, "unbounded", None, None),
    ({"mean": None}, 3, "invalid", None, None),
    ({"assets": []}, 3, "invalid", None, None),
]


def schema(name):
    with open(f"{SOURCE}/docs/schema/{name}.schema.json", encoding="utf-8") as file:
        text = json.load(file)
    jsonschema.Draft202012Validator.check_schema(text)
    return jsonschema.Draft202012Validator(text)


def examples(kind):
    with open(f"{SOURCE}/docs/optimize.md", encoding="utf-8") as file:
        found = re.findall(rf"^```json {kind}\n(.*?)^```", file.read(), re.S | re.M)
    return [json.loads(text) for text in found]


def answers(problems):
    lines = "".join(json.dumps(p) + "\n" for p in problems)
    done = subprocess.run([WORKBENCH, "--stream"], input=lines, capture_output=True, text=True,
                          check=True)
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(made) == len(problems), f"{len(made)} answers to {len(problems)} problems"
    return made


def elements(plot):
    """How often each kind of element is drawn, "circle asset", by a parser of XML."""
    root = xml.etree.ElementTree.parse(plot).getroot()
    found = [f"{e.tag.split('}')[1]} {e.get('class')}" for e in root]
    return {name: found.count(name) for name in found}


def frontiers():
    """Every kind of frontier, as the program writes it."""
    written = schema("frontier")
    for put, code, outcome, best, choice in FRONTIERS:
        text = json.dumps({k: v for k, v in {**FRONTIER, **put}.items() if v is not None
                           or k in ("lower", "upper")})
        with tempfile.TemporaryDirectory() as folder:
            plot = f"{folder}/f.svg"
            done = subprocess.run(
                [WORKBENCH, "--frontier", "--problem", "-", "--json", "--plot", plot],
                input=text, capture_output=True, text=True, check=False)
            assert os.listdir(folder) == (["f.svg"] if code == 0 else []), os.listdir(folder)
            drawn = code == 0 and elements(plot)
        made = json.loads(done.stdout)
        written.validate(made)
        assert (done.returncode, made["outcome"]) == (code, outcome), (text, made)
        assert made.get("max_sharpe", {}).get("outcome") == best, (text, made)
        assert made.get("chosen", {}).get("outcome") == choice, (text, made)
        if made["outcome"] == "whole":
            short = {k: v for k, v in made.items() if k != "corners"}
            assert not written.is_valid(short), "a whole frontier without corners"
            assert drawn["circle corner"] == len(made["corners"]), drawn
            assert drawn["circle asset"] == drawn["text name"] == len(FRONTIER["assets"]), drawn


def main():
    problem, answer = schema("optimize-problem"), schema("optimize-answer")
    good = examples("problem")
    assert len(good) >= 4 and len(examples("answer")) >= 1
    bad = [{k: v for k, v in {**GOOD, **put}.items() if v is not None} for put in BAD]
    for one in good + [GOOD]:
        problem.validate(one)
    for one in examples("answer"):
        answer.validate(one)
    for one in bad:
        assert not problem.is_valid(one), f"the schema takes {one}"
    made = answers(good + [GOOD] + bad)
    for one in made:
        answer.validate(one)
    for one, text in zip(made, good + [GOOD]):
        assert one["outcome"] == "solved", (text, one)
    for one, text in zip(made[len(good) + 1 :], bad):
        assert one["outcome"] == "invalid", (text, one)
    frontiers()
    print(f"{len(good)} examples, {len(bad)} refusals")


main()
