//! What went wrong in a call to AWS, sorted by cause: the one place that decides what is worth another try.

use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::config::interceptors::InterceptorContext;
use aws_sdk_ecs::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_ecs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too many calls. Try again later.
    Throttled,
    /// AWS has no capacity for the request. Try again later or elsewhere.
    Capacity,
    /// No answer, or a fault on AWS's side: the call may have had its effect.
    Unclear,
    /// The thing does not exist, not yet or no more.
    Gone,
    /// The thing is still used by another, such as a cluster by its tasks.
    Busy,
    /// No credentials, or no permission.
    Denied,
    /// Anything else, and so no use in trying again: a wrong setting.
    Refused,
}

impl Cause {
    /// The cause behind an error code and message of any of the services.
    ///
    /// Messages count as well as codes, because ECS passes other services' refusals on as its own
    /// `InvalidParameterException`.
    pub fn of(code: &str, message: &str) -> Self {
        let says = |text: &str| message.contains(text);
        if THROTTLED.contains(&code) || hides_throttling(message) {
            Self::Throttled
        } else if CAPACITY.contains(&code)
            || says("Capacity is unavailable")
            || says("No Container Instances were found")
            || says("limit on the number of")
        {
            Self::Capacity
        } else if NOT_ALLOWED.iter().chain(&UNKNOWN_CALLER).any(|c| code.starts_with(c)) {
            Self::Denied
        } else if BUSY.contains(&code) {
            Self::Busy
        } else if says("capacity provider") {
            Self::Refused
        } else if GONE.contains(&code) || code.ends_with(".NotFound") || says("not found") {
            Self::Gone
        } else if UNCLEAR.contains(&code) {
            Self::Unclear
        } else {
            Self::Refused
        }
    }

    /// The cause behind an entry of an answer's `failures`.
    pub fn of_failure(reason: &str, detail: &str) -> Self {
        match reason {
            "AGENT" | "RESOURCE" => Self::Capacity,
            "MISSING" | "INACTIVE" => Self::Gone,
            _ if reason.starts_with("RESOURCE:") => Self::Capacity,
            _ => match Self::of("", reason) {
                Self::Refused => Self::of("", detail),
                cause => cause,
            },
        }
    }
}

const THROTTLED: [&str; 7] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "SlowDown",
];
const CAPACITY: [&str; 11] = [
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacity",
    "InsufficientFreeAddressesInSubnet",
    "InstanceLimitExceeded",
    "VcpuLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "LimitExceededException",
    // Two ways of saying that an availability zone does not have the instance type.
    "Unsupported",
    "InvalidAvailabilityZone",
];
/// Prefixes of the error codes of a refusal that a permission would help against.
const NOT_ALLOWED: [&str; 3] = ["AccessDenied", "UnauthorizedOperation", "MissingAuthenticationToken"];
/// Prefixes of those that are about who calls, not about what is allowed.
const UNKNOWN_CALLER: [&str; 7] = [
    "AuthFailure",
    "ExpiredToken",
    "RequestExpired",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
];
const BUSY: [&str; 5] = [
    "ClusterContainsTasksException",
    "ClusterContainsContainerInstancesException",
    "ClusterContainsServicesException",
    "UpdateInProgressException",
    "ResourceInUseException",
];
const GONE: [&str; 6] = [
    "ClusterNotFoundException",
    "ResourceNotFoundException",
    "NoSuchKey",
    "NoSuchUpload",
    "NotFound",
    "InvalidInstanceID",
];
const UNCLEAR: [&str; 5] = ["ServerException", "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"];

/// Throttling of a service behind the one that was called, told by its text alone.
fn hides_throttling(text: &str) -> bool {
    ["Rate exceeded", "Request limit exceeded", "ErrorCode: Throttling"].iter().any(|t| text.contains(t))
}

/// Lets the SDK's own retries, which have back-off and jitter, see the throttling that it would take for a refusal.
#[derive(Debug)]
pub(super) struct HiddenThrottling;

