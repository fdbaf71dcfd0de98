#!/bin/bash
# Runs a job with one worker on each host. Usage: ssh.sh JOB HOST...
job=$1
shift
ticket=$PWD/tilefn-ticket-$$.json
tilefn submit "$job" --resume --set workers.kind=external --set workers.ticket="$ticket" &
controller=$!
trap 'kill -TERM $controller' TERM
trap : INT # The controller sees Ctrl-C itself, and the workers leave with it.
until [ -e "$ticket" ]; do
  kill -0 $controller 2>/dev/null || { wait $controller; exit; }
  sleep 0.2
done
# The ticket goes through ssh's encrypted channel and is in no file there.
for host; do
  ssh -o BatchMode=yes "$host" tilefn worker --ticket - <"$ticket" &
done
# The second wait is for when a signal has ended the first.
wait $controller || wait $controller
status=$?
wait
exit $status
