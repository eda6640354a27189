//! Tests.
mod channel;
mod conversations;
mod desk;
#[cfg(all(feature = "driver", unix))]
mod driver;
mod wire;
mod wire_doc;
mod wire_golden;
mod wire_samples;
