//! The house rules that a compiler does not check: imports point only to lower floors, no files import each other in a
//! circle, a door (`mod.rs`) only declares, and files stay short enough to be read.
//!
//! The check reads text: `crate::…` and `super::…` paths outside comments. That is enough as long as rooms are reached by
//! `crate::`, which the check itself insists on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which floor a room stands on. A room may import those on lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("wire", 1),
    ("websocket", 1),
    ("config", 1),
    ("ids", 1),
    ("clock", 1),
    ("trust", 1),
    ("outbox", 2),
    ("redis", 2),
    ("lifecycle", 2),
    ("telemetry", 2),
    ("auth", 2),
    ("store", 2),
    ("history", 3),
    ("webhooks", 3),
    ("pubsub", 4),
    ("presence", 5),
    ("channel", 6),
    ("socket", 7),
    ("builtin", 7),
    ("supabase", 7),
    ("transport", 8),
    ("http", 8),
    ("drain", 8),
    ("fleet", 8),
    ("doctor", 8),
    ("app", 9),
    ("testing", 9),
    ("cli", 10),
    ("main", 10),
];

/// Arrows between rooms of one floor that are allowed, with the reason. They must not close a circle.
const SIDEWAYS: &[(&str, &str)] = &[
    ("main", "cli"),         // the program hands over to the commands
    ("builtin", "socket"),   // the configured socket implements the trait of sockets
    ("supabase", "socket"),  // so does the socket of Supabase's dialect
    ("outbox", "lifecycle"), // so do those who write for connections that sleep
    ("redis", "lifecycle"),  // connections run in tracked tasks
    ("store", "lifecycle"),  // the task that looks after the database, too
];

/// Longest file, in lines, that needs no excuse.
const MAX_LINES: usize = 400;
const EXCUSE: &str = "// Over 400 lines because ";

/// A source file below `gateway/src`.
struct Source {
    path: PathBuf,
    /// Module path from the crate's root: `wire/v1.rs` is `[wire, v1]`, `wire/mod.rs` is `[wire]`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn is_door(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}

/// A path to something in this crate, as it stands in a file.
#[derive(Debug, PartialEq)]
struct Reference {
    line: usize,
    /// How many `super` it starts with; 0 means that it starts with `crate`.
    supers: usize,
    /// What follows, up to the first name that no lower-case module can have.
    modules: Vec<String>,
}

#[test]
fn imports_point_to_lower_floors() {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    for source in sources().iter().filter(|source| source.room() != "lib") {
        let (here, path) = (source.room(), source.path.display());
        let Some(&floor) = floors.get(here) else {
            wrong.insert(format!("{path}: room `{here}` has no floor in FLOORS"));
            continue;
        };
        for Reference { line, supers, modules } in references(&source.text) {
            let Some(room) = modules.first().map(String::as_str).filter(|room| *room != here) else { continue };
            let Some(&target) = floors.get(room) else { continue };
            if supers >= source.module.len() {
                wrong.insert(format!("{path}:{line}: reach another room by `crate::{room}`, not by `super`"));
            } else if supers == 0 && target >= floor && !SIDEWAYS.contains(&(here, room)) {
                wrong.insert(format!("{path}:{line}: `{here}` (floor {floor}) imports `{room}` (floor {target})"));
            }
        }
    }
    assert!(wrong.is_empty(), "an import may only point to a lower floor:\n{}", list(&wrong));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let files: BTreeSet<String> = sources.iter().filter(|s| !s.is_door()).map(|s| s.module.join("::")).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_door() && !is_test(source)) {
        let from = source.module.join("::");
        for reference in references(without_tests(&source.text)) {
            let mut path = match reference.supers {
                0 => Vec::new(),
                supers if supers <= source.module.len() => source.module[..source.module.len() - supers].to_vec(),
                _ => continue,
            };
            path.extend(reference.modules);
            // The longest prefix that is a file; a path that ends at a door is no arrow, for a door only declares.
            let target = (1..=path.len()).rev().map(|len| path[..len].join("::")).find(|path| files.contains(path));
            if let Some(target) = target.filter(|target| *target != from) {
                arrows.entry(from.clone()).or_default().insert(target);
            }
        }
    }
    let mut circles = BTreeSet::new();
    // All of them, not the first alone: each is cut at its last arrow and the search goes on.
    while let Some(circle) = find_circle(&arrows) {
        circles.insert(circle.join(" -> "));
        let [.., from, to] = circle.as_slice() else { break };
        if let Some(targets) = arrows.get_mut(from) {
            targets.remove(to);
        }
    }
    assert!(circles.is_empty(), "files import each other in a circle:\n{}", list(&circles));
}

#[test]
fn doors_only_declare() {
    let defines = ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "const ", "static ", "type ", "macro_rules!"];
    let mut wrong = BTreeSet::new();
    for source in sources().iter().filter(|source| source.is_door() && !is_test(source)) {
        for (number, line) in source.text.lines().enumerate() {
            // Without its visibility: `pub`, `pub(crate)`, `pub(in …)`.
            let item = match line.strip_prefix("pub(") {
                Some(rest) => rest.split_once(") ").map_or(rest, |(_, item)| item),
                None => line.trim_start_matches("pub "),
            };
            let item = item.trim_start_matches("async ");
            if defines.iter().any(|keyword| item.starts_with(keyword)) {
                wrong.insert(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "a mod.rs declares and re-exports; move these to a file of their own:\n{}", list(&wrong));
}

#[test]
fn long_files_say_why() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("gateway/ lies in the workspace");
    let mut files = Vec::new();
    for folder in ["gateway", "loadtest", ".ci"] {
        walk(&root.join(folder), &mut files);
    }
    let mut wrong = BTreeSet::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let is_script = text.starts_with("#!");
        let is_code = path.extension().is_some_and(|ext| CODE.iter().any(|code| ext == *code));
        let lines = text.lines().count();
        if (is_code || is_script) && lines > MAX_LINES && !text.lines().take(20).any(|line| line.starts_with(EXCUSE)) {
            wrong.insert(format!("{}: {lines} lines", path.strip_prefix(root).unwrap_or(&path).display()));
        }
    }
    assert!(wrong.is_empty(), "over {MAX_LINES} lines without a line `{EXCUSE}…` at the top:\n{}", list(&wrong));
}

