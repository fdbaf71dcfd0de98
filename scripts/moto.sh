#!/usr/bin/env bash
# Runs the AWS tests that are judged by moto, an emulator of AWS that others wrote. Skips, loudly, when it can't be installed.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-moto"
python="$folder/venv/bin/python"
if ! "$python" -c 'import moto.server' 2>/dev/null; then
    mkdir -p "$folder"
    if ! { python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install --quiet 'moto[server]==5.2.5'; }; then
        echo "SKIPPED: moto could not be installed, so the AWS requests were not judged by it" >&2
        exit 0
    fi
fi

log="$folder/moto.log"
# ECS takes a container on EC2 with a memory reservation alone; moto, wrongly, does not.
"$python" - -H 127.0.0.1 -p 0 >"$log" 2>&1 <<'END' &
import sys
from moto.ecs.models import EC2ContainerServiceBackend as Ecs
from moto.server import main
checked = Ecs._validate_container_defs
Ecs._validate_container_defs = staticmethod(lambda memory, *rest: checked(memory or "1", *rest))
main(sys.argv[1:])
END
moto=$!
trap 'kill "$moto" 2>/dev/null && wait "$moto" 2>/dev/null || true' EXIT
url=
for _ in $(seq 600); do
    url=$(grep -o 'http://127.0.0.1:[0-9]*' "$log" | head -1 || true)
    [ -n "$url" ] && break
    sleep 0.2
done
[ -n "$url" ] || { echo "moto did not start:" >&2; cat "$log" >&2; exit 1; }

# The tests need a bucket, an instance profile, a subnet, a security group and a machine image.
made=$(AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=eu-west-1 "$python" - "$url" <<'END'
import sys
import boto3
url = sys.argv[1]
boto3.client("s3", endpoint_url=url).create_bucket(
    Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
iam = boto3.client("iam", endpoint_url=url)
iam.create_instance_profile(InstanceProfileName="p")
ec2 = boto3.client("ec2", endpoint_url=url)
image = next(i for i in ec2.describe_images()["Images"] if i["Architecture"] == "x86_64" and "amzn" in i["Name"])
subnet, group = ec2.describe_subnets()["Subnets"][0], ec2.describe_security_groups()["SecurityGroups"][0]
print(subnet["SubnetId"], group["GroupId"], image["ImageId"])
END
)
read -r subnet group image <<<"$made"
TILEFN_MOTO="$url" TILEFN_MOTO_SUBNET="$subnet" TILEFN_MOTO_GROUP="$group" TILEFN_MOTO_IMAGE="$image" \
    cargo test --locked --workspace --all-features --test aws -- moto "$@"
