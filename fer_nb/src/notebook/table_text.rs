//! A [`Table`] for pages of other programs: Markdown and LaTeX.

use super::Table;
use super::table::Align;
use crate::common::text::plural;

impl Table {
    /// The table as Markdown, with pipes (GitHub's and Pandoc's).
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let cell =
            |text: &String| text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ");
        let rule = |(_, align): &(String, Align)| match align {
            Align::Left => "---".to_string(),
            Align::Right => "--:".to_string(),
        };
        let mut text = part(&self.caption, "**", "**\n\n");
        text += &line(self.columns.iter().map(|(name, _)| cell(name)).collect());
        text += &line(self.columns.iter().map(rule).collect());
        for row in &self.rows {
            text += &line(row.iter().map(cell).collect());
        }
        if let Some(words) = self.left_out_line() {
            text += &format!("\n{words}\n");
        }
        text + &part(&self.note, "\n", "\n")
    }

    /// The table as LaTeX: a `tabular` with rules of the package booktabs, in a `table` with its caption.
    pub fn latex(&self) -> String {
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let columns: String = self
            .columns
            .iter()
            .map(|(_, align)| match align {
                Align::Left => 'l',
                Align::Right => 'r',
            })
            .collect();
        let caption = escape_latex(&self.caption);
        let mut text = "\\begin{table}\n  \\centering\n".to_string();
        text += &part(&caption, "  \\caption{", "}\n");
        text += &format!("  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n");
        text += &line(self.columns.iter().map(|(name, _)| escape_latex(name)).collect());
        text += "    \\midrule\n";
        for row in &self.rows {
            text += &line(row.iter().map(|cell| escape_latex(cell)).collect());
        }
        text += "    \\bottomrule\n  \\end{tabular}\n";
        let notes = [self.left_out_line().unwrap_or_default(), self.note.clone()];
        for note in notes.iter().flat_map(|note| note.lines()) {
            text += &format!("\n  {{\\footnotesize {}}}\n", escape_latex(note));
        }
        text + "\\end{table}\n"
    }

    fn left_out_line(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("{} left out", plural(self.left_out, "more row")))
    }
}

fn part(text: &str, before: &str, after: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{before}{text}{after}") }
}

/// Text without LaTeX commands.
fn escape_latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '–' => escaped.push_str("--"),
            '−' => escaped.push_str("$-$"),
            '±' => escaped.push_str("$\\pm$"),
            '×' => escaped.push_str("$\\times$"),
            '→' => escaped.push_str("$\\rightarrow$"),
            '…' => escaped.push_str("\\dots{}"),
            '\n' => escaped.push(' '),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let table = Table::new(["run", "p < 0.05"]).right([1]).row(["a|b_1", "50 %"]).row(["c"]);
        table.caption("Runs & more").note("first\nsecond")
    }

    #[test]
    fn markdown_keeps_its_columns() {
        let expected = "**Runs & more**\n\n| run | p < 0.05 |\n| --- | --: |\n| a\\|b_1 | 50 % |\n| c |  |\n\n\
                        first\nsecond\n";
        assert_eq!(table().markdown(), expected);
    }

    #[test]
    fn latex_sees_no_command_in_a_cell() {
        let text = table().latex();
        for part in [
            "\\caption{Runs \\& more}",
            "\\begin{tabular}{lr}",
            "    run & p $<$ 0.05 \\\\\n",
            "    a|b\\_1 & 50 \\% \\\\\n",
            "    c &  \\\\\n",
            "{\\footnotesize second}",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert_eq!(
            escape_latex("\\x{}^~"),
            "\\textbackslash{}x\\{\\}\\textasciicircum{}\\textasciitilde{}"
        );
    }
}