#[test]
fn the_reader_of_paths_reads_what_stands_in_files() {
    let text = "use crate::wire::{Message, name::Name};\n/// [`crate::app`]\nuse crate::{ids::NodeId, config::{self, Limits}};\n\
                pub(crate) fn f() { super::super::queue::X; crate::outbox::Outbox::new(\"//\") } // crate::cli\nmy_crate::x\n";
    let found: Vec<_> = references(text).into_iter().map(|r| (r.line, r.supers, r.modules.join("::"))).collect();
    let expected = [
        (1, 0, "wire"),
        (1, 0, "wire::name"),
        (3, 0, "ids"),
        (3, 0, "config"),
        (3, 0, "config"),
        (4, 2, "queue"),
        (4, 0, "outbox"),
    ];
    assert_eq!(found, expected.map(|(line, supers, path)| (line, supers, path.to_string())));
}

#[test]
fn a_circle_is_found() {
    let arrow = |from: &str, to: &str| (from.to_string(), BTreeSet::from([to.to_string()]));
    let line = BTreeMap::from([arrow("a", "b"), arrow("b", "c")]);
    assert_eq!(find_circle(&line), None);
    let circle = BTreeMap::from([arrow("a", "b"), arrow("b", "c"), arrow("c", "b")]);
    assert_eq!(find_circle(&circle).expect("b and c import each other"), ["b", "c", "b"]);
}

/// What counts as code when lines are counted.
const CODE: &[&str] = &["rs", "mjs", "js", "lua", "sh", "py", "html", "css", "sql"];

fn list(findings: &BTreeSet<String>) -> String {
    findings.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    files.retain(|path| path.extension().is_some_and(|ext| ext == "rs"));
    let source = |path: PathBuf| {
        let relative = path.strip_prefix(&src).expect("it was found there").with_extension("");
        let mut module: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(&path).expect("a source file is readable UTF-8");
        Source { path: Path::new("gateway/src").join(path.strip_prefix(&src).expect("as above")), module, text }
    };
    files.into_iter().map(source).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["target", "node_modules", "corpus", "artifacts"].iter().any(|skipped| name == *skipped) {
                walk(&path, files);
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
}

fn is_test(source: &Source) -> bool {
    source.module.iter().any(|part| part.ends_with("tests") || part == "contract" || part == "testing")
}

/// The text before the unit tests, which stand at the end of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// All `crate::…` and `super::…` paths outside comments, groups in braces spread out.
fn references(text: &str) -> Vec<Reference> {
    let code = without_comments(text);
    let mut found = Vec::new();
    for (start, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = &code[..start];
        // Part of a longer name, or a later link of a chain that was seen from its start.
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') || before.ends_with("super::") {
            continue;
        }
        let chain = &code[start..];
        let rest = chain.trim_start_matches("super::");
        let supers = (chain.len() - rest.len()) / "super::".len();
        let rest = if word == "crate::" { &chain[word.len()..] } else { rest };
        let line = before.matches('\n').count() + 1;
        let mut paths = Vec::new();
        read_tree(rest, &[], &mut paths);
        found.extend(paths.into_iter().map(|modules| (start, Reference { line, supers, modules })));
    }
    found.sort_by_key(|(start, _)| *start);
    found.into_iter().map(|(_, reference)| reference).collect()
}

/// Keeps the line breaks, so that line numbers stay right. `//` inside a string hides the rest of that line, which may
/// hide a path but never invents one; a path after a string with `//` is seen, for the string is cut out first.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let mut in_string = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if in_string => drop(chars.next()),
                // A lone quote as a character literal does not open a string.
                '"' if !code.ends_with('\'') || in_string => in_string = !in_string,
                '/' if !in_string && chars.peek() == Some(&'/') => break,
                _ if in_string => {}
                _ => code.push(c),
            }
        }
        code.push('\n');
    }
    code
}

/// Reads one `a::b::{c, d::e}` and returns where it ended.
fn read_tree<'a>(mut rest: &'a str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            loop {
                rest = read_tree(rest, &path, found).trim_start();
                let Some(next) = rest.strip_prefix(',') else { break };
                rest = next;
                if rest.trim_start().starts_with('}') {
                    break;
                }
            }
            return rest.trim_start().strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        let is_module = name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "self";
        if is_module {
            path.push(name.to_string());
        }
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::").filter(|_| is_module) else {
            found.push(path);
            // Skip `as name`, and what follows a type, up to the end of this branch.
            let end = rest.find([',', '}', ';', '\n']).unwrap_or(rest.len());
            return &rest[end..];
        };
        rest = next;
    }
}

fn find_circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        arrows: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(start) = way.iter().position(|step| step == at) {
            way.drain(..start);
            way.push(at.to_string());
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.to_string());
        if arrows.get(at).into_iter().flatten().any(|next| visit(next, arrows, way, done)) {
            return true;
        }
        way.pop();
        done.insert(at.to_string());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    arrows.keys().any(|start| visit(start, arrows, &mut way, &mut done)).then_some(way)
}
