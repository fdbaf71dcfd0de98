#!/usr/bin/env bash
# Runs the recipes of docs/workers.md for real: over a real sshd, on a real SLURM, both on this machine for this test alone.
# Each must give the same pixels as threads, and leave no process and no file. A recipe that can't run here is skipped, loudly.
# Usage: scripts/test-recipes.sh TILEFN
set -euo pipefail
tilefn=$(realpath "${1:?usage: scripts/test-recipes.sh TILEFN}")
cd "$(dirname "$0")/.."
recipes=$PWD/docs/recipes
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
skip() { say "SKIPPED: $*"; }

# A short path: that of a socket has at most 108 bytes.
work=$(mktemp -d "${TMPDIR:-/tmp}/tilefn-recipes-XXXXXX")
servers=()
# All processes that this test has started, however indirectly: they have its folder for temporary files.
started() {
  for process in /proc/[0-9]*; do
    ! tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qxF "TMPDIR=$work/tmp" || echo "${process#/proc/}"
  done 2>/dev/null
}
made_run_sshd=
slurm=
end() {
  local status=$?
  # After a failure, jobs still run: this test's own SLURM ends them while it can.
  if [ -n "$slurm" ]; then timeout 30 bash -c 'until [ -z "$(squeue -h)" ]; do scancel --user="$(id -un)"; sleep 0.2; done' || true; fi
  for server in ${servers[@]+"${servers[@]}"}; do kill "$server" 2>/dev/null || true; done
  for server in ${servers[@]+"${servers[@]}"}; do wait "$server" 2>/dev/null || true; done
  # Their own processes may be left.
  for process in $(started); do kill -KILL "$process" 2>/dev/null || true; done
  [ -z "$made_run_sshd" ] || rmdir /run/sshd 2>/dev/null || true
  if [ $status != 0 ]; then
    for log in "$work"/*.log "$work"/*/*.log; do [ ! -s "$log" ] || { say "$log"; tail -40 "$log" >&2; }; done
  fi
  rm -rf "$work"
  exit $status
}
trap end EXIT
die() { say "error: $*"; exit 1; }
# Files that the workers of a recipe leave behind appear here.
export TMPDIR=$work/tmp XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
mkdir "$work/tmp" "$work/bin"
ln -s "$tilefn" "$work/bin/tilefn"
export PATH="$work/bin:$PATH:/usr/sbin"

