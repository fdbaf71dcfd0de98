#!/bin/bash
#PBS -N tilefn-worker
#PBS -J 1-50
#PBS -l select=1:ncpus=4
#PBS -l walltime=01:00:00
#PBS -r y
# One worker in each element of the array. Usage: qsub -v TILEFN_TICKET=/shared/folder/tilefn-ticket.json pbs-array.sh
exec tilefn worker --threads "$NCPUS"
