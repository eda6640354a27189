//! Who is on the line: workers that were started, that come by themselves, and that are back.

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_sched::{Input, Moment, WorkerId, WorkerKind};

use super::{CloseReason, Host, Switchboard, line::Desk};
use crate::wire::{EndReason, Hello, LayoutFrame, RefusalReason, RoiFrame, ToWorker, Welcome};

/// What a worker of a task has to know.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The task's layout, from which the worker computes its blocks.
    pub layout: &'a Layout,
    /// For how long a block may be worked on, in milliseconds; 0 for ever.
    pub timeout_ms: u64,
    /// The most blocks that a worker may hold and want together.
    pub max_ahead: u32,
}

/// What a hello comes to.
enum Admission {
    Welcome(WorkerId),
    Refused(RefusalReason, String),
    /// It holds blocks that are not its own any more.
    End(EndReason),
}

impl Switchboard {
    pub(super) fn hello<H: Host>(
        &mut self,
        now: Moment,
        desk: &mut Desk,
        host: &mut H,
        hello: &Hello,
    ) -> Result<(), CloseReason> {
        if desk.worker.is_some() {
            return Err(CloseReason::OutOfOrder);
        }
        let key = desk.key;
        self.strangers.retain(|&stranger| stranger != key);
        let Some(task) = host.task(&hello.task) else {
            let text = format!("there is no task '{}' in this run; check its name", hello.task);
            desk.refuse(RefusalReason::UnknownTask, text);
            return Ok(());
        };
        match self.admit(now, task, host, hello) {
            Admission::Welcome(worker) => {
                desk.worker = Some(worker);
                desk.is_back = hello.secret.is_some() && hello.worker == Some(worker.0);
                self.lines_of.insert(worker, key);
                if self.lines_of.len() == 1 {
                    self.next_beat = now;
                }
                host.joined(worker, host.process_of(hello), hello);
                let welcome = self.welcome(worker, task, (host, &desk.from));
                // Blocks that were granted on a line that broke may never have arrived.
                for lease in host.coordinator().leases_of(worker) {
                    desk.grant(&lease);
                }
                if desk.say(&welcome) { Ok(()) } else { Err(CloseReason::Nonsense) }
            }
            Admission::Refused(reason, text) => {
                desk.refuse(reason, text);
                Ok(())
            }
            Admission::End(reason) => {
                desk.say(&ToWorker::End { reason });
                desk.farewell = Some(CloseReason::GivenUp);
                Ok(())
            }
        }
    }

    fn admit<H: Host>(
        &mut self,
        now: Moment,
        task: TaskId,
        host: &mut H,
        hello: &Hello,
    ) -> Admission {
        let heartbeats = hello.heartbeat_ms > 0;
        let is_over = host.coordinator().has_ended(task);
        match (hello.worker, hello.secret) {
            (Some(id), Some(secret)) => {
                if !self.config.secrets.is_right(id, &secret) {
                    let text = "the worker's secret is wrong; it belongs to another run".to_owned();
                    return Admission::Refused(RefusalReason::UnknownWorker, text);
                }
                let worker = WorkerId(id);
                if host.coordinator().task_of(worker) == Some(task) {
                    return self.readmit(now, worker, heartbeats, host);
                }
                if hello.held > 0 {
                    return Admission::End(EndReason::Unknown);
                }
                // It had nothing when the server was started again, or was given up without a block.
                if host.coordinator().is_staffed(task) {
                    let text = "the task has all the workers it needs".to_owned();
                    return Admission::Refused(RefusalReason::Full, text);
                }
                let worker = host.name_worker();
                Self::join(now, worker, task, hello, host)
            }
            (_, None) if is_over => {
                let text = format!("the task '{}' is over", hello.task);
                Admission::Refused(RefusalReason::Ended, text)
            }
            // Only the first that comes with the number of a start gets it. Others are in the same process, or had
            // their first welcome lost: each is a worker of its own.
            (Some(id), None) if host.coordinator().is_starting(WorkerId(id)) => {
                Self::join(now, WorkerId(id), task, hello, host)
            }
            _ => {
                let worker = host.name_worker();
                Self::join(now, worker, task, hello, host)
            }
        }
    }

