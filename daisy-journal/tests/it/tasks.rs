//! What may change about the tasks from run to run.

use daisy_block::{Fit, Layout};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{
    ForgetOptions, Journal, JournalError, JournalOptions, MemoryDisk, TaskField, forget,
};

use crate::files::{Error, append, are, chain, contents, done, grant, key, lease, open};

/// A journal of tasks `up` and `down` where block 2 of both is done.
fn written() -> MemoryDisk {
    let (mut journal, _) = open(MemoryDisk::new(), &chain(&[("up", 10), ("down", 10)]));
    for task in 0..2 {
        let lease = lease(0, task);
        let key = key(task as u32, 2);
        append(&mut journal, &[grant(lease, key), done(lease, key)]);
    }
    journal.into_disk()
}

/// The same tasks, but for one with another layout or conflict, and perhaps without the edge.
fn changed(layout: Layout, conflict: bool, has_edge: bool) -> TaskGraph {
    let mut graph = TaskGraph::new();
    let layout_of_up = chain(&[("up", 10)]).task(key(0, 0).task).unwrap().layout().clone();
    let up = graph.add_task(TaskNode::new("up", layout_of_up, false).unwrap()).unwrap();
    let down = graph.add_task(TaskNode::new("down", layout, conflict).unwrap()).unwrap();
    if has_edge {
        graph.add_edge(up, down).unwrap();
    }
    graph
}

fn refused(tasks: &TaskGraph) -> (TaskField, String) {
    let opened: Result<_, Error> = Journal::open(written(), tasks, JournalOptions::default());
    let error = opened.unwrap_err();
    let text = error.to_string();
    let JournalError::Changed { task, field, .. } = error else { panic!("{text}") };
    assert_eq!(task, "down");
    (field, text)
}

#[test]
fn each_changed_field_is_refused_with_the_difference() {
    let roi = |begin: i64, end: i64| Roi::from_begin_end([begin], [end]).unwrap();
    let layout =
        |total: Roi, read: Roi, write: Roi, fit| Layout::new(total, read, write, fit).unwrap();
    let (total, read, write, fit) = (roi(0, 104), roi(0, 14), roi(2, 12), Fit::Valid);
    let same = layout(total.clone(), read.clone(), write.clone(), fit);
    let (_, resumed) = open(written(), &changed(same.clone(), false, true));
    assert_eq!(resumed.tasks[1].done.num_cells(), 1);

    let wider = layout(roi(0, 204), read.clone(), write.clone(), fit);
    let (field, text) = refused(&changed(wider, false, true));
    assert_eq!(field, TaskField::TotalRoi);
    assert_eq!(
        text,
        "task 'down' has changed: total_roi was [0:104] (104) and is now [0:204] (204); keep the old \
         definition, use a new journal, or forget the task and those downstream of it"
    );
    let reads_more = layout(total.clone(), roi(0, 15), write.clone(), fit);
    assert_eq!(refused(&changed(reads_more, false, true)).0, TaskField::ReadRoi);
    let writes_more = layout(total.clone(), read.clone(), roi(2, 13), fit);
    assert_eq!(refused(&changed(writes_more, false, true)).0, TaskField::WriteRoi);
    let shrinks = layout(total, read, write, Fit::Shrink);
    let (field, text) = refused(&changed(shrinks, false, true));
    assert_eq!(field, TaskField::Fit);
    assert!(text.contains("fit was valid and is now shrink"), "{text}");
    assert_eq!(refused(&changed(same.clone(), true, true)).0, TaskField::ReadWriteConflict);
    let (field, text) = refused(&changed(same, false, false));
    assert_eq!(field, TaskField::Upstream);
    assert!(text.contains(r#"upstream was ["up"] and is now []"#), "{text}");
}

#[test]
fn tasks_may_be_added_and_be_absent_and_come_back() {
    let (mut journal, resumed) = open(written(), &chain(&[("up", 10)]));
    assert_eq!((resumed.epoch, resumed.tasks.len()), (1, 1));
    append(&mut journal, &[grant(lease(1, 0), key(0, 5))]);
    let tasks = chain(&[("new", 3), ("newer", 4)]);
    let (mut journal, resumed) = open(journal.into_disk(), &tasks);
    assert_eq!((resumed.foreign_open, resumed.open.len()), (1, 0));
    assert!(resumed.tasks.iter().all(|task| task.done.is_empty()));
    append(&mut journal, &[grant(lease(2, 0), key(0, 1)), done(lease(2, 0), key(0, 1))]);
    journal.compact().unwrap();
    let (journal, resumed) = open(journal.into_disk(), &chain(&[("up", 10), ("down", 10)]));
    assert_eq!(resumed.epoch, 3);
    assert_eq!((resumed.foreign_open, resumed.open[0].key), (0, key(0, 5)));
    assert!(resumed.tasks.iter().all(|task| are(&task.done, 2, 3)));
    let names: Vec<String> =
        contents(journal.disk()).tasks.into_iter().map(|task| task.description.name).collect();
    assert_eq!(names, ["up", "down", "new", "newer"]);
}

#[test]
fn a_forgotten_task_may_change_once_nothing_is_known_downstream() {
    let mut disk = written();
    let wider = chain(&[("up", 20), ("down", 10)]);
    forget(&mut disk, "down", None, ForgetOptions::default()).unwrap();
    assert!(Journal::open(&mut disk, &wider, JournalOptions::default()).is_err());
    forget(&mut disk, "up", None, ForgetOptions::default()).unwrap();
    let (mut journal, resumed) = open(disk, &wider);
    assert!(resumed.tasks[0].done.is_empty());
    append(&mut journal, &[grant(lease(1, 0), key(0, 19)), done(lease(1, 0), key(0, 19))]);
    let (mut journal, resumed) = open(journal.into_disk(), &wider);
    assert!(resumed.tasks[0].done.contains(19));
    journal.compact().unwrap();
    let (_, resumed) = open(journal.into_disk(), &wider);
    assert!(resumed.tasks[0].done.contains(19));
}

#[test]
fn blocks_downstream_keep_a_task_from_changing_even_where_they_do_not_read_it() {
    let mut disk = written();
    // Only what reads `up` would be forgotten with it; so look at a task that is blank itself.
    forget(&mut disk, "up", Some(&Roi::new([100], [1]).unwrap()), ForgetOptions::default())
        .unwrap();
    let error: Error =
        Journal::open(disk, &chain(&[("up", 20), ("down", 10)]), JournalOptions::default())
            .unwrap_err();
    assert!(matches!(error, JournalError::Changed { .. }));

    let (mut journal, _) = open(MemoryDisk::new(), &chain(&[("up", 10), ("down", 10)]));
    append(&mut journal, &[grant(lease(0, 0), key(1, 2)), done(lease(0, 0), key(1, 2))]);
    let tasks = chain(&[("up", 20), ("down", 10)]);
    let error: Error =
        Journal::open(journal.into_disk(), &tasks, JournalOptions::default()).unwrap_err();
    assert!(error.to_string().contains("those downstream"), "{error}");
}
