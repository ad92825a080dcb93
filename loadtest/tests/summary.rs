//! What the built program says about results that it has written before.
#![allow(clippy::unwrap_used, reason = "a broken promise in a test is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, name: &str, document: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn loadtest(arguments: &[&str], paths: &[PathBuf]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).args(paths).output().unwrap()
}

#[test]
fn a_table_holds_results_against_goals_and_its_exit_code_tells() {
    let folder = folder("table");
    let machine = json!({ "load_average": 1.5 });
    write(
        &folder,
        "idle.json",
        &json!({ "scenario": "idle", "machine": machine, "figures": { "rss": 2048 }, "checks": [] }),
    );
    let page = folder.join("index.html");
    for (limit, code, verdict) in [(1.5, 1, "0 of 1 goals are met."), (2.5, 0, "1 of 1 goals are met.")] {
        let row = json!({ "name": "memory", "how": "by idle", "result": "idle", "value": "/rss", "scale": 1.0 / 1024.0,
            "unit": "KiB", "at_most": limit, "headline": "memory" });
        let goals = json!({ "title": "A server", "about": "One run.", "rows": [row] });
        let goals = write(&folder, "goals", &goals);
        let output = loadtest(&["table", "--html", page.to_str().unwrap()], &[goals, folder.clone()]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains("| memory | 2.00 KiB | - | - |") && text.contains(verdict), "{text}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains("all 1 goals met") && page.contains("class=\"meter ok\"") && page.contains("load average 1.5")
    );
}

#[test]
fn a_model_that_errs_by_too_much_fails() {
    let folder = folder("model");
    let fleet = |nodes: usize, memory: f64| {
        let figures = json!({ "connections": nodes * 100, "deliveries_per_second": 100, "asked_per_second": 10,
            "resident_per_connection": memory * 1024.0, "cpu_us_per_delivery": 20, "redis_cpu_us_per_message": 100,
            "delivery_latency": { "p50_ms": 1, "p99_ms": 2 } });
        let config = json!({ "target": { "urls": vec!["ws://127.0.0.1:1/s"; nodes] }, "connections_per_topic": 100,
            "duration": { "secs": 60 } });
        let machine = json!({ "cores": 2, "load_average": 0.5 });
        let name = format!("pods-{nodes}.json");
        write(&folder, &name, &json!({ "scenario": "soak", "config": config, "machine": machine, "figures": figures }))
    };
    let fleets = [fleet(2, 4.0), fleet(4, 5.0), fleet(8, 7.7)];
    let output = loadtest(&["model", "--max-error", "5"], &fleets);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = "| memory of a connection | 3.00 + 0.50 n KiB | 7.00 KiB | 7.70 KiB | -9.1 % |";
    assert!(text.contains(line) && text.contains("FAILED max-error: the model errs by 9.1 %"), "{text}");
    assert!(!text.contains("note:") && loadtest(&["model"], &fleets).status.success(), "{text}");
}
