//! A report as one page that needs nothing else: tables, checks and drawings.

mod draw;

use std::fmt::{self, Display, Write};

use super::result::{Check, Meter, Report, Section};

/// So many goals long is the longest bar; what is more ends there.
const LONGEST_METER: f64 = 3.0;

/// A cell with more characters is a sentence, and may be broken.
const PROSE: usize = 32;

const STYLE: &str = include_str!("html/style.css");

/// Text in which nothing is markup.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 * 1024);
    // Writing to a string cannot fail.
    let _ = write_page(&mut out, report);
    out
}

fn write_page(out: &mut String, report: &Report) -> fmt::Result {
    let title =
        report.title.as_ref().map_or_else(|| format!("loadtest {}", report.scenario), |(title, _)| title.clone());
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{STYLE}</style><body><main>",
        Escaped(&title)
    )?;
    head(out, report)?;
    headlines(out, report)?;
    meters(out, &report.meters)?;
    // What has a bar is judged there.
    let has_bar = |check: &&Check| report.meters.iter().any(|meter| meter.name == check.name);
    checks(out, &report.checks.iter().filter(|check| !has_bar(check)).collect::<Vec<_>>())?;
    if !report.notices.is_empty() {
        out.push_str("<h2>What to know when reading this</h2>");
    }
    for notice in &report.notices {
        write!(out, "<p class=\"notice\">{}</p>", Escaped(notice))?;
    }
    if !report.plots.is_empty() {
        out.push_str("<div class=\"plots\">");
        for plot in &report.plots {
            draw::figure(out, plot)?;
        }
        out.push_str("</div>");
    }
    for section in &report.sections {
        table(out, section)?;
    }
    links(out, &report.links)?;
    foot(out, report)?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

fn head(out: &mut String, report: &Report) -> fmt::Result {
    let machine = &report.machine;
    let failed = report.checks.iter().filter(|check| !check.passed).count();
    let (word, class) = match (report.checks.len(), failed) {
        (0, _) => ("no thresholds asked".to_owned(), "open"),
        (_, 0) => ("all checks held".to_owned(), "ok"),
        (all, failed) => (format!("{failed} of {all} checks failed"), "failed"),
    };
    let missed = report.meters.iter().filter(|meter| !meter.met).count();
    let word = match report.meters.len() {
        0 => word,
        goals if failed == 0 => format!("all {goals} goals met"),
        goals => format!("{} of {goals} goals met", goals - missed),
    };
    let name = report.title.as_ref().map_or(report.scenario, |(title, _)| title.as_str());
    write!(
        out,
        "<header><p class=\"tool\">A measurement by loadtest {}</p><h1>{} <span class=\"verdict {class}\">{word}</span></h1><p>{}</p>\
         <p>{}</p><p class=\"machine\">Machine: {} cores · {} · Linux {} · load average {} when it began</p></header>",
        Escaped(report.tool_version),
        Escaped(name),
        Escaped(&report.purpose()),
        Escaped(&report.done),
        machine.cores,
        Escaped(&machine.cpu),
        Escaped(&machine.kernel),
        machine.load_average
    )
}

fn headlines(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str("<dl class=\"headlines\">");
    for line in &report.headlines {
        let (name, value, meaning) = (Escaped(&line.name), Escaped(&line.value), Escaped(&line.meaning));
        write!(out, "<div><dt>{name}</dt><dd><b>{value}</b><span>{meaning}</span></dd></div>")?;
    }
    out.push_str("</dl>");
    Ok(())
}

/// Bars in which the goal stands at the same place, so that what is missed is seen at once.
fn meters(out: &mut String, meters: &[Meter]) -> fmt::Result {
    let Some(longest) = meters.iter().map(|meter| meter.share).reduce(f64::max) else { return Ok(()) };
    let whole = longest.clamp(1.25, LONGEST_METER);
    write!(
        out,
        "<h2>Each figure against its goal</h2><p class=\"hint\">The line is the goal: a bar that ends before it has met it. Shorter \
         is better.</p><div class=\"meters\" style=\"--goal:{:.1}%\">",
        100.0 / whole
    )?;
    for Meter { name, value, goal, share, met } in meters {
        let (class, width) = (if *met { "ok" } else { "failed" }, (share / whole * 100.0).min(100.0));
        let (name, value, goal) = (Escaped(name), Escaped(value), Escaped(goal));
        write!(
            out,
            "<div class=\"meter {class}\"><span>{name}</span><b>{value}</b><small>{goal}</small>\
             <i><i style=\"width:{width:.1}%\"></i></i></div>"
        )?;
    }
    out.push_str("</div>");
    Ok(())
}

