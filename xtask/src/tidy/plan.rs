//! The plan of the house, read from `docs/architecture.md`.

use std::collections::BTreeSet;

/// The heading of the table whose rows are the crates, lowest first.
const HEADING: &str = "| Crate | ";

/// What the architecture page allows.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) rooms: Vec<Room>,
    root: BTreeSet<String>,
    named: BTreeSet<String>,
}

/// One row of the layer table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) name: String,
    /// Crates of this workspace that it may use.
    pub(crate) siblings: Vec<String>,
    /// Crates from elsewhere that it may use.
    pub(crate) outside: Vec<String>,
}

impl Plan {
    /// Reads the layer table, the paragraph that begins with `Root:`, and every crate that the page names.
    pub(crate) fn read(page: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut lines = page.lines();
        lines.find(|line| line.starts_with(HEADING)).ok_or("docs/architecture.md has no layer table")?;
        lines.next();
        for line in lines.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, _, siblings, outside] = cells[..] else {
                return Err(format!("docs/architecture.md: four columns wanted in `{line}`"));
            };
            let name = name.trim_matches('`').to_owned();
            let siblings = words(siblings).iter().map(|word| full_name(word)).collect();
            plan.rooms.push(Room { name, siblings, outside: words(outside) });
        }
        let root = page
            .split("\n\n")
            .find(|paragraph| paragraph.starts_with("Root:"))
            .ok_or("docs/architecture.md has no paragraph that begins with `Root:`")?;
        plan.root = quoted(root).map(|word| word.trim_end_matches('/').to_owned()).collect();
        plan.named = quoted(page).filter(|word| is_crate_name(word)).map(str::to_owned).collect();
        Ok(plan)
    }

    /// The row of a crate.
    pub(crate) fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    /// Every crate that the page names anywhere.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(String::as_str)
    }

    /// Doors lead down only: a room may use what stands in an earlier row.
    pub(crate) fn breaches_of_order(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (row, room) in self.rooms.iter().enumerate() {
            for sibling in &room.siblings {
                if !self.rooms[..row].iter().any(|lower| lower.name == *sibling) {
                    breaches.push(format!(
                        "docs/architecture.md: {} may use {sibling}, which no earlier row names",
                        room.name
                    ));
                }
            }
        }
        breaches
    }

    /// The root holds what the page lists, and dot files.
    pub(crate) fn breaches_of_root(&self, files: &[String]) -> Vec<String> {
        let entries: BTreeSet<&str> =
            files.iter().map(|file| file.split('/').next().unwrap_or(file)).collect();
        entries
            .into_iter()
            .filter(|entry| !entry.starts_with('.') && !self.root.contains(*entry))
            .map(|entry| format!("{entry}: the root may hold only what docs/architecture.md lists"))
            .collect()
    }
}

/// The table writes `message` for `ringback-message`; `ringback` itself is written in full.
fn full_name(word: &str) -> String {
    if is_crate_name(word) { word.to_owned() } else { format!("ringback-{word}") }
}

fn is_crate_name(word: &str) -> bool {
    let rest = word.strip_prefix("ringback-").unwrap_or(if word == "ringback" { "x" } else { "" });
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The words of a cell; a dash stands for none.
fn words(cell: &str) -> Vec<String> {
    cell.split(',')
        .map(|word| word.trim().trim_matches('`').to_owned())
        .filter(|word| !word.is_empty() && word != "–")
        .collect()
}

/// What stands between single backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Plan\n\n| Crate | Duty | Siblings | Outside |\n|---|---|---|---|\n\
        | `ringback-low` | below | – | bytes |\n| `ringback` | above | low | `tokio`, futures |\n\n\
        Later: `ringback-far`.\n\nRoot: `Cargo.toml`, `crates/`,\nand `README.md`.\n";

    #[test]
    fn the_table_the_root_and_the_names_are_read() {
        let plan = Plan::read(PAGE).unwrap();
        assert_eq!(plan.room("ringback").unwrap().siblings, ["ringback-low"]);
        assert_eq!(plan.room("ringback").unwrap().outside, ["tokio", "futures"]);
        assert_eq!(plan.named().collect::<Vec<_>>(), ["ringback", "ringback-far", "ringback-low"]);
        assert!(plan.breaches_of_order().is_empty());
    }

    #[test]
    fn a_door_that_leads_up_is_a_breach() {
        let plan = Plan::read(&PAGE.replace("| below | – |", "| below | ringback |")).unwrap();
        assert_eq!(plan.breaches_of_order().len(), 1);
    }

    #[test]
    fn a_stray_file_in_the_root_is_a_breach_and_a_dot_file_is_not() {
        let files = ["README.md", "crates/a/src/lib.rs", ".gitignore", "notes.txt"].map(str::to_owned);
        let breaches = Plan::read(PAGE).unwrap().breaches_of_root(&files);
        assert_eq!(breaches, ["notes.txt: the root may hold only what docs/architecture.md lists"]);
    }
}
