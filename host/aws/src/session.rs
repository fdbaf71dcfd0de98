//! Credentials, region and endpoints: from these come the clients of all services.

use super::credentials::Chain;
use super::error::{AwsError, HiddenThrottling};
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use std::time::Duration;

/// Tries of one call, with back-off and jitter between them, before the caller hears of a failure.
const TRIES: u32 = 5;

/// The longest that it may take to get credentials: the AWS command line may have to ask for them.
const LOGIN: Duration = Duration::from_secs(60);

/// The longest that one try of a call to ECS or EC2 may take.
const TRY: Duration = Duration::from_secs(30);

/// The configuration that clients are made from.
#[derive(Clone, Debug)]
pub struct Session {
    config: SdkConfig,
    /// Waiting times.
    pub pace: Pace,
}

impl Session {
    /// Credentials, region and endpoint from where the AWS command line finds them: environment, profile, container or
    /// instance. `region` takes precedence.
    ///
    /// # Errors
    /// [`Cause::Refused`](super::Cause::Refused) when no region is set anywhere.
    pub async fn load(region: Option<&str>) -> Result<Self, AwsError> {
        let http = client();
        let mut providers = ProviderConfig::default().with_http_client(http.clone());
        if let Some(region) = region {
            providers = providers.with_region(Some(Region::new(region.to_owned())));
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .credentials_provider(Chain::new(providers).await)
            .identity_cache(IdentityCache::lazy().load_timeout(LOGIN).build())
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(AwsError::refused(
                "find the AWS region",
                "set `region` in the job file's section, AWS_REGION in the environment, or a region in ~/.aws/config",
            ));
        }
        Ok(Self { config, pace: Pace::default() })
    }

    /// A session with this configuration.
    pub fn new(config: SdkConfig, pace: Pace) -> Self {
        Self { config, pace }
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", |r| r.as_ref())
    }

    /// The client for ECS.
    pub fn ecs(&self) -> aws_sdk_ecs::Client {
        let config = aws_sdk_ecs::config::Builder::from(&self.config)
            .retry_classifier(HiddenThrottling)
            .timeout_config(patience(&self.config));
        aws_sdk_ecs::Client::from_conf(config.build())
    }

    #[cfg(feature = "ec2")]
    pub(super) fn ec2(&self) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.config)
            .retry_classifier(HiddenThrottling)
            .timeout_config(patience(&self.config));
        aws_sdk_ec2::Client::from_conf(config.build())
    }

    /// The client for CloudWatch Logs.
    pub fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    /// The client for S3, which may be in another region or another service than ECS. Services other than AWS want the
    /// bucket in the path, not in the host's name.
    pub(super) fn s3(&self, region: Option<&str>, endpoint: Option<&str>) -> aws_sdk_s3::Client {
        let elsewhere = self.config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let mut config =
            aws_sdk_s3::config::Builder::from(&self.config).force_path_style(elsewhere || endpoint.is_some());
        if let Some(region) = region {
            config = config.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// The HTTP client of all services. GDAL obeys the same variables for rasters in S3.
fn client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector =
            Connector::builder().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|c| c.sleep_impl()));
        connector.proxy_config(proxy()).build()
    })
}

/// The proxy for AWS, whose services speak HTTPS. The metadata services of instances and containers don't: a proxy would give
/// out its own machine's role.
fn proxy() -> ProxyConfig {
    let set = |name: &str| [name.to_ascii_uppercase(), name.to_owned()].iter().find_map(|n| std::env::var(n).ok());
    let set = |name| set(name).filter(|value| !value.is_empty());
    let Some(url) = set("https_proxy").or_else(|| set("all_proxy")) else { return ProxyConfig::disabled() };
    // Curl, and with it GDAL, takes an address without a scheme.
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    match ProxyConfig::https(url.as_str()) {
        Ok(proxy) => proxy.no_proxy(set("no_proxy").unwrap_or_default()),
        Err(e) => {
            tracing::warn!("the proxy that HTTPS_PROXY or ALL_PROXY names isn't used: {e}");
            ProxyConfig::disabled()
        }
    }
}

/// The configured timeouts, and one for each try: a connection that hangs must not keep a job's end waiting.
fn patience(config: &SdkConfig) -> TimeoutConfig {
    let configured = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    configured.operation_attempt_timeout(TRY).build()
}

/// Waiting times.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at tasks or instances.
    pub poll: Duration,
    /// How long something new may be unknown to AWS's own lists.
    pub settle: Duration,
    /// For tasks to stop, and for a cluster to let go of them.
    pub stop: Duration,
    /// After the first of several failures; it doubles from there.
    pub backoff: Duration,
    /// The longest wait between tries.
    pub backoff_most: Duration,
    /// Between two times that a job's ticket is put anew: less than half of what it is valid for.
    pub renew: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let s = Duration::from_secs;
        let renew = s(3 * 24 * 3600);
        Self { poll: s(5), settle: s(15), stop: s(180), backoff: s(2), backoff_most: s(60), renew }
    }
}
