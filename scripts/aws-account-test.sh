#!/bin/bash
# What simulators and emulators can't show, run once on a real AWS account: docs/aws-account-test.md.
# Usage: aws-account-test.sh STACK. KEEP=1 leaves the stack; ONLY="fargate gc" runs some of the steps.
set -uo pipefail

stack=${1:?the name of the stack, which is made and deleted}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
rows=()
steps="stack image fargate spot detach unheard wrong-image ec2 gc"
ONLY=${ONLY:-$steps}
LIMIT=${LIMIT:-1800}

say() { printf '\n== %s ==\n' "$*" >&2; }

output() { aws cloudformation describe-stacks --stack-name "$stack" --output text --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"; }

# Runs a step with a time limit, and notes how it ended. A step's last line on standard output is its remark.
step() {
  local name=$1 began=$SECONDS remark code
  case " $ONLY " in *" $name "*) ;; *) return 0 ;; esac
  say "$name"
  { "step_$name" 2>&1 >&3 | tee "$work/$name.err" >&2; code=${PIPESTATUS[0]}; } 3>"$work/$name.out"
  remark=$(tail -n 1 "$work/$name.out")
  [ $code = 0 ] && code=ok || code="FAILED ($code): $(grep -m 1 '^error' "$work/$name.err" || tail -n 1 "$work/$name.err")"
  rows+=("| \`$name\` | $(hide "$code") | $((SECONDS - began)) | $(hide "$remark") |")
}

# Leaves out what identifies the account.
hide() {
  printf %s "$1" | tr '\n|' '  ' | cut -c 1-300 |
    sed -E 's/[0-9]{12}/ACCOUNT/g; s/(subnet|sg|vpc|i|eni|ami)-[0-9a-f]{8,17}/\1-…/g; s/\b([0-9]{1,3}\.){3}[0-9]{1,3}\b/ADDRESS/g; s/[0-9a-f]{32}/TASK/g; s#s3://[^ /]*#s3://BUCKET#g'
}

# A job of 64 tiles in a folder of its own; the stack's sections follow. Arguments: folder, kind.
job() {
  local folder=$work/$1
  mkdir -p "$folder"
  gdal_create -q -of GTiff -outsize 4096 4096 -bands 1 -ot UInt16 -burn 7 -a_srs EPSG:32633 -a_ullr 0 40960 40960 0 "$folder/a.tif" || return
  cat >"$folder/job.toml" <<'END'
[function]
expression = "a * 2"
[inputs.a]
path = "a.tif"
[outputs.doubled]
path = "doubled.tif"
[grid]
tile = [512, 512]
END
  aws cloudformation describe-stacks --stack-name "$stack" --output json | tilefn aws init --kind "$2" >>"$folder/job.toml" || return
  cd "$folder" || return
}

# What a job's report says of it.
told() { python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); a=r["aws"]; print(r["tiles"]["done"], "tiles in", round(r["wall_seconds"]), "s,", a["tasks"], "tasks,", a["instances"], "instances,", a["cost_usd"], "USD")' "$1"; }

# Every pixel is 14, by GDAL itself.
right() { gdalinfo -stats "$1" | grep -q 'STATISTICS_MINIMUM=14$' && gdalinfo -stats "$1" | grep -q 'STATISTICS_MAXIMUM=14$'; }

run() { timeout --signal TERM "$LIMIT" tilefn submit job.toml --report report.json "$@"; }

step_stack() {
  aws cloudformation deploy --stack-name "$stack" --template-file "$root/docker/aws/template.yaml" --capabilities CAPABILITY_IAM >&2 &&
    aws cloudformation wait stack-exists --stack-name "$stack" && echo "$(aws configure get region || echo "${AWS_REGION:-}")"
}

step_image() {
  local image
  image=$(output Repository):$(tilefn -V | cut -d' ' -f2) || return
  docker build --quiet --file "$root/docker/Dockerfile" --target worker-gdal --tag "$image" "$root" >&2 &&
    aws ecr get-login-password | docker login --username AWS --password-stdin "${image%%/*}" >&2 &&
    docker push --quiet "$image" >&2 && docker image inspect --format '{{.Size}} bytes, {{.Architecture}}' "$image"
}

