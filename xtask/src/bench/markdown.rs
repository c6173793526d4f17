//! Markdown that is also readable as plain text.

/// A table with aligned columns. The first row is the header; all columns but the first hold numbers.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(at, &width)| {
            let cell = row.get(at).map_or("", String::as_str);
            if at == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(at, &width)| match at {
        0 => "-".repeat(width),
        _ => "-".repeat(width - 1) + ":",
    });
    let rule = format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
    rows.iter().enumerate().map(|(at, row)| if at == 0 { line(row) + &rule } else { line(row) }).collect()
}

pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_is_aligned() {
        let rows = [["", "a"], ["longer", "10"], ["µs", "1000"]].map(|row| row.map(str::to_owned).to_vec());
        let expected = "|        |    a |\n| ------ | ---: |\n| longer |   10 |\n| µs     | 1000 |\n";
        assert_eq!(table(&rows), expected);
    }
}
