//! How many files the process may open: each connection is one.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::NetError;

/// The limits on open files, after they were raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// What holds now.
    pub soft: u64,
    /// What it can be raised to.
    pub hard: u64,
}

/// Raises the soft limit on open files to `wanted`, if it is lower.
///
/// # Errors
/// [`NetError::FileLimit`] when the hard limit is lower; the soft limit is as high as it can be then.
/// [`NetError::System`] when the system does not tell or set the limits.
pub fn raise_file_limit(wanted: u64) -> Result<FileLimit, NetError> {
    let system =
        |doing| move |error: nix::Error| NetError::System { doing, error: io::Error::from(error) };
    let (soft, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(system("reading the limit on open files"))?;
    let raised = wanted.min(hard).max(soft);
    if raised > soft {
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard)
            .map_err(system("raising the limit on open files"))?;
    }
    if wanted > hard {
        return Err(NetError::FileLimit { wanted, hard });
    }
    Ok(FileLimit { soft: raised, hard })
}
