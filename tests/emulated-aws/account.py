"""Sets an emulated AWS account up as docs/aws-start.md says, and takes it down again.

account.py up FOLDER     makes the stack, and a bucket for rasters; writes stack.json (its description), user.json (keys of one who
                         may submit jobs) and roles.json (credentials of tasks) to FOLDER
account.py down FOLDER   removes the stack, and checks that only the bucket is left of it
"""

import json
import sys
from pathlib import Path

import boto3

ROOT = Path(__file__).parent.parent.parent
AWS = ROOT / "docker/aws"
STACK = "tilefn"
SCENES = "scenes"
RASTERS = [f"arn:aws:s3:::{SCENES}", f"arn:aws:s3:::{SCENES}/*"]


def client(service):
    return boto3.client(service)


def outputs(stack):
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}


def controller_policy(out):
    """docker/aws/controller-policy.json, with its placeholders filled in."""
    account = client("sts").get_caller_identity()["Account"]
    names = {
        "TASK_ROLE_ARN": out["TaskRoleArn"],
        "EXECUTION_ROLE_ARN": out["ExecutionRoleArn"],
        "CONTROLLER_ROLE_ARN": out["ControllerRoleArn"],
        "INSTANCE_ROLE_ARN": out["InstanceRoleArn"],
        "LOG_GROUP": out["LogGroup"],
        "REGION": out["Region"],
        "ACCOUNT": account,
        "BUCKET": out["Bucket"],
        "CLUSTER": out["Cluster"],
    }
    text = (AWS / "controller-policy.json").read_text()
    for name, value in names.items():
        text = text.replace(name, value)
    return json.loads(text)


def plain(policy):
    """A policy without the ways to write the same: one action or a list of one."""
    several = lambda v: sorted(v) if isinstance(v, list) else [v]
    return [
        s | {"Action": several(s["Action"]), "Resource": several(s["Resource"])} for s in policy["Statement"]
    ]


def up(folder):
    cloudformation, iam = client("cloudformation"), client("iam")
    template = (AWS / "template.yaml").read_text()
    client("s3").create_bucket(
        Bucket=SCENES, CreateBucketConfiguration={"LocationConstraint": client("s3").meta.region_name}
    )
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=template,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": ",".join(RASTERS)} for key in ("ReadRasters", "WriteRasters")
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    described = cloudformation.describe_stacks(StackName=STACK)
    (folder / "stack.json").write_text(json.dumps(described, default=str))
    out = outputs(described["Stacks"][0])

    policy = controller_policy(out)
    arn = out["ControllerPolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    in_stack = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert plain(in_stack) == plain(policy), "template.yaml and controller-policy.json differ"

    # Jobs are submitted by a user with this policy, and with the permissions for rasters of docs/aws.md.
    iam.create_user(UserName="user")
    iam.put_user_policy(UserName="user", PolicyName="documented", PolicyDocument=json.dumps(policy))
    rasters = {"Effect": "Allow", "Resource": RASTERS}
    rasters["Action"] = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    rasters = {"Version": "2012-10-17", "Statement": [rasters]}
    iam.put_user_policy(UserName="user", PolicyName="rasters", PolicyDocument=json.dumps(rasters))
    key = iam.create_access_key(UserName="user")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    (folder / "user.json").write_text(json.dumps(keys))

    roles = {out[name]: taken(out[name]) for name in ("TaskRoleArn", "ControllerRoleArn")}
    (folder / "roles.json").write_text(json.dumps(roles))


def taken(arn):
    """Credentials with a role's permissions. Only ECS may take that role, so a second one has the same."""
    iam, sts = client("iam"), client("sts")
    account = sts.get_caller_identity()["Account"]
    name = arn.rsplit("/", 1)[1]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    same = iam.create_role(RoleName=f"as-{name}", AssumeRolePolicyDocument=trust)["Role"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        iam.put_role_policy(RoleName=same["RoleName"], PolicyName=policy, PolicyDocument=json.dumps(document))
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.attach_role_policy(RoleName=same["RoleName"], PolicyArn=policy["PolicyArn"])
    credentials = sts.assume_role(RoleArn=same["Arn"], RoleSessionName="task")["Credentials"]
    return {
        "RoleArn": arn,
        "AccessKeyId": credentials["AccessKeyId"],
        "SecretAccessKey": credentials["SecretAccessKey"],
        "Token": credentials["SessionToken"],
        "Expiration": credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def down(folder):
    cloudformation = client("cloudformation")
    out = outputs(json.loads((folder / "stack.json").read_text())["Stacks"][0])
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert client("logs").describe_log_groups(logGroupNamePrefix=out["LogGroup"])["logGroups"] == []
    assert client("ecr").describe_repositories()["repositories"] == []
    roles = {r["Arn"] for r in client("iam").list_roles()["Roles"]}
    assert not {value for key, value in out.items() if key.endswith("RoleArn")} & roles
    # The bucket still has the jobs' reports, so it must not go by itself.
    assert client("s3").head_bucket(Bucket=out["Bucket"])


{"up": up, "down": down}[sys.argv[1]](Path(sys.argv[2]))
