//! A file as a journal's disk.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use daisy_journal::Disk;

/// An append-only file.
#[derive(Debug)]
pub(super) struct FileDisk {
    path: PathBuf,
    /// Shared with the thread that syncs it.
    file: Arc<File>,
}

impl FileDisk {
    /// Opens a file, or makes it; its folder then knows of it for good.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let is_new = !path.exists();
        let file = append_to(path)?;
        if is_new {
            sync_folder(path)?;
        }
        Ok(Self { path: path.to_path_buf(), file: Arc::new(file) })
    }

    pub(super) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

impl Disk for FileDisk {
    type Error = io::Error;

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn replace(&mut self, content: &[u8]) -> io::Result<()> {
        let mut name = OsString::from(self.path.as_os_str());
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        self.file = Arc::new(append_to(&self.path)?);
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

/// Makes the names in the folder of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
