"""ministack, changed so that its ECS tasks get what Fargate gives them: a network on which they reach the controller, a file system
that may be read-only, time to end after SIGTERM, and the credentials of their role at 169.254.170.2, from the file that is the
argument. Without an argument there are no containers. Its plain HTTP passes for TLS."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from docker.models.containers import Container
from ministack.app import main
from ministack.core import iam_actions, iam_evaluator
from ministack.services import ecs

CREDENTIALS = sys.argv.pop(1) if len(sys.argv) > 1 else None
# Where a container on ECS finds its role's credentials.
ADDRESS = ("169.254.170.2", 80)
STOP_TIMEOUT = 120

register = ecs._register_metadata
run_arguments = ecs._build_run_kwargs
resolve = iam_evaluator._resolve_condition_key
resource = iam_actions.extract_resource_arn
stop = Container.stop


def register_on_host(task, cluster, definition, container, launch_type, variables, _host, _ip):
    token = register(task, cluster, definition, container, launch_type, variables, True, None)
    # This variable is for containers that don't run on ECS.
    del variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"], variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + definition["taskRoleArn"]
    return token


def run_on_host(container, definition, variables, _ports, _network, _host, *rest):
    arguments = run_arguments(container, definition, variables, {}, None, True, *rest)
    # A controller keeps its outputs in its file system until they are complete.
    return arguments | {"read_only": container["name"] == "worker", "cap_drop": ["ALL"]}


def stop_in_time(container, **_arguments):
    return stop(container, timeout=STOP_TIMEOUT)


class Credentials(BaseHTTPRequestHandler):
    def do_GET(self):
        with open(CREDENTIALS) as file:
            found = json.load(file).get(self.path.removeprefix("/v2/credentials/"))
        body = json.dumps(found or {}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


def condition_key(key, context):
    return "true" if key.lower() == "aws:securetransport" else resolve(key, context)


def resource_on_aws(service, method, path, headers, body, query, region, account):
    """The resource for which AWS itself asks permission, where ministack takes the cluster, the log group or nothing."""
    action = {name.lower(): value for name, value in headers.items()}.get("x-amz-target", "").rpartition(".")[2]
    if action == "GetLogEvents":
        asked = json.loads(body)
        group, stream = asked["logGroupName"], asked["logStreamName"]
        return f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"
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
Container.stop = stop_in_time
iam_evaluator._resolve_condition_key = condition_key
iam_actions.extract_resource_arn = resource_on_aws
if CREDENTIALS:
    threading.Thread(target=ThreadingHTTPServer(ADDRESS, Credentials).serve_forever, daemon=True).start()
main()
