"""end_to_end.py - from a file of prices to weights: `keel optimize` and PyPortfolioOpt as commands.

20 assets, 3,000 days, minimum variance of the sample covariance, at most 30 % a name. From start of
the process to its end, in turn; the import of Python's libraries is part of it, as it is for who
types the command.
"""
import json
import subprocess
import sys
import tempfile
import time

import numpy as np

ASSETS, DAYS, TIMES, CAP = 20, 3000, 15, 0.3
PROGRAM = """
import json, sys
import pandas as pd
from pypfopt import EfficientFrontier, risk_models
prices = pd.read_csv(sys.argv[1], index_col=0, parse_dates=True)
covariance = risk_models.sample_cov(prices, frequency=1)
frontier = EfficientFrontier(None, 1e4 * covariance, weight_bounds=(0, 0.3))  # 1e4: see its docs
print(json.dumps(dict(frontier.min_volatility())))
"""


def write_prices(path):
    rng = np.random.default_rng(7)
    returns = 0.0003 + 0.008 * rng.normal(size=(DAYS, 1)) + 0.01 * rng.normal(size=(DAYS, ASSETS))
    prices = 100 * np.exp(np.cumsum(returns, axis=0))
    days = np.datetime64("2012-01-01") + np.arange(DAYS)
    with open(path, "w", encoding="utf-8") as file:
        file.write("date," + ",".join(f"A{i}" for i in range(ASSETS)) + "\n")
        for day, row in zip(days, prices):
            file.write(f"{day}," + ",".join(f"{x:.6f}" for x in row) + "\n")
    simple = prices[1:] / prices[:-1] - 1
    return np.cov(simple.T)


def timed(command):
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return 1e3 * (time.perf_counter() - begun), done


def weights_of(text):
    answer = json.loads(text)
    answer = answer.get("weights", answer)
    return np.array([answer.get(f"A{i}", 0) for i in range(ASSETS)])


def run(folder, python):
    with tempfile.TemporaryDirectory() as scratch:
        path = f"{scratch}/prices.csv"
        covariance = write_prices(path)
        own = [f"{folder}/keel", "optimize", "--prices", path, "--hi", f"{CAP:.0%}", "--json"]
        other = [python, "-c", PROGRAM, path]
        sides = {"Keel": (own, []), "PyPortfolioOpt": (other, [])}
        texts = {}
        for _ in range(TIMES):
            for name, (command, took) in list(sides.items()):
                ms, done = timed(command)
                if done.returncode != 0:
                    why = done.stderr.strip()[-300:]
                    print(f"run.py: {name} left out: {why}", file=sys.stderr)
                    del sides[name]
                    continue
                took.append(ms)
                texts[name] = done.stdout
    out = ["| prices to weights, 20 x 3,000 | runs | p50 ms | worst ms | x Keel | excess risk |",
           "|---|---|---|---|---|---|"]
    risk = {name: np.sqrt(w @ covariance @ w) for name, w in
            ((name, weights_of(text)) for name, text in texts.items())}
    for name, (_, took) in sides.items():
        line = {"bench": "peers", "row": "e2e", "solver": name, "runs": len(took),
                "p50_ms": float(np.median(took)), "max_ms": max(took),
                "ratio": float(np.median(took) / np.median(sides["Keel"][1])),
                "gap": float(risk[name] / min(risk.values()) - 1)}
        print(json.dumps(line), flush=True)
        out.append(f"| {name} | {line['runs']} | {line['p50_ms']:.1f} | {line['max_ms']:.1f} | "
                   f"{line['ratio']:.1f} | {line['gap']:.0e} |")
    return "\n".join(out) + "\n"