    fn join<H: Host>(
        now: Moment,
        worker: WorkerId,
        task: TaskId,
        hello: &Hello,
        host: &mut H,
    ) -> Admission {
        let heartbeats = hello.heartbeat_ms > 0;
        let process = host.process_of(hello);
        let kind = match process {
            Some(_) => WorkerKind::LocalProcess { heartbeats },
            None => WorkerKind::Remote { heartbeats },
        };
        let joined = host.handle(now, Input::Joined { worker, task, kind }).and_then(|()| {
            match process.filter(|&process| process != worker) {
                Some(process) => host.handle(now, Input::Shares { worker, process }),
                None => Ok(()),
            }
        });
        match joined {
            Ok(()) => Admission::Welcome(worker),
            Err(error) => Admission::Refused(RefusalReason::UnknownWorker, error.to_string()),
        }
    }

    /// A worker is back. If its old line seems to be open still, it is not.
    fn readmit<H: Host>(
        &mut self,
        now: Moment,
        worker: WorkerId,
        heartbeats: bool,
        host: &mut H,
    ) -> Admission {
        if let Some(old) = self.lines_of.remove(&worker) {
            if let Some(line) = self.line_mut(old) {
                line.desk.worker = None;
            }
            self.end_line(old, CloseReason::Superseded);
            let _was_connected = host.handle(now, Input::Disconnected { worker });
        }
        match host.handle(now, Input::Reconnected { worker, heartbeats }) {
            Ok(()) => Admission::Welcome(worker),
            Err(error) => Admission::Refused(RefusalReason::UnknownWorker, error.to_string()),
        }
    }

    fn welcome<H: Host>(
        &self,
        worker: WorkerId,
        task: TaskId,
        (host, seen_as): (&H, &str),
    ) -> ToWorker {
        let Terms { layout, timeout_ms, max_ahead } = host.terms(task);
        ToWorker::Welcome(Welcome {
            worker: worker.0,
            secret: self.config.secrets.of(worker.0),
            task: u32::try_from(task.index()).unwrap_or(u32::MAX),
            heartbeat_ms: self.config.heartbeat_ms,
            silence_ms: self.config.silence_ms,
            reconnect_ms: self.config.reconnect_ms,
            timeout_ms,
            max_ahead,
            seen_as: seen_as.to_owned(),
            layout: layout_frame(layout),
        })
    }
}

impl Desk {
    fn refuse(&mut self, reason: RefusalReason, text: String) {
        self.say(&ToWorker::Refused { reason, text });
        self.farewell = Some(CloseReason::Refused(reason));
    }
}

/// The layout of a task as it travels.
fn layout_frame(layout: &Layout) -> LayoutFrame {
    let fit = match layout.fit() {
        Fit::Valid => 0,
        Fit::Overhang => 1,
        Fit::Shrink => 2,
    };
    LayoutFrame {
        total: roi_frame(layout.total_roi()),
        read: roi_frame(layout.read_roi()),
        write: roi_frame(layout.write_roi()),
        fit,
    }
}

/// A bounded ROI as it travels; layouts have no others.
fn roi_frame(roi: &Roi) -> RoiFrame {
    let parts = roi.begin().zip(roi.shape());
    let parts = parts.map(|(begin, shape)| (begin.as_slice().to_vec(), shape.as_slice().to_vec()));
    let (begin, shape) = parts.unwrap_or_default();
    RoiFrame { begin, shape }
}

impl LayoutFrame {
    /// The layout that travelled.
    ///
    /// # Errors
    /// None if the ROIs do not go together.
    #[must_use]
    pub fn to_layout(&self) -> Option<Layout> {
        let roi = |frame: &RoiFrame| Roi::new(frame.begin.clone(), frame.shape.clone()).ok();
        let fit = match self.fit {
            0 => Fit::Valid,
            1 => Fit::Overhang,
            _ => Fit::Shrink,
        };
        Layout::new(roi(&self.total)?, roi(&self.read)?, roi(&self.write)?, fit).ok()
    }
}
