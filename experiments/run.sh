#!/usr/bin/env bash
# One study: its sweep, its report, and what of it is kept here.
#   experiments/run.sh STUDY NAME [OVERRIDE…]
#   experiments/run.sh strategies digits101
#   experiments/run.sh strategies nasbench201-cifar10 space=nasbench201 evaluator.path=nasbench201.npz
#   BASELINE=seminas AT="50 100" experiments/run.sh strategies digits101
#   TABLES=folder experiments/run.sh paper
# BASELINE is what the report tests against, AT are numbers of evaluations to report as well. The runs stay in
# runs/STUDY-NAME; the same command goes on with them after a kill. What a study's command and figures are is said in
# experiments/STUDY/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -x "experiments/$1/make.sh" ]; then
    exec "experiments/$1/make.sh"
fi
study=$1 name=$2
shift 2
command=seminas-search
[ "$study" = predictor ] && command=seminas-predictor
runs=runs/$study-$name
.venv/bin/$command -m "experiment=$study" "$@" "hydra.sweep.dir=$runs"
.venv/bin/seminas report "$runs" ${BASELINE:+--baseline "$BASELINE"} $(for n in ${AT:-}; do echo "--at $n"; done)
mkdir -p "experiments/$study/$name"
cp "$runs/report/results.csv" "experiments/$study/$name/"
for figure in "$runs"/report/figures/{curves,ablation-*,predictor}.png; do
    [ -e "$figure" ] && cp "$figure" "experiments/$study/$name/"
done