impl ClassifyRetry for HiddenThrottling {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let body = context.response().filter(|r| r.status().is_client_error()).and_then(|r| r.body().bytes());
        match body.and_then(|b| std::str::from_utf8(b).ok()) {
            Some(text) if hides_throttling(text) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "throttling that hides in a message"
    }
}

/// A call to AWS that failed: what was tried, what AWS said, and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing}: {said}{}", self.advice())]
pub struct AwsError {
    /// The action that failed, such as `start 10 tasks`.
    pub doing: String,
    /// Why it failed.
    pub cause: Cause,
    /// AWS's code and message.
    pub said: String,
}

impl AwsError {
    /// The error of an SDK's call.
    pub(super) fn of<E>(doing: impl Into<String>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let doing = doing.into();
        if let SdkError::ServiceError(e) = &error {
            let code = e.err().code().unwrap_or_default();
            let message = e.err().message().unwrap_or_default();
            let mut said = match (code, message) {
                ("", "") => DisplayErrorContext(e.err()).to_string(),
                (code, "") => code.to_owned(),
                ("", message) => message.to_owned(),
                (code, message) => format!("{message} ({code})"),
            };
            let cause = match (code, e.raw().status().as_u16()) {
                // The answer to a HEAD has no body, and so no code.
                ("", 403) => Cause::Denied,
                ("", 404) => Cause::Gone,
                _ => Cause::of(code, message),
            };
            if let Some(region) = elsewhere(code, e.raw()) {
                said.push_str(&format!("; the bucket is in {region}: set region = \"{region}\" in [workers.s3]"));
                return Self { doing, cause: Cause::Refused, said };
            }
            if cause == Cause::Denied
                && !is_about_credentials(&said)
                && !message.contains("perform: ")
                && let Some(permission) = permission(std::any::type_name::<E>())
            {
                said.push_str(&format!("; it needs the permission {permission}"));
            }
            return Self { doing, cause, said };
        }
        let said = DisplayErrorContext(&error).to_string();
        let cause = match &error {
            SdkError::ConstructionFailure(_) => Cause::Refused,
            SdkError::DispatchFailure(_) if said.contains("credential") => Cause::Denied,
            _ => Cause::Unclear,
        };
        Self { doing, cause, said }
    }

    /// An error that this program found itself.
    pub(super) fn refused(doing: impl Into<String>, said: impl Into<String>) -> Self {
        Self { doing: doing.into(), cause: Cause::Refused, said: said.into() }
    }

    fn advice(&self) -> &'static str {
        match self.cause {
            Cause::Denied if is_about_credentials(&self.said) => {
                "; renew the credentials: aws sts get-caller-identity shows whether AWS takes them"
            }
            Cause::Denied => "; docs/aws.md lists the permissions that the controller needs",
            Cause::Throttled => "; the account makes too many calls at once",
            // New accounts only: AWS refuses the first call, and creates the role meanwhile.
            Cause::Refused if self.said.contains("service linked role") => "; try again in a minute",
            Cause::Unclear => "; is the network up, and are region and endpoint right?",
            _ => "",
        }
    }
}

/// Whether AWS does not know who calls, so that no permission would help.
fn is_about_credentials(said: &str) -> bool {
    UNKNOWN_CALLER.iter().any(|code| said.contains(code)) || said.contains("credential")
}

/// The region of a bucket that was looked for in another one, by S3's answer. An answer to HEAD has no code.
fn elsewhere<'a>(code: &str, answer: &'a HttpResponse) -> Option<&'a str> {
    let wrong = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ];
    let redirected =
        [301, 307].contains(&answer.status().as_u16()) || code.is_empty() && answer.status().as_u16() == 400;
    let region = answer.headers().get("x-amz-bucket-region")?;
    (redirected || wrong.contains(&code)).then_some(region)
}

