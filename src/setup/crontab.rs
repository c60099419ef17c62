//! Lines of a crontab, retired as comments and brought back. Pure.

/// Stands before a line that setup took out.
pub const RETIRED: &str = "# retired by lockdoctor setup: ";

/// The table with each of `lines` as a comment; `None` if one of them is not there any more.
pub fn retired(table: &str, lines: &[String]) -> Option<String> {
    let there = |wanted: &String| table.lines().any(|line| line.trim() == wanted.trim());
    lines.iter().all(there).then(|| {
        let is_meant = |line: &str| lines.iter().any(|wanted| wanted.trim() == line.trim());
        rewritten(table, |line| if is_meant(line) { format!("{RETIRED}{line}") } else { line.to_owned() })
    })
}

/// The table as it was before.
pub fn restored(table: &str) -> String {
    rewritten(table, |line| line.strip_prefix(RETIRED).unwrap_or(line).to_owned())
}

/// What was retired in it.
pub fn retired_lines(table: &str) -> Vec<String> {
    table.lines().filter_map(|line| line.strip_prefix(RETIRED)).map(str::to_owned).collect()
}

/// cron reads only lines that end.
fn rewritten(table: &str, line: impl Fn(&str) -> String) -> String {
    table.lines().map(|text| line(text) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "MAILTO=me\n*/2 * * * * find a -delete\n\t*/2 * * * * find a -delete\n5 4 * * * true\n";

    #[test]
    fn what_is_retired_comes_back_as_it_was() {
        let after = retired(TABLE, &["*/2 * * * * find a -delete".to_owned()]).expect("there");
        assert_eq!(retired_lines(&after).len(), 2, "{after}");
        assert!(after.contains("\n5 4 * * * true\n") && after.starts_with("MAILTO=me\n"));
        assert_eq!(restored(&after), TABLE);
    }

    #[test]
    fn a_line_that_is_gone_is_not_guessed() {
        assert_eq!(retired(TABLE, &["*/2 * * * * find b -delete".to_owned()]), None);
    }
}
