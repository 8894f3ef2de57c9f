#!/bin/sh
# One task of the array that submit.sh starts: one shard, continued from where an earlier try of this task has ended.
#SBATCH --job-name=vgr
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60
set -u

output=$1
shift
shard=$output/shard-$SLURM_ARRAY_TASK_ID
restarts=${SLURM_RESTART_COUNT:-0}

# Slurm runs a task in one place at a time: a lock that is there when it starts again was left by its last try, which may
# have been on another node, where nobody can ask whether that process lives.
if [ "$restarts" -gt 0 ]; then rm -f -- "$shard/.vgr.lock"; fi

# The cores that Slurm gives to this task, not those of the node.
export VGR_SESSIONS="${VGR_SESSIONS:-${SLURM_CPUS_PER_TASK:-1}}" VGR_THREADS="${VGR_THREADS:-1}"

"${VGR:-vgr}" "$@" --shard auto --output "$shard" --quiet &
child=$!
stopped_by=
# Near the time limit, and when the job is cancelled or preempted, vgr is asked to end well; it does within five seconds.
trap 'stopped_by=USR1; kill -TERM "$child"' USR1
trap 'stopped_by=TERM; kill -TERM "$child"' TERM INT

code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
  code=0
  wait "$child" || code=$?
done
if [ -n "$stopped_by" ]; then
  # A trap cuts a wait short: the exit code is still to be had, unless the wait before has given it.
  last=0
  wait "$child" || last=$?
  if [ "$last" -ne 127 ]; then code=$last; fi
fi

case $code in
  # 1: all done, but some items failed. They have their error records, and the merge tells their number. A program that cannot even
  # start may end with 1 too.
  0 | 1)
    if grep -q '"complete": true' "$shard/run.json"; then exit 0; fi
    echo "vgr ended with $code and left no whole shard in $shard" >&2
    exit 3
    ;;
  # Usage, model, device or disk: another try would end alike.
  2 | 3) exit "$code" ;;
esac
# Out of time, out of memory or killed: the task goes on later. Slurm itself does so after it has taken a node away.
if [ "$stopped_by" != TERM ] && [ "$restarts" -lt "${VGR_RESTARTS:-20}" ]; then
  echo "vgr ended with $code; the task is queued again"
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