step_fargate() { job fargate fargate && run && right doubled.tif && told report.json; }

step_spot() { job spot fargate && run --set workers.fargate.spot=prefer && right doubled.tif && told report.json; }

step_detach() {
  local id state
  job detach fargate || return
  aws s3 cp --quiet a.tif "s3://$(output Bucket)/tilefn/jobs/account-test/a.tif" || return
  id=$(tilefn --json submit job.toml --detach --overwrite --set inputs.a.path="s3://$(output Bucket)/tilefn/jobs/account-test/a.tif" \
    --set outputs.doubled.path="s3://$(output Bucket)/tilefn/jobs/account-test/doubled.tif" |
    python3 -c 'import json,sys; print(json.loads(sys.stdin.readlines()[-1])["job"])') || return
  for _ in $(seq 90); do
    state=$(tilefn status "$id" --job job.toml 2>&1)
    case $state in *": done: "*) break ;; *": failed: "* | *": lost: "*) echo "$state" >&2; return 1 ;; esac
    sleep 10
  done
  aws s3 cp --quiet "s3://$(output Bucket)/tilefn/jobs/account-test/doubled.tif" doubled.tif && right doubled.tif && echo "${state#*: }"
}

# Nobody listens at this address of the documentation's network, so each worker gives up after half a minute.
step_unheard() {
  job unheard fargate || return
  run --set workers.advertise=192.0.2.1:7400 2>said && return 1
  cat said >&2
  grep -q 'exit code 11 (can it reach the controller at 192.0.2.1:7400' said && grep -q 'its log ends with' said && grep -m 1 -o 'exit code 11' said
}

step_wrong-image() {
  job wrong-image fargate || return
  run --set workers.fargate.image="$(output Repository):none" 2>said && return 1
  cat said >&2
  grep -q 'is `image` right?' said && grep -m 1 -o 'CannotPull[^(]*' said
}

step_ec2() { job ec2 ec2 && run --set 'workers.ec2.instance_types=["c7i.large","c6i.large","m6i.large"]' && right doubled.tif && told report.json; }

step_gc() {
  local left
  tilefn gc --bucket "$(output Bucket)" || return
  left=$(aws resourcegroupstaggingapi get-resources --tag-filters Key=tilefn:job --query 'ResourceTagMappingList[].ResourceARN' --output text |
    tr '\t' '\n' | grep -v -e ':task/' -e ':task-definition/' | grep -c .)
  # Instances stay listed for an hour after their end.
  aws ec2 describe-instances --filters Name=tag-key,Values=tilefn:job Name=instance-state-name,Values=pending,running,stopping,stopped \
    --query 'Reservations[].Instances[].InstanceId' --output text | grep -q . && { echo "instances are left" >&2; return 1; }
  echo "$left things still listed by tag"
}

finish() {
  trap - EXIT INT TERM
  if [ -z "$keep" ]; then
    say "removing the stack $stack"
    local bucket
    bucket=$(output Bucket)
    aws cloudformation delete-stack --stack-name "$stack" && aws cloudformation wait stack-delete-complete --stack-name "$stack" &&
      aws s3 rb --force "s3://$bucket" >/dev/null || echo "the stack $stack or its bucket may be left: look in CloudFormation and S3" >&2
  fi
  rm -rf "$work"
  printf '\n%s, %s, %s\n\n| step | result | seconds | remark |\n|---|---|---|---|\n' "$(tilefn -V)" "$(aws --version 2>&1 | cut -d' ' -f1)" "$(date -u +%F)"
  printf '%s\n' "${rows[@]}"
}
# A stack that was there before is never deleted.
keep=${KEEP:-}
case " $ONLY " in
  *" stack "*)
    if aws cloudformation describe-stacks --stack-name "$stack" >/dev/null 2>&1; then
      echo "there is a stack $stack already: choose another name, or ONLY=\"fargate gc\" and so on to use it" >&2
      exit 2
    fi
    ;;
  *) keep=1 ;;
esac
trap finish EXIT
trap 'exit 130' INT TERM

for name in $steps; do
  step "$name"
done
