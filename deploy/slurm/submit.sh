#!/bin/sh
# Runs vgr over a Slurm cluster: an array of tasks, one a shard, and behind it a job that joins their outputs.
#
#   deploy/slurm/submit.sh SHARDS OUTPUT COMMAND [ARGUMENT]...
#   deploy/slurm/submit.sh 16 /scratch/out refine /data/images --queries /data/q.jsonl
#
# OUTPUT must be on a disk that all nodes see. Shards are written to OUTPUT/shard-N, the whole to OUTPUT/whole. Run the same
# line again to continue what has failed. sbatch takes its own settings from the environment: SBATCH_PARTITION, SBATCH_ACCOUNT,
# SBATCH_TIMELIMIT and others. VGR names the program where it is not on the path; VGR_IMAGE_IDS stands for --image-ids.
set -eu

if [ $# -lt 3 ]; then
  echo "usage: $0 SHARDS OUTPUT COMMAND [ARGUMENT]..." >&2
  exit 2
fi
shards=$1
output=$2
shift 2
case $shards in
  '' | *[!0-9]* | 0*)
    echo "error: SHARDS: expected a number from 1, got \`$shards\`" >&2
    exit 2
    ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p -- "$output/log"
array=$(sbatch --parsable --array="1-$shards" --output="$output/log/shard-%a.log" \
  "$here/shard.sh" "$output" "$@")
array=${array%%;*}
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
  --output="$output/log/merge.log" "$here/merge.sh" "$output" "$shards")
echo "$array ${merge%%;*}"
