//! Packages from PyPI, each set in an environment of its own.

use std::path::PathBuf;
use std::process::Command;

use super::Lab;
use crate::failure::Outcome;
use crate::process::run;

/// The programs of an environment with what `NAME/requirements.txt` names, which is made where it is not there yet.
pub(crate) fn environment(lab: &Lab, name: &str) -> Outcome<PathBuf> {
    let wanted = lab.file(name).join("requirements.txt");
    let folder = lab.root.join("target").join(format!("interop-{name}"));
    let (programs, mark) = (folder.join("bin"), folder.join("requirements.txt"));
    let text = std::fs::read_to_string(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    if std::fs::read_to_string(&mark).is_ok_and(|there| there == text) {
        return Ok(programs);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let quiet = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
    run(Command::new(programs.join("pip")).args(quiet).arg(&wanted))?;
    std::fs::write(&mark, text).map_err(|error| format!("{}: {error}", mark.display()))?;
    Ok(programs)
}
