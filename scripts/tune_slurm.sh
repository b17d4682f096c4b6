#!/usr/bin/env bash
# Tunes on a Slurm cluster: a job array whose task i takes shard i/n of the problems (`dwconv tune --shard i/n`), each
# with a log of its own. Run it again after whatever happened: shards that ended well are left out, the others go on
# where their logs end.
#
#   scripts/tune_slurm.sh --problems FILE --shards N --logs DIR [--dwconv PROGRAM] [--at-once N] [--dry-run] [--wait]
#                         [--sbatch "OPTIONS"] [-- more arguments of dwconv tune]
#
#   --at-once   tasks that run at the same time at most
#   --sbatch    options for sbatch, for example "--partition=quiet --exclusive --time=2:00:00": a task measures one
#               thread, and neighbours on its node spoil that
#   --wait      returns when the array has ended; fails where a shard is not done
#
# DIR (on a file system that all nodes see) gets shard-i.jsonl (the log), shard-i.out (what the task printed) and
# shard-i.done. `dwconv promote DIR/shard-*.jsonl` makes records of them, in any order.
# Exit status: 0; 2 wrong usage; 1 Slurm refused, or with --wait a shard is not done.
set -euo pipefail

usage() { echo "tune_slurm.sh: $1" >&2; exit 2; }

problems='' shards='' logs='' dwconv=dwconv at_once='' options='' dry_run=no wait=no more=()
while (($#)); do
    case "$1" in
        --problems | --shards | --logs | --dwconv | --at-once | --sbatch)
            (($# > 1)) || usage "$1 needs a value"
            case "$1" in
                --problems) problems="$2" ;;
                --shards) shards="$2" ;;
                --logs) logs="$2" ;;
                --dwconv) dwconv="$2" ;;
                --at-once) at_once="$2" ;;
                --sbatch) options="$2" ;;
            esac
            shift 2 ;;
        --dry-run) dry_run=yes; shift ;;
        --wait) wait=yes; shift ;;
        --) shift; more=("$@"); break ;;
        *) usage "unknown argument $1" ;;
    esac
done
[[ -n "$problems" ]] || usage "--problems FILE is missing"
[[ -r "$problems" ]] || usage "--problems $problems: the file cannot be read"
[[ "$shards" =~ ^[1-9][0-9]{0,4}$ ]] || usage "--shards $shards: must be a number from 1 to 99999"
[[ -z "$at_once" || "$at_once" =~ ^[1-9][0-9]{0,4}$ ]] || usage "--at-once $at_once: must be a number from 1 to 99999"
[[ -n "$logs" ]] || usage "--logs DIR is missing"
program="$(command -v "$dwconv")" || usage "--dwconv $dwconv: no such program"
program="$(realpath "$program")"
problems="$(realpath "$problems")"
mkdir -p "$logs"
logs="$(realpath "$logs")"

# A shard's log belongs to one cut of one set of problems.
signature="$shards $(sha256sum <"$problems" | cut -d' ' -f1) $(printf '%q ' "${more[@]+"${more[@]}"}")"
if [[ -e "$logs/array" && "$(<"$logs/array")" != "$signature" ]]; then
    usage "--logs $logs: holds the logs of other problems, shards or arguments"
fi

missing=()
for ((i = 1; i <= shards; ++i)); do
    [[ -e "$logs/shard-$i.done" ]] || missing+=("$i")
done
if ((${#missing[@]} == 0)); then
    echo "all $shards shards are done: dwconv promote $logs/shard-*.jsonl"
    exit 0
fi
array="$(IFS=,; echo "${missing[*]}")${at_once:+%$at_once}"

# What each task runs. A task whose node dies is given up by Slurm, or started again (--requeue): its log goes on.
job="#!/bin/bash
set -u
i=\$SLURM_ARRAY_TASK_ID
cd $(printf '%q' "$logs") || exit 1
$(printf '%q ' "$program" tune --problems "$problems") --shard \"\$i/$shards\" --resume \"shard-\$i.jsonl\" \
$(printf '%q ' "${more[@]+"${more[@]}"}")&
child=\$!
# Slurm warns before it kills; dwconv then ends with a valid log.
trap 'kill -TERM \$child; wait \$child; exit 1' TERM INT
wait \$child && touch \"shard-\$i.done\""

if [[ "$dry_run" == yes ]]; then
    echo "sbatch --array=$array $options"
    echo "$job"
    exit 0
fi
command -v sbatch >/dev/null || usage "sbatch is not in PATH: Slurm is not installed here"
printf '%s' "$signature" >"$logs/array.new"
mv "$logs/array.new" "$logs/array"
[[ "$wait" == yes ]] && options+=" --wait"
status=0
# $options are words for sbatch.
# shellcheck disable=SC2086
sbatch --parsable --job-name=dwconv-tune --ntasks=1 --open-mode=append --requeue --array="$array" \
    --output="$logs/shard-%a.out" $options <<<"$job" || status=1
if [[ "$wait" == yes ]]; then
    for i in "${missing[@]}"; do
        [[ -e "$logs/shard-$i.done" ]] || { echo "shard $i is not done: $logs/shard-$i.out" >&2; status=1; }
    done
fi
exit "$status"
