#!/bin/bash
# Scheduler, workers and driver in one allocation; certificates are those of docs/sweep.md, named in cluster.toml.
#     sbatch docs/sweeps/cluster.sh SWEEP.toml FOLDER
#SBATCH --nodes=4 --ntasks-per-node=1 --cpus-per-task=32 --time=12:00:00 --signal=B:USR1@120
tls="--tls-ca-file ca.pem --tls-cert certificate.pem --tls-key key.pem"
export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0
dask scheduler --protocol tls $tls --scheduler-file scheduler.json --no-dashboard &
until [ -s scheduler.json ]; do sleep 1; done
srun dask worker --scheduler-file scheduler.json $tls --nworkers "$SLURM_CPUS_PER_TASK" --nthreads 1 \
  --memory-limit 0 --no-dashboard --preload recirc.runs.preload &
recirc sweep "$1" --cluster cluster.toml --out "$2" &
trap "kill -USR1 $!" USR1; wait $!; wait $!; code=$?  # twice, since a signal ends the first
kill %2; wait %2; kill %1; wait %1; exit $code  # workers first, which then say goodbye
