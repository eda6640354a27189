//! Where an array is, as Python says it: a path, or an address in an object store.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process,
    sync::{Mutex, PoisonError},
};

use daisy::arrays::{ArrayError, Location, RemoteStore, S3Options};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::error;

/// The settings of S3 that are texts; `anon` is a flag.
const TEXTS: [&str; 4] = ["endpoint_url", "key", "region", "secret"];

/// A setting of an object store.
#[derive(FromPyObject, Clone, PartialEq)]
pub(crate) enum Setting {
    Flag(bool),
    Text(String),
}

/// What Python gives as `storage_options`.
pub(crate) type Settings = BTreeMap<String, Setting>;

/// A place by its path or address, and how it is reached.
#[derive(FromPyObject)]
pub(crate) struct Place(PathBuf, Settings);

/// The stores of this process: a store has a thread and connections, and all arrays in it share them. One of
/// the parent of a forked process is of no use in the child, where that thread is missing; so the process
/// is a part of the name, and nothing is ever taken out.
static STORES: Mutex<Vec<(Name, RemoteStore)>> = Mutex::new(Vec::new());

/// Process, address and settings.
type Name = (u32, String, Settings);

impl Place {
    pub(crate) fn location(&self) -> PyResult<Location> {
        let Self(path, settings) = self;
        let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
            return self.local();
        };
        let (host, inside) = rest.split_once('/').unwrap_or((rest, ""));
        let store = match scheme {
            "s3" => store(host.to_owned(), settings, || s3(host, settings)),
            "http" | "https" if settings.is_empty() => {
                let url = format!("{scheme}://{host}");
                store(url.clone(), settings, || http(url))
            }
            "http" | "https" => return Err(no_settings("what is read over HTTP")),
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
        if settings.is_empty() { Ok(path.into()) } else { Err(no_settings("a path")) }
    }
}

fn no_settings(what: &str) -> PyErr {
    PyValueError::new_err(format!(
        "storage_options are for s3:// addresses; leave them out for {what}"
    ))
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

fn http(url: String) -> PyResult<RemoteStore> {
    made(RemoteStore::http(url))
}

fn s3(bucket: &str, settings: &Settings) -> PyResult<RemoteStore> {
    let mut options = S3Options::new(bucket);
    let text = |name: &str| match settings.get(name) {
        Some(Setting::Text(text)) => Some(text.clone()),
        _ => None,
    };
    for (name, value) in settings {
        let is_right = match value {
            Setting::Flag(_) => name == "anon",
            Setting::Text(_) => TEXTS.contains(&&**name),
        };
        if !is_right {
            return Err(PyValueError::new_err(format!(
                "{name:?} is no setting of S3, or not of this type; use anon=True, or texts for {}",
                TEXTS.join(", ")
            )));
        }
    }
    if settings.get("anon") == Some(&Setting::Flag(true)) {
        options = options.anonymous();
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