fn links(out: &mut String, links: &[(String, String)]) -> fmt::Result {
    if links.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>The runs behind it, each with its drawings</h2><p class=\"links\">");
    for (address, what) in links {
        write!(out, "<a href=\"{}\">{}</a> ", Escaped(address), Escaped(what))?;
    }
    out.push_str("</p>");
    Ok(())
}

fn checks(out: &mut String, checks: &[&Check]) -> fmt::Result {
    if checks.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>What had to hold</h2><ul class=\"checks\">");
    for Check { name, passed, detail } in checks {
        let (class, word) = if *passed { ("ok", "held") } else { ("failed", "FAILED") };
        write!(out, "<li class=\"{class}\"><b>{word}</b> {}: {}</li>", Escaped(name), Escaped(detail))?;
    }
    out.push_str("</ul>");
    Ok(())
}

fn table(out: &mut String, section: &Section) -> fmt::Result {
    write!(out, "<h2>{}</h2><div class=\"scroll\"><table>", Escaped(&section.title))?;
    for row in &section.rows {
        out.push_str("<tr>");
        for cell in row {
            // As the Markdown of the same table has it.
            match cell.strip_prefix("**").and_then(|cell| cell.strip_suffix("**")) {
                Some(bold) => write!(out, "<td><b>{}</b></td>", Escaped(bold))?,
                None if cell.chars().count() > PROSE => write!(out, "<td class=\"prose\">{}</td>", Escaped(cell))?,
                None => write!(out, "<td>{}</td>", Escaped(cell))?,
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
    Ok(())
}

/// What a reader who has not seen the tool may not know.
const WORDS: [(&str, &str); 7] = [
    ("floor", "a bare server that does nothing but what cannot be left out: the price of the kernel on this machine"),
    ("paced", "messages leave at a fixed rate, whatever the server does"),
    ("saturated, in flight", "so many messages are on their way at once; the next leaves when one has arrived"),
    ("delivery", "one message at one subscriber"),
    ("CPU", "time that the server's processes had a core, from the system's own clocks"),
    ("p99", "99 of 100 were at least as fast"),
    ("RSS", "resident memory of the server's processes, without the kernel's"),
];

fn foot(out: &mut String, report: &Report) -> fmt::Result {
    let config = serde_json::to_string_pretty(&report.config).unwrap_or_default();
    out.push_str("<h2>Words</h2><dl class=\"words\">");
    for (word, meaning) in WORDS {
        write!(out, "<dt>{word}</dt><dd>{meaning}</dd>")?;
    }
    write!(out, "</dl><details><summary>All settings of this run</summary><pre>{}</pre></details>", Escaped(&config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Axis, Plot, Scale, Series, Shape};

    #[test]
    fn a_page_holds_everything_and_nothing_in_it_is_markup() {
        let mut report = Report::new("echo", &serde_json::json!({ "topic": "<script>" }));
        report.check("max-ratio", false, "1.4, limit \"1.3\" & more");
        report.notice("<b>quiet</b>");
        report.headline("ratio", "1.40", "times the floor");
        let mut section = Section::new("Takes");
        section.row(["round", "1"]);
        report.section(section);
        report.plot(Plot::latencies("Latency", vec![Series::new("server", [(0.0, 1.0), (0.99, 20.0), (1.0, 90.0)])]));
        let page = page(&report);
        for expected in
            ["1 of 1 checks failed", "&lt;script&gt;", "&lt;b&gt;quiet", "&quot;1.3&quot; &amp; more", "<svg", "1.40"]
        {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        for outside in ["http://", "https://", "<script", "src=", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_drawing_without_a_point_is_left_out() {
        let mut report = Report::new("idle", &());
        let (x, y) = (Axis::new("s", Scale::Linear), Axis::new("MiB", Scale::Linear));
        let series = vec![Series::new("none", [])];
        let (title, note) = ("Empty".to_owned(), String::new());
        report.plot(Plot { title, note, shape: Shape::Lines, x, y, series });
        assert!(!page(&report).contains("<svg"));
    }
}
