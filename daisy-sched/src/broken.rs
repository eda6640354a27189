//! States that cannot be.

/// The state contradicts itself: a mistake in daisy, which is not hidden. A driver catches the panic and ends its
/// run with an internal error.
///
/// # Panics
/// Always, in the name of the caller.
#[cold]
#[track_caller]
pub(crate) fn broken(what: &str) -> ! {
    panic!("broken: {what}")
}
