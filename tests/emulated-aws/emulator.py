"""ministack, whose ECS tasks have what they have on AWS: a network on which they reach the controller, a file system that may be
read-only, and the credentials of their role, from the file that is the first argument. Its plain HTTP passes for TLS."""

import json
import sys

from ministack.app import main
from ministack.core import iam_actions, iam_evaluator
from ministack.services import ecs, imds

CREDENTIALS = sys.argv.pop(1)

register = ecs._register_metadata
run_arguments = ecs._build_run_kwargs
resolve = iam_evaluator._resolve_condition_key
resource = iam_actions.extract_resource_arn


def register_on_host(task, cluster, definition, container, launch_type, variables, _host, _ip):
    return register(task, cluster, definition, container, launch_type, variables, True, None)


def run_on_host(container, definition, variables, _ports, _network, _host, *rest):
    arguments = run_arguments(container, definition, variables, {}, None, True, *rest)
    return arguments | {"read_only": True, "cap_drop": ["ALL"]}


def credentials():
    with open(CREDENTIALS) as file:
        return json.load(file)


def condition_key(key, context):
    return "true" if key.lower() == "aws:securetransport" else resolve(key, context)


def resource_on_aws(service, method, path, headers, body, query, region, account):
    """What ECS itself asks permission for, where ministack takes the cluster or nothing."""
    action = {name.lower(): value for name, value in headers.items()}.get("x-amz-target", "").rpartition(".")[2]
    asked = json.loads(body) if service == "ecs" and body else {}
    named = {
        "RunTask": asked.get("taskDefinition"),
        "StopTask": asked.get("task"),
        "DescribeTasks": (asked.get("tasks") or [None])[0],
        "DeleteTaskDefinitions": (asked.get("taskDefinitions") or [None])[0],
    }.get(action)
    if not named:
        return resource(service, method, path, headers, body, query, region, account)
    return named if named.startswith("arn:") else f"arn:aws:ecs:{region}:{account}:task-definition/{named}"


ecs._register_metadata = register_on_host
ecs._build_run_kwargs = run_on_host
iam_evaluator._resolve_condition_key = condition_key
iam_actions.extract_resource_arn = resource_on_aws
imds._ecs_task_credentials_doc = credentials
main()
