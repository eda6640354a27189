//! Stands for `outside` in a build without workers outside this process: nothing of it can exist, and
//! so nothing of it is ever called.

use std::{collections::BTreeSet, convert::Infallible, io, sync::Arc, time::Duration};

use daisy_block::TaskId;
use daisy_sched::{
    Coordinator, CoordinatorConfig, KillReason, Lease, LeaseId, Output, SchedulerBuilder, WorkerId,
};

use super::{
    Error, Pipeline, RunOptions,
    held::Held,
    hooks::Hooks,
    hub::{Hub, State},
    machine::Prepared,
    pipeline::take_over_done,
};
use crate::{Notice, Task, task::WorkerCommand};

pub(crate) type JournalFiles = Infallible;

pub(crate) struct Network(Infallible);

pub(crate) struct Outside {
    pub(super) children: Children,
}

pub(super) struct Children(Infallible);

pub(crate) struct RunJournal(Infallible);

pub(super) fn prepare(
    pipeline: &Arc<Pipeline>,
    mut earlier: SchedulerBuilder,
    config: CoordinatorConfig,
    _: &RunOptions,
    _: Option<JournalFiles>,
) -> Result<Prepared, Error> {
    take_over_done(&pipeline.blocks_done()?, &mut earlier, &BTreeSet::new())?;
    let coordinator = Coordinator::new(earlier.build(), config)?;
    Ok(Prepared::new(coordinator))
}

pub(super) fn open_for_lending(prepared: &mut Prepared, _: &Hooks) -> Result<(), Error> {
    prepared.journal.as_ref().map_or(Ok(()), |journal| match journal.0 {})
}

impl Network {
    pub(super) fn begin(self, _: &Arc<Hub>) -> Result<Self, Error> {
        match self.0 {}
    }

    pub(super) fn wait<'a>(&mut self, _: &'a Hub, _: Held<'a>, _: Option<Duration>) -> Held<'a> {
        match self.0 {}
    }

    pub(super) fn catch_up<'a>(&mut self, _: &'a Hub, _: Held<'a>) -> Held<'a> {
        match self.0 {}
    }

    pub(super) fn end_turn(&mut self, _: &Hub, _: &mut State) {
        match self.0 {}
    }

    pub(super) fn farewell(self, _: &Hub) {
        match self.0 {}
    }
}

impl Outside {
    pub(super) fn context(&self, _: &str) -> String {
        match self.children.0 {}
    }

    pub(super) fn grant(&mut self, _: &Lease) -> bool {
        match self.children.0 {}
    }

    pub(super) fn recall(&mut self, _: WorkerId, _: &[LeaseId]) {
        match self.children.0 {}
    }

    pub(super) fn settled(&mut self, _: WorkerId, _: LeaseId) {
        match self.children.0 {}
    }

    pub(super) fn dismiss(&mut self, _: WorkerId) {
        match self.children.0 {}
    }

    pub(super) fn kill(&mut self, _: WorkerId, _: KillReason) {
        match self.children.0 {}
    }

    pub(super) fn give_up(&mut self, _: WorkerId) {
        match self.children.0 {}
    }

    pub(super) fn rouse(&mut self) {
        match self.children.0 {}
    }

    pub(super) fn wake(&self) {
        match self.children.0 {}
    }
}

impl Children {
    pub(super) fn start(
        &mut self,
        _: WorkerId,
        _: TaskId,
        _: &Task,
        _: &WorkerCommand,
    ) -> io::Result<()> {
        match self.0 {}
    }
}

impl RunJournal {
    pub(super) fn record(&mut self, _: &Output, _: bool) -> Result<(), Error> {
        match self.0 {}
    }

    pub(super) fn commit(&mut self) -> Result<Option<Notice>, Error> {
        match self.0 {}
    }

    pub(super) fn finish(self, _: bool) -> Result<Option<Notice>, Error> {
        match self.0 {}
    }
}