have() {
  for program; do command -v "$program" >/dev/null || return; done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# Waits at most a minute until a command succeeds.
until_true() {
  for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  die "it never came true: $*"
}
no_workers() {
  for process in $(started); do
    [ "$(tr '\0' '\n' <"/proc/$process/cmdline" 2>/dev/null | sed -n 2p)" != worker ] || return
  done
}

# A job whose tiles take a while, in a folder of its own, and its pixels as threads compute them.
CARGO_TARGET_DIR=$(dirname "$tilefn")/../tmp/guests tilefn build --output "$work/probe.wasm" tests/guests/probe \
  >"$work/build.log" 2>&1
new_job() {
  mkdir "$work/$1"
  cd "$work/$1"
  cp ../a.tif ../job.toml .
}
/usr/bin/python3 - "$work/a.tif" <<'END'
import sys
import numpy as np
from osgeo import gdal
gdal.UseExceptions()
pixels = (np.arange(512 * 512, dtype="u8") * 7919 % 60000).astype("u2").reshape(512, 512)
file = gdal.GetDriverByName("GTiff").Create(sys.argv[1], 512, 512, 1, gdal.GDT_UInt16)
file.GetRasterBand(1).WriteArray(pixels)
END
cat >"$work/job.toml" <<END
[function]
module = "$work/probe.wasm"
name = "labour"
[params]
steps = 100000000
[inputs.image]
path = "a.tif"
[outputs.added]
path = "added.tif"
[outputs.tile]
path = "tile.tif"
[grid]
tile = [64, 64]
edge = "nearest"
[workers]
kind = "external"
listen = "0.0.0.0:0"
advertise = "127.0.0.1"
END
new_job threads
tilefn run job.toml -q --workers threads:2 --set params.steps=0

# Compares a finished job with that of the threads, and looks whether anything is left.
check() {
  local name=$1 least=$2
  until_true no_workers
  cd "$work/$name"
  rm -f -- *.log
  [ "$(echo *)" = "a.tif added.tif job.toml report.json tile.tif" ] || die "$name has left files: $(echo *)"
  [ -z "$(ls -A "$work/tmp")" ] || die "$name has left temporary files: $(ls -A "$work/tmp")"
  /usr/bin/python3 - "$least" <<'END'
import json, sys
import numpy as np
from osgeo import gdal
gdal.UseExceptions()
for name in "added.tif", "tile.tif":
    ours, threads = (gdal.Open(folder + name).ReadAsArray() for folder in ("", "../threads/"))
    assert ours.dtype == threads.dtype and np.array_equal(ours, threads), f"{name} has other pixels than with threads"
report = json.load(open("report.json"))
workers = report["workers"]
assert len(workers) >= int(sys.argv[1]), f"{len(workers)} workers came: {workers}"
assert {w["kind"] for w in workers} == {"external"}, workers
assert report["tiles"]["retried"] == 0 and {w["left"] for w in workers} == {"finished"}, f"tiles were lost: {report}"
END
  say "$name: the same pixels, nothing left"
}

say "recipes: syntax"
for script in "$recipes"/*.sh; do bash -n "$script"; done

say "recipe: ssh"
if ! have sshd ssh ssh-keygen; then
  skip "the ssh recipe, since there is no sshd (Debian's openssh-server)"
else
  folder=$work/sshd
  mkdir "$folder"
  ssh-keygen -q -t ed25519 -N "" -f "$folder/host_key"
  ssh-keygen -q -t ed25519 -N "" -f "$folder/key"
  port=$(free_port)
  cat >"$folder/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $folder/host_key
AuthorizedKeysFile $folder/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH=$PATH TMPDIR=$TMPDIR XDG_CACHE_HOME=$XDG_CACHE_HOME
END
  echo "[127.0.0.1]:$port $(cat "$folder/host_key.pub")" >"$folder/known_hosts"
  cat >"$folder/ssh_config" <<END
Host one two
  HostName 127.0.0.1
  Port $port
  IdentityFile $folder/key
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
END
  # Privilege separation wants an empty folder of root's.
  if [ "$(id -u)" = 0 ] && [ ! -d /run/sshd ]; then mkdir -m 755 /run/sshd && made_run_sshd=yes; fi
  "$(command -v sshd)" -D -e -f "$folder/sshd_config" 2>"$folder/sshd.log" &
  servers+=($!)
  printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$folder/ssh_config" >"$work/bin/ssh"
  chmod +x "$work/bin/ssh"
  until_true ssh -o BatchMode=yes one true
  new_job ssh
  sed "s/^tilefn submit/& --report report.json/" "$recipes/ssh.sh" >"$work/ssh.sh"
  # Ctrl-C on a terminal goes to all processes there. Tiles that are done then aren't done again.
  setsid bash "$work/ssh.sh" job.toml one two >ssh.log 2>&1 &
  script=$!
  until_true grep -q '%' ssh.log
  kill -INT -- -$script
  status=0
  wait $script || status=$?
  [ $status = 130 ] || die "ssh.sh was interrupted and ended with $status: $(cat ssh.log)"
  [ ! -e added.tif ] || die "it was done before it was interrupted"
  until_true no_workers
  bash "$work/ssh.sh" job.toml one two >ssh.log 2>&1 || die "ssh.sh failed: $(cat ssh.log)"
  grep -q '"resumed": [1-9]' report.json || die "it began again: $(cat report.json)"
  check ssh 2
fi

say "recipes: SLURM"
if ! have slurmctld slurmd munged sbatch srun; then
  skip "the SLURM recipes, since there is no SLURM (Debian's slurm-wlm and munge)"
elif [ "$(id -u)" != 0 ]; then
  skip "the SLURM recipes, since only root can run a SLURM"
else
  folder=$work/slurm
  mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
  chmod 711 "$work" "$folder" "$folder/munge"
  head -c 1024 /dev/urandom >"$folder/munge.key"
  chmod 400 "$folder/munge.key"
  munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge/socket" --num-threads=1 \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" 2>/dev/null &
  servers+=($!)
  host=$(hostname -s)
  cat >"$folder/slurm.conf" <<END
ClusterName=tilefn
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
  export SLURM_CONF=$folder/slurm.conf
  until_true test -S "$folder/munge/socket"
  slurmctld -D >"$folder/slurmctld.log" 2>&1 &
  servers+=($!)
  slurmd -D -N "$host" >"$folder/slurmd.log" 2>&1 &
  servers+=($!)
  node_is_idle() { [ "$(sinfo -h -o %T)" = idle ]; }
  slurm=runs
  until_true node_is_idle
  queue_is_empty() { [ -z "$(squeue -h)" ]; }

  new_job slurm-allocation
  sed "s/^tilefn submit/& --report report.json/" "$recipes/slurm-allocation.sh" >"$work/slurm-allocation.sh"
  sbatch --wait --ntasks=3 --cpus-per-task=1 --output=slurm.log "$work/slurm-allocation.sh" job.toml >/dev/null ||
    die "slurm-allocation.sh failed: $(cat slurm.log)"
  check slurm-allocation 3

  # SLURM says that the time is nearly up. Tiles that are done then aren't done again.
  new_job slurm-time-limit
  submit() { sbatch --parsable --ntasks=2 --cpus-per-task=1 --output=slurm.log "$@" "$work/slurm-allocation.sh" job.toml; }
  id=$(submit)
  until_true grep -q '%' slurm.log
  scancel --batch --signal=TERM "$id"
  until_true queue_is_empty
  grep -q 'interrupted' slurm.log || die "the controller was not told to stop: $(cat slurm.log)"
  [ ! -e added.tif ] || die "it was done before it was told to stop"
  submit --wait >/dev/null || die "slurm-allocation.sh failed the second time: $(cat slurm.log)"
  grep -q '"resumed": [1-9]' report.json || die "it began again: $(cat report.json)"
  check slurm-time-limit 2

  new_job slurm-array
  tilefn submit job.toml -v --report report.json 2>controller.log >/dev/null &
  controller=$!
  until_true test -e tilefn-ticket.json
  array=$(TILEFN_LOG=info sbatch --parsable --array=1-4 --cpus-per-task=1 --output="worker-%a.log" "$recipes/slurm-array.sh" \
    "$PWD/tilefn-ticket.json")
  until_true grep -q 'worker 1 joined' controller.log
  until_true grep -q '%' controller.log
  # One leaves half-way, told by its own scheduler.
  scancel "${array}_1"
  wait $controller || die "the controller failed: $(cat controller.log)"
  until_true queue_is_empty
  grep -q 'told to leave' worker-1.log || die "scancel did not tell the worker to leave: $(cat worker-1.log)"
  check slurm-array 2
fi

say "recipe: Kubernetes"
venv=$XDG_CACHE_HOME/tilefn-kubernetes-validate
if [ ! -x "$venv/bin/kubernetes-validate" ] &&
  ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'kubernetes-validate==1.37.0' &&
    # Schemas of a dozen versions take 100 MB.
    find "$venv" -path '*/kubernetes-json-schema/*' -prune ! -name 'v1.37.0*' -exec rm -rf {} +; }; then
  skip "the Kubernetes manifest, since kubernetes-validate can't be installed"
else
  "$venv/bin/kubernetes-validate" --strict --quiet "$recipes/kubernetes.yaml"
fi
skip "the PBS recipe was checked for syntax only: there is no free PBS in Debian"
