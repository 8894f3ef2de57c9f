#!/bin/sh
# Joins the shards that submit.sh has made. Ends with 1 where items failed, as one run over everything would.
#SBATCH --job-name=vgr-merge
#SBATCH --mem=2G
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu

output=$1
shards=$2
set --
index=1
while [ "$index" -le "$shards" ]; do
  set -- "$@" "$output/shard-$index"
  index=$((index + 1))
done
exec "${VGR:-vgr}" merge "$@" --output "$output/whole"
