//! `cargo xtask codegen [--check]`: writes the header table of `ringback-message` from its data.

use std::fmt::Write as _;
use std::path::Path;

use crate::failure::{Failure, Outcome};

const DATA: &str = "crates/ringback-message/headers.tsv";
const CODE: &str = "crates/ringback-message/src/header/table.rs";
const SLOTS: u32 = 1024;

struct Row<'a> {
    name: &'a str,
    compact: &'a str,
    kind: &'a str,
    constant: &'a str,
    reference: &'a str,
}

/// Writes the table, or with `--check` says whether it is up to date.
pub(crate) fn run(args: &[String]) -> Outcome {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err(Failure::Usage("usage: cargo xtask codegen [--check]".into())),
    };
    let data = std::fs::read_to_string(DATA).map_err(|error| format!("{DATA}: {error}"))?;
    let code = generate(&data)?;
    if check {
        let current = std::fs::read_to_string(CODE).unwrap_or_default();
        return if current == code {
            Ok(())
        } else {
            Err(Failure::Failed(format!("{CODE} does not follow from {DATA}: run `cargo xtask codegen`")))
        };
    }
    std::fs::write(Path::new(CODE), code).map_err(|error| format!("{CODE}: {error}"))?;
    Ok(())
}

fn rows(data: &str) -> Result<Vec<Row<'_>>, String> {
    data.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        .map(|(number, line)| {
            let [name, compact, kind, constant, reference] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(format!("{DATA}:{}: five columns wanted", number + 1));
            };
            if !["list", "one", "many"].contains(&kind) {
                return Err(format!("{DATA}:{}: kind is list, one or many, not {kind}", number + 1));
            }
            Ok(Row { name, compact, kind, constant, reference })
        })
        .collect()
}

/// Length, first, middle and last letter but one: what `HeaderId::recognise` looks at before it compares.
fn key(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let letter = |index: usize| bytes[index] | 0x20;
    u32::from_le_bytes([bytes.len() as u8, letter(0), letter(bytes.len() / 2), letter(bytes.len() - 2)])
}

fn slot(key: u32, multiplier: u32) -> usize {
    (key.wrapping_mul(multiplier) >> (32 - SLOTS.trailing_zeros())) as usize
}

/// Finds the first odd multiplier under which no two names share a slot.
fn perfect_multiplier(names: &[(u32, usize)]) -> Result<u32, String> {
    for (index, (key, id)) in names.iter().enumerate() {
        if let Some((_, other)) = names[..index].iter().find(|(other, _)| other == key) {
            return Err(format!("rows {other} and {id} have one key: look at more letters"));
        }
    }
    let mut candidate = 0x9e37_79b1_u32;
    for _ in 0..10_000_000 {
        let mut taken = [false; SLOTS as usize];
        if names.iter().all(|(key, _)| !std::mem::replace(&mut taken[slot(*key, candidate)], true)) {
            return Ok(candidate);
        }
        candidate = candidate.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f) | 1;
    }
    Err("no perfect multiplier found: raise SLOTS".into())
}

fn generate(data: &str) -> Result<String, String> {
    let rows = rows(data)?;
    let mut names: Vec<(u32, usize)> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if row.name.len() < 2 {
            return Err(format!("{DATA}: {} is too short for a name", row.name));
        }
        names.push((key(row.name), index + 1));
    }
    let multiplier = perfect_multiplier(&names)?;
    let mut slots = [0usize; SLOTS as usize];
    for (key, id) in &names {
        slots[slot(*key, multiplier)] = *id;
    }

    let mut out = String::new();
    out.push_str(
        "//! The header fields of the IANA registry. Written by `cargo xtask codegen`; do not edit.\n\n",
    );
    out.push_str("use super::id::{HeaderId, Kind, Known};\n\n#[rustfmt::skip]\nimpl HeaderId {\n");
    for (index, row) in rows.iter().enumerate() {
        let compact =
            if row.compact.is_empty() { String::new() } else { format!(", compact `{}`", row.compact) };
        let _ = writeln!(out, "    /// `{}`{compact} ({}).", row.name, row.reference);
        let _ = writeln!(out, "    pub const {}: Self = Self({});", row.constant, index + 1);
    }
    out.push_str("}\n\n/// What is known of each header field, by `HeaderId - 1`.\n#[rustfmt::skip]\n");
    let _ = writeln!(out, "pub(super) const KNOWN: [Known; {}] = [", rows.len());
    for row in &rows {
        let compact = row.compact.bytes().next().map_or("0".into(), |byte| format!("b'{}'", byte as char));
        let kind = match row.kind {
            "list" => "List",
            "one" => "One",
            _ => "Many",
        };
        let _ = writeln!(
            out,
            "    Known {{ name: {0:?}, begin: \"{0}: \", compact: {compact}, kind: Kind::{kind} }},",
            row.name
        );
    }
    out.push_str("];\n\n/// The first sixteen letters of each name, small.\n#[rustfmt::skip]\n");
    let _ = writeln!(out, "pub(super) static LOWER: [[u8; 16]; {}] = [", rows.len());
    for row in &rows {
        let lower = row.name.to_ascii_lowercase();
        let short = &lower[..lower.len().min(16)];
        let _ = writeln!(out, "    *b\"{short}{}\",", "\\0".repeat(16 - short.len()));
    }
    out.push_str("];\n\n/// Spreads the keys of all names over [`SLOTS`] without a collision.\n");
    let _ = writeln!(out, "pub(super) const MULTIPLIER: u32 = 0x{multiplier:08x};");
    let _ = writeln!(out, "/// How far to shift a multiplied key to get its slot.");
    let _ = writeln!(out, "pub(super) const SHIFT: u32 = {};", 32 - SLOTS.trailing_zeros());
    out.push_str("\n/// The id in each slot, 0 where there is none.\n#[rustfmt::skip]\n");
    let _ = writeln!(out, "pub(super) static SLOTS: [u8; {SLOTS}] = [");
    for line in slots.chunks(32) {
        let cells: Vec<String> = line.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "    {},", cells.join(","));
    }
    out.push_str("];\n");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_gets_a_slot_of_its_own() {
        let code = generate("Via\tv\tlist\tVIA\tRFC 3261\nTo\tt\tone\tTO\tRFC 3261\n").unwrap();
        assert!(code.contains("pub const VIA: Self = Self(1);"));
        assert!(code.contains("Known { name: \"To\", begin: \"To: \", compact: b't', kind: Kind::One }"));
    }

    #[test]
    fn a_row_of_another_shape_is_refused_with_its_line() {
        assert_eq!(
            generate("Via\tv\n").unwrap_err(),
            "crates/ringback-message/headers.tsv:1: five columns wanted"
        );
    }
}
