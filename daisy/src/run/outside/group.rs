//! Groups of processes: what the leader of one has started and left behind.

use std::process::Child;

/// None while a child lives; then whether its number, and that of its group, is still its own: where the system tells of an
/// end before the child is waited for, it is until then.
#[cfg(target_os = "linux")]
pub(super) fn ended(child: &mut Child) -> Option<bool> {
    use nix::{
        errno::Errno,
        sys::wait::{Id, WaitPidFlag, WaitStatus, waitid},
        unistd::Pid,
    };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let Ok(pid) = i32::try_from(child.id()) else { return Some(false) };
    match waitid(Id::Pid(Pid::from_raw(pid)), flags) {
        Ok(WaitStatus::StillAlive) => None,
        // The second one: it was ended by a signal that has no name.
        Ok(_) | Err(Errno::EINVAL) => Some(true),
        Err(_) => Some(false),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ended(child: &mut Child) -> Option<bool> {
    if matches!(child.try_wait(), Ok(None)) { None } else { Some(true) }
}

/// Whether a group has members that live, beside its leader. False where the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn has_others(leader: u32) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let is_member = |stat: &str| {
        // The name, in parentheses, may have any characters.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let is_alive = !matches!(fields.next(), Some("Z" | "X" | "x") | None);
        is_alive && fields.nth(1).is_some_and(|group| group.parse() == Ok(leader))
    };
    processes.flatten().any(|process| {
        let name = process.file_name();
        let is_process = name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        let stat = is_process.then(|| std::fs::read_to_string(process.path().join("stat")));
        stat.is_some_and(|stat| stat.is_ok_and(|stat| is_member(&stat)))
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn has_others(_: u32) -> bool {
    false
}
