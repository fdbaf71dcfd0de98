#!/usr/bin/env bash
# Judges docker/aws/template.yaml with cfn-lint, makes its stack in ministack, an emulator of AWS that others wrote, and runs
# Fargate jobs there, as a user with docker/aws/controller-policy.json. ministack starts real containers; scripts/containers.sh,
# which calls this, says from which images (TILEFN_IMAGE, TILEFN_IMAGE_GDAL). Skips, loudly, what can't be installed or run.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

venv="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-emulated-aws"
bin="$venv/bin"
packages=(ministack==1.5.33 docker==7.2.0 boto3==1.43.106 cfn-lint==1.51.5)
if [ "$(cat "$venv/installed" 2>/dev/null)" != "${packages[*]}" ]; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" && "$bin/pip" install --quiet "${packages[@]}"; }; then
    say "SKIPPED: ministack and cfn-lint can't be installed, so neither the template nor jobs on Fargate were tested"
    exit 0
  fi
  echo "${packages[*]}" >"$venv/installed"
fi

# Containers find their role's credentials at ECS's address for them: in a network of their own, so that it disturbs nobody.
if [ -n "${TILEFN_IMAGE:-}" ] && [ -z "${TILEFN_NETWORK:-}" ]; then
  TILEFN_NETWORK=own exec unshare --net "$0"
elif [ -n "${TILEFN_IMAGE:-}" ]; then
  ip link set lo up
  ip address add 169.254.170.2/32 dev lo
fi

say "CloudFormation template"
"$bin/cfn-lint" --regions ap-southeast-2 eu-west-1 us-east-1 --template docker/aws/template.yaml

work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

if [ -n "${TILEFN_IMAGE:-}" ]; then
  export DOCKER_HOST="unix://$work/podman.sock"
  podman system service --time=0 "$DOCKER_HOST" >"$work/podman.log" 2>&1 &
  started+=($!)
fi
port=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
export AWS_ACCESS_KEY_ID=root AWS_SECRET_ACCESS_KEY=secret AWS_EC2_METADATA_DISABLED=true
BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_REGION="$AWS_REGION" AUTH=true \
  "$bin/python" tests/emulated-aws/emulator.py ${TILEFN_IMAGE:+"$work/roles.json"} >"$work/ministack.log" 2>&1 &
started+=($!)
for _ in $(seq 150); do
  "$bin/python" -c "import urllib.request as u; u.urlopen('$AWS_ENDPOINT_URL/_localstack/health')" 2>/dev/null && break
  sleep 0.2
done

"$bin/python" tests/emulated-aws/account.py up "$work" || { tail -20 "$work/ministack.log" >&2; exit 1; }
if [ -n "${TILEFN_IMAGE:-}" ]; then
  say "jobs on emulated Fargate"
  TILEFN_ACCOUNT="$work" TILEFN_PYTHON="$bin/python" \
    cargo test --locked --workspace --all-features --test remote -- fargate:: --test-threads 1 --nocapture
else
  say "SKIPPED: jobs on emulated Fargate, as there are no container images"
fi
"$bin/python" tests/emulated-aws/account.py down "$work"
