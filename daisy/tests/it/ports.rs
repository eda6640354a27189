//! A run that is started again where its old address is taken by another program.

use std::{
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use daisy::{Error, Notice, RunOptions, Server, StopHandle};

use crate::{
    outside::break_off,
    support::{Hears, line},
};

/// Makes a run of no block that is started again, and takes its port.
fn taken(journal: &Path) -> (String, TcpListener) {
    let server = Server::bind(RunOptions::new().journal(journal)).unwrap();
    let address = server.addresses().remove(0);
    let task = line("a", 1).process(|_| ()).build().unwrap();
    server.run(&[task]).unwrap();
    let other = TcpListener::bind(&address).unwrap();
    (address, other)
}

#[test]
fn after_an_orderly_end_another_port_is_taken_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    let (old, _other) = taken(&journal);
    for listen in [None, Some("127.0.0.1:0")] {
        let options = RunOptions::new().journal(&journal).reconnect_for(Duration::from_secs(3_600));
        let options = listen.into_iter().fold(options, RunOptions::listen);
        let server = Server::bind(options).unwrap();
        assert_ne!(server.addresses(), std::slice::from_ref(&old));
        let context = server.context("a").addresses();
        assert_eq!(context, server.addresses());
    }
    // Who asks for a port wants that one.
    let options = RunOptions::new().journal(&journal).listen(&old);
    let error = Server::bind(options).err().unwrap();
    assert!(matches!(error, Error::Network(_)), "{error}");
}

/// A run whose last start was cut off, and which looks for its address for an hour; the address is taken.
fn cut_off(
    journal: &Path,
    hears: impl FnMut(&Notice) + Send + 'static,
) -> (String, TcpListener, RunOptions) {
    let (address, other) = taken(journal);
    break_off(journal, None);
    let options = RunOptions::new().journal(journal).reconnect_for(Duration::from_secs(3_600));
    (address, other, options.observer(Hears(hears)))
}

#[test]
fn after_a_crash_the_old_port_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    let taken: Arc<Mutex<Option<TcpListener>>> = Arc::default();
    let own = Arc::clone(&taken);
    let (old, other, options) = cut_off(&journal, move |notice| {
        assert!(matches!(notice, Notice::WaitsForAddress { .. }), "{notice}");
        own.lock().unwrap().take();
    });
    *taken.lock().unwrap() = Some(other);
    let server = Server::bind(options).unwrap();
    assert_eq!(server.addresses(), [old]);
}

#[test]
fn a_run_that_waits_for_its_port_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    let stop = StopHandle::new();
    let (enough, notices) = (stop.clone(), Arc::new(Mutex::new(Vec::new())));
    let own = Arc::clone(&notices);
    let (old, _other, options) = cut_off(&journal, move |notice| {
        own.lock().unwrap().push(notice.to_string());
        enough.stop();
    });
    let server = Server::bind(options.stop_handle(&stop)).unwrap();
    assert_ne!(server.addresses(), [old]);
    let report = server.run(&[line("a", 2).num_workers(0).build().unwrap()]);
    // The task has changed: the run is refused before it begins.
    assert!(report.is_err());
    let notices = notices.lock().unwrap();
    assert!(notices[0].contains("trying again for 3600 s"), "{notices:?}");
    assert!(notices[1].contains("listens at 127.0.0.1:"), "{notices:?}");
}
