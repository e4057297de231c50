//! Contacts and further accounts, from a small TOML file.

use crate::outcome::Failure;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// More than this is no file of ours.
const MAX_BYTES: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    #[serde(default)]
    pub(crate) contacts: Vec<Contact>,
    #[serde(default)]
    pub(crate) accounts: Vec<Further>,
}

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Whether to watch what they do at the telephone.
    #[serde(default)]
    pub(crate) lamp: bool,
}

/// An account beside that of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Further {
    pub(crate) from: String,
    pub(crate) server: Option<String>,
    pub(crate) password_env: Option<String>,
    pub(crate) auth_user: Option<String>,
}

/// Reads the file that was named, or the usual one where it is there.
pub(crate) fn read(named: Option<&Path>) -> Result<Book, Failure> {
    let Some(path) = named.map(Path::to_owned).or_else(|| usual().filter(|path| path.exists())) else {
        return Ok(Book::default());
    };
    let failed = |why: String| Failure::Usage(format!("--contacts: {}: {why}", path.display()));
    let length = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAX_BYTES {
        return Err(failed("longer than a megabyte".to_owned()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    toml::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// `ringback/phone.toml` where the user keeps configuration.
fn usual() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(base.join("ringback/phone.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_help_is_a_book() {
        let mut command = <crate::args::Cli as clap::CommandFactory>::command();
        let help = command.find_subcommand_mut("phone").unwrap().render_long_help().to_string();
        let begin = help.find("[[contacts]]").unwrap();
        let end = help.find("Examples:").unwrap();
        let book: Book = toml::from_str(&help[begin..end]).unwrap();
        assert_eq!(
            book.contacts,
            [Contact { name: "Bob".into(), address: "sip:bob@example.com".into(), lamp: true }]
        );
        assert_eq!(book.accounts[0].password_env.as_deref(), Some("ALICE_ORG"));
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let error = toml::from_str::<Book>("[[contacts]]\nname = \"x\"\nadress = \"y\"").unwrap_err();
        assert!(error.to_string().contains("adress"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let error = read(Some(Path::new("/nonexistent/phone.toml"))).unwrap_err().to_string();
        assert!(error.starts_with("--contacts: /nonexistent/phone.toml: "), "{error}");
    }
}
