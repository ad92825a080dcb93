use std::fmt;

use super::tracked::{Comparison, LIMIT, Row};

/// A comparison as people read it.
pub(super) struct Table<'a>(pub(super) &'a Comparison);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<32} {:>14} {:>12} {:>11}", "bench", "instructions", "tracked", "difference")?;
        for row in &self.0.rows {
            let Row { name, counted, tracked, verdict } = row;
            let difference = row.difference().map(|percent| format!("{percent:+.1} %"));
            let [counted, tracked] = [counted, tracked].map(|count| count.map(grouped));
            let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let (counted, tracked, difference) = (cell(counted), cell(tracked), cell(difference));
            let line = format!("{name:<32} {counted:>14} {tracked:>12} {difference:>11}  {verdict}");
            writeln!(f, "{}", line.trim_end())?;
        }
        match &self.0.differs {
            Some(differs) => writeln!(f, "tracked with {differs}: the differences say little, and nothing fails"),
            None if self.0.fails() => writeln!(
                f,
                "more than {LIMIT} % above the tracked count, or the list has changed: mend it, or accept it with \
                 `make bench-accept`"
            ),
            None if self.0.improves() => writeln!(f, "keep what was gained: `make bench-accept`"),
            None => Ok(()),
        }
    }
}

/// A number in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
