//! The files of a run: whose they are, who can read them, and that one journal has one run.

use std::{
    fs::{self, OpenOptions},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use daisy::{Error, Notice, RunOptions, RunReport, Server, Task, journal};

use crate::support::{line, notices, quick, run_in_time};

fn task() -> Task {
    line("a", 3).process(|_| ()).build().unwrap()
}

fn run(path: &Path) -> Result<RunReport, Error> {
    run_in_time(quick().journal(path), &[task()])
}

/// The text of the error of a run that is refused, which names a file.
fn refused(path: &Path, named: &Path) -> String {
    let error = run(path).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::JournalFile { .. }), "{text}");
    assert!(text.contains(&named.display().to_string()), "{text}");
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn run_file(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".run");
    name.into()
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_with_a_key_is_its_owners_also_where_there_was_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection");
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o644).open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let during = |path: &Path| {
        let (own, seen) = (path.to_path_buf(), Arc::new(Mutex::new(None)));
        let at_work = Arc::clone(&seen);
        let look = move || (fs::read_to_string(&own).unwrap(), format!("{:o}", mode(&own)));
        let task = line("b", 1).process(move |_| *at_work.lock().unwrap() = Some(look()));
        let server = Server::bind(RunOptions::new().connection_file(path)).unwrap();
        assert!(server.run(&[task.build().unwrap()]).unwrap().is_success());
        seen.lock().unwrap().take().unwrap()
    };
    let (text, mode_then) = during(&path);
    assert!(text.contains("task=b:") && text.contains("key="));
    assert_eq!(mode_then, "600");
    assert!(!path.exists(), "a key is of no use without its run");
    // A link stays one.
    fs::write(&path, "").unwrap();
    let link = folder.path().join("link");
    symlink("connection", &link).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(during(&link).1, "600");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("connection"));
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let others = ["j.new", "k.new", ".j.new"].map(file);
    others.iter().for_each(|path| fs::write(path, "mine").unwrap());
    let keyed = |name: &str| {
        let options = RunOptions::new().journal(file("j")).connection_file(file(name));
        Server::bind(options).unwrap().run(&[task()])
    };
    assert!(keyed("k").unwrap().is_success());
    others.iter().for_each(|path| assert_eq!(fs::read_to_string(path).unwrap(), "mine"));
    // Neither the journal, nor what is beside it, nor any other file becomes one of keys.
    symlink("j", file("link")).unwrap();
    for name in ["j", "link", "j.run", "j.new"] {
        let error = keyed(name).unwrap_err().to_string();
        assert!(error.contains(&file(name).display().to_string()), "{error}");
    }
    assert_eq!(journal::inspect(file("j")).unwrap().tasks[0].done.num_cells(), 3);
    let new = RunOptions::new().journal(file("n")).connection_file(file("n"));
    let error = Server::bind(new).unwrap().run(&[task()]).unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");
    // One that a run left which was killed does.
    fs::write(file("k"), "address=h%3A1:task=a:key=none\n").unwrap();
    assert!(keyed("k").unwrap().is_success() && !file("k").exists());
    for text in ["notes", "\u{fffd}"] {
        fs::write(file("j.run"), text).unwrap();
        let text = refused(&file("j"), &file("j.run"));
        assert!(text.contains("another file"), "{text}");
    }
}

#[test]
fn a_run_says_that_its_journal_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (own, (hears, said)) = (path.clone(), notices());
    let task = line("b", 1).process(move |_| fs::remove_file(&own).unwrap()).build().unwrap();
    assert!(quick().journal(&path).observer(hears).run(&[task]).unwrap().is_success());
    assert_eq!(said.try_iter().collect::<Vec<_>>(), [Notice::JournalGone { journal: path }]);
}

#[test]
fn a_journal_has_one_run_by_whichever_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (soft, hard) = (folder.path().join("soft"), folder.path().join("hard"));
    run(&path).unwrap();
    symlink("j", &soft).unwrap();
    fs::hard_link(&path, &hard).unwrap();
    let (own, names) = (path.clone(), [path.clone(), soft, hard]);
    let task = line("b", 1)
        .process(move |_| {
            // Whoever cleans up does not unlock it.
            let _was_there = fs::remove_file(run_file(&own));
            for name in &names {
                let error = run(name).map(|report| report.to_string()).unwrap_err();
                assert!(matches!(error, Error::JournalInUse { .. }), "{}: {error}", name.display());
            }
        })
        .max_retries(0)
        .build()
        .unwrap();
    let report = quick().journal(&path).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
}

#[test]
fn links_and_modes_are_as_before_after_a_journal_was_made_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("j"), folder.path().join("link"));
    symlink("j", &link).unwrap();
    run(&link).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    run(&link).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("j"));
    assert_eq!(format!("{:o}", mode(&path)), "640");
    assert_eq!(journal::inspect(&link).unwrap().tasks[0].done.num_cells(), 3);
    // One that has another name too is left as it is: that name would have an old one from then on.
    let other = folder.path().join("other");
    fs::hard_link(&path, &other).unwrap();
    run(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), fs::metadata(&other).unwrap().ino());
}

#[test]
fn files_of_a_run_stay_their_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let bind = || Server::bind(RunOptions::new().journal(&path)).unwrap();
    drop(bind());
    run(&path).unwrap();
    if chown(&path, Some(12_345), Some(54_321)).is_err() {
        return crate::skipped::skipped("only root gives files away");
    }
    drop(bind());
    run(&path).unwrap();
    for path in [run_file(&path), path.clone()] {
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (12_345, 54_321), "{}", path.display());
    }
}

#[test]
fn what_is_no_regular_file_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    make_fifo(&fifo);
    refused(&fifo, &fifo);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    refused(folder.path(), folder.path());
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    refused(&socket, &socket);
    assert!(journal::inspect(&fifo).is_err());
}

#[test]
fn a_device_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("null");
    let made = Command::new("mknod").arg(&device).args(["c", "1", "3"]).output().unwrap();
    if !made.status.success() {
        return crate::skipped::skipped("only root makes devices");
    }
    refused(&device, &device);
    assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
}

#[test]
fn a_run_file_that_is_none_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let own = run_file(&path);
    make_fifo(&own);
    refused(&path, &own);
    fs::remove_file(&own).unwrap();
    fs::write(&own, b"key=\xff\xfe\n").unwrap();
    refused(&path, &own);
    fs::remove_file(&own).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "precious").unwrap();
    symlink(&other, &own).unwrap();
    refused(&path, &own);
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
}
