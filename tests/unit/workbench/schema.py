"""schema.py WORKBENCH SOURCE: problems and answers are what their schemas say.

The examples of docs/optimize.md are valid; each answer of the program to them is, and they are
solved; what the program refuses by its shape, the schema refuses too.
"""
import json
import re
import subprocess
import sys

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


def schema(name):
    with open(f"{SOURCE}/docs/schema/optimize-{name}.schema.json", encoding="utf-8") as file:
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


def main():
    problem, answer = schema("problem"), schema("answer")
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
    print(f"{len(good)} examples, {len(bad)} refusals")


main()
