//! How an S3 bucket is reached.

use std::fmt;
use std::time::Duration;

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};

use super::remote::{CONNECT_TIMEOUT, retries};

/// A chunk may take long as long as something comes.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How an S3 bucket is reached.
///
/// What is not given comes from the environment variables that other tools use too
/// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
/// `AWS_ENDPOINT`, and those by which clusters give roles to containers).
#[derive(Clone)]
#[must_use]
pub struct S3Options {
    bucket: String,
    region: Option<String>,
    endpoint: Option<String>,
    credentials: Option<(String, String)>,
    anonymous: bool,
    machine_role: bool,
    timeout: Duration,
}

impl S3Options {
    /// For how long at most a server may say nothing, if [`timeout`](Self::timeout) does not say it.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// A bucket by its name.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            region: None,
            endpoint: None,
            credentials: None,
            anonymous: false,
            machine_role: false,
            timeout: Self::TIMEOUT,
        }
    }

    /// The region, `us-east-1` if nothing else says it.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another server than Amazon's, such as `http://localhost:9000`. What begins with `http:` is
    /// not encrypted.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// An access key and its secret.
    pub fn credentials(mut self, key: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials = Some((key.into(), secret.into()));
        self
    }

    /// No credentials, for public buckets.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// If there are no other credentials, those of the role that this machine has in Amazon's cloud:
    /// they are asked for on the network.
    pub fn machine_role(mut self) -> Self {
        self.machine_role = true;
        self
    }

    /// For how long at most the server may say nothing: after a request, and in the middle of an
    /// answer. So long, too, what failed is tried again.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What the bucket is called in errors and names.
    pub(super) fn url(&self) -> String {
        match &self.endpoint {
            None => format!("s3://{}", self.bucket),
            Some(endpoint) => format!("{}/{}", endpoint.trim_end_matches('/'), self.bucket),
        }
    }

    /// The environment, and over it what was given.
    pub(super) fn builder(&self) -> AmazonS3Builder {
        let time = |builder: AmazonS3Builder, key, time: Duration| {
            builder.with_config(
                AmazonS3ConfigKey::Client(key),
                format!("{}ms", time.as_millis().max(1)),
            )
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retries(self.timeout));
        // One by one: the environment may name a proxy, too.
        builder = time(builder, ClientConfigKey::ConnectTimeout, self.timeout.min(CONNECT_TIMEOUT));
        builder = time(builder, ClientConfigKey::ReadTimeout, self.timeout);
        builder = time(builder, ClientConfigKey::Timeout, LONGEST);
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &self.endpoint {
            builder =
                builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http:"));
        }
        if let Some((key, secret)) = &self.credentials {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        if self.anonymous {
            builder = builder.with_skip_signature(true);
        }
        builder
    }

    /// Whether there are credentials, or it is said that there are none, or where to ask for them.
    pub(super) fn has_credentials(&self, builder: &AmazonS3Builder) -> bool {
        let is_set = |key| builder.get_config_value(&key).is_some_and(|value| value != "false");
        self.machine_role
            || [
                AmazonS3ConfigKey::AccessKeyId,
                AmazonS3ConfigKey::SecretAccessKey,
                AmazonS3ConfigKey::SkipSignature,
                AmazonS3ConfigKey::WebIdentityTokenFile,
                AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
                AmazonS3ConfigKey::ContainerCredentialsFullUri,
            ]
            .into_iter()
            .any(is_set)
    }
}

impl fmt::Debug for S3Options {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("anonymous", &self.anonymous)
            .field("machine_role", &self.machine_role)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
