//! Where the bytes of a journal live: the only thing this crate asks of the world.

/// An append-only file with an atomic replacement of its whole content.
///
/// The file itself, its lock and its folder belong to whoever implements this; so do retries of
/// interrupted calls. An error means that the call did not succeed: the journal stops for good.
pub trait Disk {
    /// What can go wrong.
    type Error;

    /// The length of the content in bytes.
    ///
    /// # Errors
    /// Those of the disk.
    fn len(&mut self) -> Result<u64, Self::Error>;

    /// Whether there is no content.
    ///
    /// # Errors
    /// Those of the disk.
    fn is_empty(&mut self) -> Result<bool, Self::Error> {
        Ok(self.len()? == 0)
    }

    /// Writes all of `bytes` behind the content: seen by every later reader of this machine, but not
    /// necessarily durable. What was written in part when a call fails is a torn tail.
    ///
    /// # Errors
    /// Those of the disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync(&mut self) -> Result<(), Self::Error>;

    /// Reads from `offset` on; returns how many bytes came, 0 only at the end of the content or for
    /// an empty buffer.
    ///
    /// # Errors
    /// Those of the disk.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Self::Error>;

    /// Cuts the content off at `len` bytes.
    ///
    /// # Errors
    /// Those of the disk.
    fn truncate(&mut self, len: u64) -> Result<(), Self::Error>;

    /// Puts `content` in the place of everything, atomic and durable: whatever happens, there is the
    /// old or the new content afterwards, never a mixture.
    ///
    /// # Errors
    /// Those of the disk.
    fn replace(&mut self, content: &[u8]) -> Result<(), Self::Error>;
}

impl<D: Disk> Disk for &mut D {
    type Error = D::Error;

    fn len(&mut self) -> Result<u64, Self::Error> {
        (**self).len()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        (**self).append(bytes)
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        (**self).sync()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Self::Error> {
        (**self).read_at(offset, into)
    }

    fn truncate(&mut self, len: u64) -> Result<(), Self::Error> {
        (**self).truncate(len)
    }

    fn replace(&mut self, content: &[u8]) -> Result<(), Self::Error> {
        (**self).replace(content)
    }
}
