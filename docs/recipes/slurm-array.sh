#!/bin/bash
#SBATCH --job-name=tilefn-worker
#SBATCH --array=1-50
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
# One worker in each element of the array. Usage: sbatch slurm-array.sh TICKET
exec tilefn worker --ticket "$1" --threads "$SLURM_CPUS_PER_TASK"
