#!/usr/bin/env bash
# Make the page on the claims of the paper anew: experiments/run.sh paper
# TABLES is the folder of the imported tables (experiments/strategies/README.md has the commands), SEEDS the number of seeds.
# The searches stay in runs/labels-NAME. They begin with the searches of experiments/peers. The command goes on after a kill.
set -euo pipefail
cd "$(dirname "$0")/../.."
tables=${TABLES:-.}
saved() {
    local name=$1 out=runs/labels-$1
    shift
    mkdir -p "$out"
    if [ ! -e "$out/results.jsonl" ] && [ -e "experiments/peers/$name/results.jsonl" ]; then
        cp "experiments/peers/$name/results.jsonl" "$out/"
    fi
    .venv/bin/python measurements/labels_saved.py "$@" --seeds "${SEEDS:-20}" --out "$out"
    cp "$out/labels_saved.csv" "experiments/paper/$name.csv"
}
saved digits101 space=nasbench101 evaluator.path=digits101
saved nasbench201 space=nasbench201 "evaluator.path=$tables/nasbench201.npz"
saved nasbench201-cifar100 space=nasbench201 "evaluator.path=$tables/nasbench201.npz" evaluator.val=c100_val evaluator.test=c100_test
saved nasbench101-sample space=nasbench101 "evaluator.path=$tables/nasbench101_sample.npz"
# Where new architectures come from gradient steps alone: with and without pseudo-labels.
SEEDS=8 saved nasbench201-gradient space=nasbench201 "evaluator.path=$tables/nasbench201.npz" strategy.improvement=0 strategy.favorites=0 --baselines nao:200
.venv/bin/python experiments/paper/page.py
