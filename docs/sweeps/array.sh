#!/bin/bash
# A job array: every task does its share of the sweep, and the last one to end writes the table. No network is needed.
#     sbatch docs/sweeps/array.sh SWEEP.toml FOLDER
# What was stopped or failed goes on when the same line is given again. Two minutes before its time is over, a task gets
# SIGUSR1, keeps what it has and exits with 75. The 3 of the last line is the number of tasks.
#SBATCH --array=1-3
#SBATCH --cpus-per-task=2
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@120
exec recirc sweep "$1" --shard "$SLURM_ARRAY_TASK_ID/3" --jobs "$SLURM_CPUS_PER_TASK" --out "$2"