/// The permission that a call needs, by the name of its error's type; AWS does not always say it.
fn permission(error: &str) -> Option<String> {
    let (crates, error) = error.split_once("::operation::")?;
    let service = crates.strip_prefix("aws_sdk_")?;
    let operation = error.rsplit("::").next()?.strip_suffix("Error")?;
    // S3's permissions are not named as its operations are.
    let action = match (service, operation) {
        ("s3", "HeadObject") => "GetObject",
        ("s3", "ListObjectsV2") => "ListBucket",
        (_, operation) => operation,
    };
    let service = if service == "cloudwatchlogs" { "logs" } else { service };
    Some(format!("{service}:{action}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_from_code_and_message() {
        let subnet = "Error retrieving subnet information for [subnet-1]: Rate exceeded (ErrorCode: Throttling)";
        for (code, message, cause) in [
            ("ThrottlingException", "Rate exceeded", Cause::Throttled),
            ("RequestLimitExceeded", "Request limit exceeded.", Cause::Throttled),
            ("InvalidParameterException", subnet, Cause::Throttled),
            (
                "InvalidParameterException",
                "Error retrieving security group information: Request limit exceeded.",
                Cause::Throttled,
            ),
            ("InvalidParameterException", "No Container Instances were found in your cluster.", Cause::Capacity),
            (
                "ClientException",
                "You've reached the limit on the number of vCPUs you can run concurrently",
                Cause::Capacity,
            ),
            ("InsufficientInstanceCapacity", "", Cause::Capacity),
            (
                "Unsupported",
                "Your requested instance type (c9.huge) is not supported in this Availability Zone",
                Cause::Capacity,
            ),
            ("AccessDeniedException", "User is not authorized to perform: ecs:RunTask", Cause::Denied),
            ("UnauthorizedOperation", "", Cause::Denied),
            ("ExpiredTokenException", "", Cause::Denied),
            ("ClusterContainsTasksException", "", Cause::Busy),
            ("UpdateInProgressException", "", Cause::Busy),
            ("ClusterNotFoundException", "Cluster not found.", Cause::Gone),
            ("InvalidInstanceID.NotFound", "", Cause::Gone),
            ("InvalidParameterException", "The referenced task was not found.", Cause::Gone),
            (
                "InvalidParameterException",
                "The specified capacity provider 'FARGATE_SPOT' was not found.",
                Cause::Refused,
            ),
            ("ServerException", "", Cause::Unclear),
            ("ClientException", "No Fargate configuration exists for given values.", Cause::Refused),
            ("", "", Cause::Refused),
        ] {
            assert_eq!(Cause::of(code, message), cause, "{code} {message}");
        }
    }

    #[test]
    fn a_call_names_the_permission_that_it_needs() {
        use std::any::type_name;
        let named = |name| permission(name).unwrap();
        assert_eq!(named(type_name::<aws_sdk_ecs::operation::run_task::RunTaskError>()), "ecs:RunTask");
        assert_eq!(named(type_name::<aws_sdk_s3::operation::head_object::HeadObjectError>()), "s3:GetObject");
        assert_eq!(named(type_name::<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error>()), "s3:ListBucket");
        assert_eq!(permission("std::io::Error"), None);
    }

    #[test]
    fn failures_of_run_task_are_sorted_too() {
        for (reason, detail, cause) in [
            ("RESOURCE:MEMORY", "", Cause::Capacity),
            ("RESOURCE:ENI", "", Cause::Capacity),
            ("AGENT", "", Cause::Capacity),
            (
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                "",
                Cause::Capacity,
            ),
            ("ATTRIBUTE", "ecs.cpu-architecture", Cause::Refused),
            ("LOCATION", "", Cause::Refused),
            ("MISSING", "", Cause::Gone),
            ("INACTIVE", "", Cause::Gone),
            ("odd", "Rate exceeded", Cause::Throttled),
        ] {
            assert_eq!(Cause::of_failure(reason, detail), cause, "{reason}");
        }
    }
}
