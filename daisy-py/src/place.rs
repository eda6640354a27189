//! Where an array is, as Python says it: a path, or an address in an object store.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use daisy::arrays::{ArrayError, Location, RemoteStore, S3Options};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};

use crate::{error, wait::interruptible};

/// The settings of S3 that are texts.
const TEXTS: [&str; 4] = ["endpoint_url", "key", "region", "secret"];
/// Those that are flags.
const FLAGS: [&str; 2] = ["anon", "role"];
/// Seconds, for all stores.
const TIMEOUT: &str = "timeout";

/// A setting of an object store.
#[derive(FromPyObject, Clone, PartialEq)]
pub(crate) enum Setting {
    Flag(bool),
    Text(String),
    Number(f64),
}

/// What Python gives as `storage_options`.
pub(crate) type Settings = BTreeMap<String, Setting>;

/// A place by its path or address, and how it is reached.
pub(crate) struct Place(PathBuf, Settings);

impl<'py> FromPyObject<'_, 'py> for Place {
    type Error = PyErr;

    fn extract(place: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (path, settings): (Bound<'py, PyAny>, Bound<'py, PyDict>) = place.extract()?;
        let path = path.extract().map_err(|error| {
            PyValueError::new_err(format!("{path} cannot be a path or an address: {error}"))
        })?;
        let setting = |(name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>)| {
            let wrong = |_| {
                PyValueError::new_err(format!(
                    "{name} of storage_options is {value}; give a text, True, False or a number"
                ))
            };
            Ok((name.extract::<String>()?, value.extract().map_err(wrong)?))
        };
        Ok(Self(path, settings.iter().map(setting).collect::<PyResult<_>>()?))
    }
}

/// The stores of this process: a store has a thread and connections, and all arrays in it share them. One of
/// the parent of a forked process is of no use in the child, where that thread is missing; so the process
/// is a part of the name, and nothing is ever taken out.
static STORES: Mutex<Vec<(Name, RemoteStore)>> = Mutex::new(Vec::new());

/// Process, address and settings.
type Name = (u32, String, Settings);

impl Place {
    /// Whether a network is asked for what is there.
    fn is_remote(&self) -> bool {
        self.0.to_str().is_some_and(|path| path.contains("://"))
    }

    /// What comes of asking for an array at the place.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(Location) -> Result<T, ArrayError> + Send + 'static,
    ) -> PyResult<T> {
        let location = self.location()?;
        let answer = match self.is_remote() {
            true => interruptible(py, move || ask(location))?,
            false => py.detach(move || ask(location)),
        };
        answer.map_err(|error| error::array(&error))
    }

    fn location(&self) -> PyResult<Location> {
        let Self(path, settings) = self;
        let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
            return self.local();
        };
        let (host, inside) = rest.split_once('/').unwrap_or((rest, ""));
        let store = match scheme {
            "s3" => store(host.to_owned(), settings, || s3(host, settings)),
            "http" | "https" => {
                if let Some(name) = settings.keys().find(|name| *name != TIMEOUT) {
                    return Err(PyValueError::new_err(format!(
                        "{name:?} is no setting of what is read over HTTP, which has a timeout only"
                    )));
                }
                let url = format!("{scheme}://{host}");
                store(url.clone(), settings, || http(url, settings))
            }
            _ => {
                return Err(PyValueError::new_err(format!(
                    "there are no arrays at {scheme}:// addresses; use a path, s3://, https:// or http://"
                )));
            }
        };
        Ok(store?.at(inside))
    }

    fn local(&self) -> PyResult<Location> {
        let Self(path, settings) = self;
        if settings.is_empty() {
            return Ok(path.into());
        }
        Err(PyValueError::new_err("storage_options are for addresses; leave them out for a path"))
    }
}

/// For how long at most a server may say nothing, if that is said.
fn timeout(settings: &Settings) -> PyResult<Option<Duration>> {
    let Some(setting) = settings.get(TIMEOUT) else { return Ok(None) };
    let timeout = match setting {
        Setting::Number(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    };
    match timeout.filter(|timeout| !timeout.is_zero()) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(PyValueError::new_err("timeout is a positive number of seconds")),
    }
}

/// The store of this name in this process, made if there is none yet.
fn store(
    name: String,
    settings: &Settings,
    make: impl FnOnce() -> PyResult<RemoteStore>,
) -> PyResult<RemoteStore> {
    let name = (process::id(), name, settings.clone());
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, store)) = stores.iter().find(|(known, _)| *known == name) {
        return Ok(store.clone());
    }
    let store = make()?;
    stores.push((name, store.clone()));
    Ok(store)
}

fn http(url: String, settings: &Settings) -> PyResult<RemoteStore> {
    let timeout = timeout(settings)?.unwrap_or(RemoteStore::HTTP_TIMEOUT);
    made(RemoteStore::http_with_timeout(url, timeout))
}

fn s3(bucket: &str, settings: &Settings) -> PyResult<RemoteStore> {
    let mut options = S3Options::new(bucket);
    let text = |name: &str| match settings.get(name) {
        Some(Setting::Text(text)) => Some(text.clone()),
        _ => None,
    };
    for (name, value) in settings {
        let is_right = match value {
            Setting::Flag(_) => FLAGS.contains(&&**name),
            Setting::Text(_) => TEXTS.contains(&&**name),
            Setting::Number(_) => name == TIMEOUT,
        };
        if !is_right {
            return Err(PyValueError::new_err(format!(
                "{name:?} is no setting of S3, or not of this type; use flags for {}, texts for {}, seconds for {TIMEOUT}",
                FLAGS.join(", "),
                TEXTS.join(", ")
            )));
        }
    }
    if settings.get("anon") == Some(&Setting::Flag(true)) {
        options = options.anonymous();
    }
    if settings.get("role") == Some(&Setting::Flag(true)) {
        options = options.machine_role();
    }
    if let Some(timeout) = timeout(settings)? {
        options = options.timeout(timeout);
    }
    if let Some(url) = text("endpoint_url") {
        options = options.endpoint(url);
    }
    if let Some(region) = text("region") {
        options = options.region(region);
    }
    match (text("key"), text("secret")) {
        (Some(key), Some(secret)) => options = options.credentials(key, secret),
        (None, None) => {}
        _ => return Err(PyValueError::new_err("give both key and secret, or neither")),
    }
    made(RemoteStore::s3(&options))
}

fn made(store: Result<RemoteStore, ArrayError>) -> PyResult<RemoteStore> {
    store.map_err(|error| error::array(&error))
}
