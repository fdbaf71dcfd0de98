#!/bin/bash
#SBATCH --job-name=tilefn
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
# One allocation: the controller on its first node, a worker in each task. Usage: sbatch slurm-allocation.sh JOB
ticket=$PWD/tilefn-ticket-$SLURM_JOB_ID.json
tilefn submit "$1" --resume --set workers.kind=external --set workers.ticket="$ticket" \
  --set workers.advertise="$(hostname)" &
controller=$!
# Two minutes before the time is up: what is done is kept, and the same sbatch again goes on with it.
trap 'kill -TERM $controller' TERM
until [ -e "$ticket" ]; do
  kill -0 $controller 2>/dev/null || { wait $controller; exit; }
  sleep 1
done
# A worker that is lost doesn't take the others with it.
srun --kill-on-bad-exit=0 --wait=0 tilefn worker --ticket "$ticket" --threads "$SLURM_CPUS_PER_TASK" &
# The second wait is for when a signal has ended the first.
wait $controller || wait $controller
status=$?
wait
exit $status
