//! Graphs of tasks: what is refused, and what is printed.

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{DependencyGraph, GraphError, TaskGraph, TaskNode};

/// A task of `dims` axes with 4 blocks of 10 along each, reading 2 more on each side.
fn task(name: &str, dims: usize, conflict: bool) -> TaskNode {
    let roi = |begin, end| Roi::from_begin_end(vec![begin; dims], vec![end; dims]).unwrap();
    let layout = Layout::new(roi(-2, 42), roi(-2, 12), roi(0, 10), Fit::Valid).unwrap();
    TaskNode::new(name, layout, conflict).unwrap()
}

/// Tasks of one axis called a, b, c, ... with edges between them.
fn graph(names: &[&str], edges: &[(u32, u32)]) -> TaskGraph {
    let mut graph = TaskGraph::new();
    for name in names {
        graph.add_task(task(name, 1, true)).unwrap();
    }
    for &(from, to) in edges {
        graph.add_edge(TaskId::new(from), TaskId::new(to)).unwrap();
    }
    graph
}

#[test]
fn a_cycle_names_the_tasks_along_it_in_order() {
    let mut tasks = graph(&["a", "b", "c", "d"], &[(0, 1), (1, 2), (0, 3)]);
    let error = tasks.add_edge(TaskId::new(2), TaskId::new(0)).unwrap_err();
    assert_eq!(error, GraphError::Cycle { tasks: ["a", "b", "c"].map(String::from).to_vec() });
    assert!(error.to_string().contains("'a' -> 'b' -> 'c' -> 'a'"), "{error}");
    let own = tasks.add_edge(TaskId::new(3), TaskId::new(3)).unwrap_err();
    assert_eq!(own, GraphError::Cycle { tasks: vec!["d".into()] });
    // A refused edge leaves no trace.
    assert!(tasks.downstream(TaskId::new(2)).is_empty());
    tasks.add_edge(TaskId::new(0), TaskId::new(2)).unwrap();
}

#[test]
fn names_are_unique_and_not_empty() {
    let mut tasks = graph(&["a"], &[]);
    let error = tasks.add_task(task("a", 1, false)).unwrap_err();
    assert_eq!(error, GraphError::DuplicateName { name: "a".into() });
    let layout = tasks[TaskId::new(0)].layout().clone();
    assert_eq!(TaskNode::new("", layout, true).unwrap_err(), GraphError::EmptyName);
    assert_eq!(tasks.num_tasks(), 1);
}

#[test]
fn tasks_of_different_dimension_cannot_be_joined() {
    let mut tasks = graph(&["flat"], &[]);
    let solid = tasks.add_task(task("solid", 3, true)).unwrap();
    let error = tasks.add_edge(TaskId::new(0), solid).unwrap_err();
    assert!(matches!(error, GraphError::DimsMismatch { upstream_dims: 1, downstream_dims: 3, .. }));
    assert!(error.to_string().contains("'solid' has 3 axes"), "{error}");
}

#[test]
fn what_does_not_exist_is_an_error_everywhere() {
    let mut tasks = graph(&["a"], &[]);
    let nobody = TaskId::new(7);
    assert_eq!(
        tasks.add_edge(nobody, TaskId::new(0)),
        Err(GraphError::UnknownTask { task: nobody, num_tasks: 1 })
    );
    assert!(tasks.task(nobody).is_err() && tasks.upstream(nobody).is_empty());
    let graph = DependencyGraph::new(tasks);
    for block in [BlockKey::new(nobody, 0), BlockKey::new(TaskId::new(0), 4)] {
        assert!(matches!(graph.upstream(block).err(), Some(GraphError::UnknownBlock { .. })));
        assert!(graph.downstream(block).is_err() && graph.block(block).is_err());
        assert!(graph.explain(block).is_err());
    }
    assert!(graph.levels(nobody).is_err() && graph.level(nobody, 0).is_err());
}

#[test]
fn a_topological_order_puts_everything_after_what_it_waits_for() {
    let tasks = graph(&["a", "b", "c", "d"], &[(3, 1), (1, 0), (3, 2), (2, 0), (3, 0)]);
    let order = tasks.topological_order();
    let place = |id| order.iter().position(|&task| task == TaskId::new(id)).unwrap();
    assert!(
        place(3) < place(1) && place(3) < place(2) && place(1) < place(0) && place(2) < place(0)
    );
    assert_eq!(tasks.upstream(TaskId::new(0)), [1, 2, 3].map(TaskId::new));
    assert_eq!(tasks.last_tasks().collect::<Vec<_>>(), [TaskId::new(0)]);
    assert_eq!(tasks.find("c"), Some(TaskId::new(2)));
}

#[test]
fn a_block_is_explained() {
    let graph = DependencyGraph::new(graph(&["smooth", "label"], &[(0, 1)]));
    let text = |cell| graph.explain(BlockKey::new(TaskId::new(1), cell)).unwrap().to_string();
    assert_eq!(
        text(2),
        "block 2 of 'label'\n  reads [18:32] (14), writes [20:30] (10)\n  \
         waits for 2 conflicting blocks of its own task: 1 3\n  \
         reads 3 blocks of 'smooth' at grid [1..4]\n"
    );
    let first = graph.explain(BlockKey::new(TaskId::new(0), 1)).unwrap().to_string();
    assert!(first.ends_with("waits for nothing"), "{first}");
}

#[test]
fn graphs_are_drawn_for_graphviz() {
    let tasks = graph(&["a \"quoted\" name", "b"], &[(0, 1)]);
    let dot = tasks.to_dot();
    assert!(dot.starts_with("digraph {") && dot.contains("0 -> 1"), "{dot}");
    assert!(dot.contains("a \\\"quoted\\\" name\\n4 blocks of (10)"), "{dot}");
    let blocks = DependencyGraph::new(tasks);
    assert_eq!(blocks.to_dot(7), None);
    let dot = blocks.to_dot(8).unwrap();
    // Inside each task 0 waits for 1, and 2 for 1 and 3; between them the ends read two blocks, others three.
    assert_eq!(dot.matches(" -> ").count(), 3 + 3 + 10);
}
