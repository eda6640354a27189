//! What a task may look like, and what is said of one that cannot be.

use std::time::Duration;

use daisy::{Error, Field, GraphError, LayoutError, Roi, RunOptions, Task, TaskBuilder, TaskError};

use crate::support::{line, roi};

fn error_of(builder: TaskBuilder) -> TaskError {
    builder.process(|_| ()).build().unwrap_err()
}

#[test]
fn a_task_has_the_documented_defaults() {
    let task = line("fill", 3).process(|_| ()).build().unwrap();
    assert_eq!((task.name(), task.num_blocks(), task.num_workers()), ("fill", 3, 1));
    assert!(task.upstream_tasks().is_empty());
    assert!(task.is_same(&task.clone()));
    assert!(!task.is_same(&line("fill", 3).process(|_| ()).build().unwrap()));
    assert!(format!("{task:?}").contains("max_retries: 2"));
}

#[test]
fn every_wrong_field_is_named_with_what_came_and_what_to_do() {
    let name = || "t".to_owned();
    assert_eq!(error_of(line("", 1)), TaskError::EmptyName);
    assert_eq!(
        error_of(Task::builder("t", roi(0, 10), roi(0, 10), Roi::new([0, 0], [1, 1]).unwrap())),
        TaskError::Layout {
            task: name(),
            source: LayoutError::DimsMismatch { field: Field::WriteRoi, expected: 1, found: 2 },
        }
    );
    assert_eq!(line("t", 1).build().unwrap_err(), TaskError::NoProcess { task: name() });
    assert_eq!(
        error_of(line("t", 1).num_workers(9_999)),
        TaskError::TooManyWorkers { task: name(), found: 9_999, limit: TaskBuilder::MAX_WORKERS }
    );
    assert_eq!(
        error_of(line("t", 1).timeout(Duration::ZERO)),
        TaskError::ZeroTimeout { task: name() }
    );
    assert_eq!(
        error_of(line("t", 1).timeout(Duration::MAX)),
        TaskError::TimeoutTooLong { task: name(), found: Duration::MAX }
    );
    assert_eq!(
        error_of(line("t", 1).max_failed_blocks(0)),
        TaskError::ZeroMaxFailedBlocks { task: name() }
    );
    assert_eq!(
        error_of(line("t", 1).resource("gpu", 0)),
        TaskError::Resource { task: name(), resource: "gpu".to_owned(), amount: 0 }
    );
    let wide = Task::builder(
        "wide",
        Roi::new([0, 0], [10, 10]).unwrap(),
        Roi::new([0, 0], [5, 5]).unwrap(),
        Roi::new([0, 0], [5, 5]).unwrap(),
    );
    let wide = wide.process(|_| ()).build().unwrap();
    let upstream_dims = TaskError::UpstreamDims {
        task: name(),
        dims: 1,
        upstream: "wide".into(),
        upstream_dims: 2,
    };
    assert_eq!(error_of(line("t", 1).upstream(&wide)), upstream_dims);
}

#[test]
fn a_block_function_is_needed_unless_another_program_runs_the_blocks() {
    let missing = Some(TaskError::NoProcess { task: "t".into() });
    assert_eq!(line("t", 1).build().err(), missing);
    assert_eq!(line("t", 1).in_processes().build().err(), missing);
    assert_eq!(line("t", 1).worker_command(["other"]).build().err(), None);
    assert_eq!(line("t", 1).num_workers(0).build().err(), None);
    let empty = line("t", 1).worker_command(Vec::<String>::new()).build().err();
    assert_eq!(empty, Some(TaskError::EmptyCommand { task: "t".into() }));
}

#[test]
fn errors_say_where_what_and_what_to_do() {
    let texts = [
        (error_of(line("", 1)), "give every task a unique name"),
        (error_of(line("t", 1).max_failed_blocks(0)), "leave it out for no limit"),
    ];
    for (error, text) in texts {
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn two_tasks_of_one_name_are_an_error() {
    let one = line("same", 2).process(|_| ()).build().unwrap();
    let other = line("same", 2).upstream(&one).process(|_| ()).build().unwrap();
    let error = RunOptions::new().run(&[other]).unwrap_err();
    assert!(matches!(&error, Error::Graph(GraphError::DuplicateName { name }) if name == "same"));
    assert!(error.to_string().contains("rename one"), "{error}");
}

#[test]
fn names_are_as_long_as_workers_can_say_and_reach_terminals_as_plain_text() {
    let block = Roi::new([0], [10]).unwrap();
    let named = |name: &str| {
        let task = Task::builder(name, block.clone(), block.clone(), block.clone());
        task.process(|_| ()).build()
    };
    assert!(named(&"x".repeat(1_024)).is_ok());
    let error = named(&"x".repeat(1_025)).unwrap_err();
    assert_eq!(error, TaskError::LongName { bytes: 1_025 });
    let report = RunOptions::new().run(&[named("a\u{1b}[2J\nb").unwrap()]).unwrap();
    assert_eq!(report.tasks[0].name, "a\u{1b}[2J\nb");
    let text = report.to_string();
    assert!(
        !text.contains('\u{1b}') && text.lines().any(|line| line.starts_with("a b ")),
        "{text}"
    );
}
