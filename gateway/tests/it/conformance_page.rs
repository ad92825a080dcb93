//! docs/PROTOCOL.md says of each row of the conformance checklist whether it holds, and which test proves it.

use std::fs;
use std::path::Path;

struct Row {
    number: u32,
    state: String,
    place: String,
}

/// The rows of a page, table by table.
fn tables(page: &str) -> Vec<Vec<Row>> {
    let mut tables = vec![Vec::new()];
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match (cells.get(1).and_then(|cell| cell.parse().ok()), tables.last_mut()) {
            (Some(number), Some(table)) => {
                assert_eq!(cells.len(), 6, "a row has four cells: {line}");
                table.push(Row { number, state: cells[3].to_owned(), place: cells[4].to_owned() });
            }
            (None, Some(table)) if line.trim().is_empty() && !table.is_empty() => tables.push(Vec::new()),
            _ => {}
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

/// What stands in backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The text of all files below a folder with this extension.
fn text_below(folder: &Path, extension: &str) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            text += &text_below(&path, extension);
        } else if path.extension().is_some_and(|it| it == extension) {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

fn page() -> Vec<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    tables(&fs::read_to_string(path).unwrap())
}

#[test]
fn the_rows_of_each_table_are_numbered_without_a_gap() {
    let page = page();
    let numbers: Vec<u32> = page.iter().flatten().map(|row| row.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    for table in &page {
        let last = table[0].number + u32::try_from(table.len()).unwrap() - 1;
        assert_eq!(table.last().map(|row| row.number), Some(last), "a row is missing after {}", table[0].number);
    }
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&308)));
}

#[test]
fn each_row_that_is_held_names_a_test_that_there_is() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rust = ["src", "tests/it"].map(|folder| text_below(&package.join(folder), "rs")).concat();
    let clients = text_below(&package.join("tests/clients"), "mjs");
    for Row { number, state, place } in page().into_iter().flatten() {
        assert!(["held", "different", "not yet"].contains(&state.as_str()), "row {number} is {state:?}");
        assert!(!place.is_empty(), "row {number} says nothing");
        assert!(state != "held" || names(&place).next().is_some(), "row {number} names no test");
        for name in names(&place) {
            // The tests of stock clients have sentences for names.
            let exists =
                if name.contains(' ') { clients.contains(name) } else { rust.contains(&format!("fn {name}(")) };
            assert!(exists, "row {number}: there is no test `{name}`");
        }
    }
}

#[test]
fn no_row_that_has_a_test_is_called_missing() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rust = ["src", "tests/it"].map(|folder| text_below(&package.join(folder), "rs")).concat();
    let tested: Vec<u32> = rust.split("fn row_").filter_map(|rest| rest.get(..3)?.parse().ok()).collect();
    for Row { number, state, .. } in page().into_iter().flatten() {
        assert!(state != "not yet" || !tested.contains(&number), "row {number} has a test and is called missing");
    }
}
