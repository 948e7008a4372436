"""Write the page on the claims of the paper from ``claims.md`` and the measured numbers: experiments/run.sh paper"""

import csv
from pathlib import Path

FOLDER = Path(__file__).parent
MARK = "<!-- labels saved -->"
TITLES = {
    "digits101": "digits101",
    "nasbench201": "NAS-Bench-201, CIFAR-10",
    "nasbench201-cifar100": "NAS-Bench-201, CIFAR-100",
    "nasbench101-sample": "NAS-Bench-101 sample",
    "nasbench201-gradient": "NAS-Bench-201, CIFAR-10, gradient steps alone, without pseudo-labels in `nao`",
}


def labels_saved() -> str:
    """Return the tables of the evaluations that other strategies need, in Markdown."""
    lines = []
    for name, title in TITLES.items():
        path = FOLDER / f"{name}.csv"
        if not path.exists():
            lines += [f"**{title}**: not run.", ""]
            continue
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        numbers = list(dict.fromkeys(row["evaluations_of_seminas"] for row in rows))
        lines += [f"**{title}**, {rows[0]['seeds']} seeds ([{path.name}]({path.name}))", ""]
        lines.append("| strategy | " + " | ".join(f"seminas after {n}" for n in numbers) + " |")
        lines.append("|---" * (1 + len(numbers)) + "|")
        goals = {row["evaluations_of_seminas"]: float(row["validation_accuracy"]) for row in rows}
        lines.append("| accuracy (%) | " + " | ".join(f"{100 * goals[n]:.2f}" for n in numbers) + " |")
        for method in dict.fromkeys(row["method"] for row in rows):
            of = {row["evaluations_of_seminas"]: row for row in rows if row["method"] == method}
            cells = [f"{of[n]['needed']} ({of[n]['low']} to {of[n]['high']})" for n in numbers]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).strip()


if __name__ == "__main__":
    claims = (FOLDER / "claims.md").read_text()
    assert claims.count(MARK) == 1
    (FOLDER / "README.md").write_text(claims.replace(MARK, labels_saved()))
    print(f"{FOLDER / 'README.md'} is written")
