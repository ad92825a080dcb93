//! The comparison by which `make bench` fails: what is a regression, and what is none.

#[path = "../benches/harness/tracked.rs"]
mod tracked;

use tracked::{Comparison, Counts, Machine, Verdict};

fn counts(rustc: &str, list: &[(&str, u64)]) -> Counts {
    let text = |text: &str| text.to_owned();
    let machine = Machine { rustc: text(rustc), target: text("t"), cpu: text("avx2"), valgrind: text("3") };
    let mut counts = Counts::none(machine);
    list.iter().for_each(|(name, count)| counts.insert(name, *count));
    counts
}

/// Counts one operation where 1,000 were tracked.
fn against_a_thousand(rustc: &str, counted: u64) -> Comparison {
    Comparison::new(&counts("1.95.0", &[("wire.v2", 1000)]), &counts(rustc, &[("wire.v2", counted)]), true)
}

#[test]
fn more_than_the_limit_above_the_tracked_count_fails() {
    for (counted, verdict, fails) in [
        (1000, Verdict::Fine, false),
        (1030, Verdict::Fine, false),
        (1031, Verdict::Dearer, true),
        (970, Verdict::Fine, false),
        (900, Verdict::Cheaper, false),
    ] {
        let comparison = against_a_thousand("1.95.0", counted);
        assert_eq!((comparison.rows[0].verdict, comparison.fails()), (verdict, fails), "{counted}");
        assert_eq!(comparison.improves(), verdict == Verdict::Cheaper);
    }
}

#[test]
fn a_few_instructions_of_a_tiny_operation_are_no_regression() {
    let tracked = counts("1.95.0", &[("websocket.pong", 100)]);
    let fails = |counted| Comparison::new(&tracked, &counts("1.95.0", &[("websocket.pong", counted)]), true).fails();
    assert!(!fails(108));
    assert!(fails(109));
}

#[test]
fn another_compiler_is_named_and_nothing_fails() {
    let comparison = against_a_thousand("1.96.0", 2000);
    assert_eq!(comparison.differs.as_deref(), Some("another compiler (1.95.0; here 1.96.0)"));
    assert_eq!((comparison.rows[0].difference(), comparison.fails()), (Some(100.0), false));
}

#[test]
fn every_operation_is_tracked_and_every_tracked_one_is_there() {
    let (tracked, counted) = (counts("1", &[("a.x", 5), ("a.y", 5)]), counts("1", &[("a.y", 5), ("b.z", 5)]));
    let verdicts = |complete| {
        let rows = Comparison::new(&tracked, &counted, complete).rows;
        rows.into_iter().map(|row| (row.name, row.verdict)).collect::<Vec<_>>()
    };
    let of = |name: &str, verdict| (name.to_owned(), verdict);
    let present = [of("a.y", Verdict::Fine), of("b.z", Verdict::New)];
    assert_eq!(verdicts(false), present);
    assert_eq!(verdicts(true), [&[of("a.x", Verdict::Gone)], &present[..]].concat());
    assert!(Comparison::new(&tracked, &counted, true).fails());
}

#[test]
fn the_checked_in_file_can_be_read() {
    let file = include_str!("../benches/instructions.toml");
    let counts: Counts = toml::from_str(file).unwrap();
    assert!(counts.instructions.values().flat_map(|room| room.values()).all(|count| *count > 0));
    assert_eq!(toml::from_str::<Counts>(&toml::to_string(&counts).unwrap()).unwrap(), counts);
}
