//! libsrtp: thousands of packets, each protected and unprotected by it and by us.

use std::process::Command;

use super::{Case, Lab, python, server};
use crate::failure::Outcome;
use crate::process::{cargo, output, run};

pub(crate) const CASES: &[Case] = &[("makes and reads the same packets", compare)];

fn compare(lab: &Lab) -> Outcome<String> {
    let programs = python::environment(lab, "libsrtp")?;
    run(&mut cargo(["build", "--quiet", "--example", "packets"]))?;
    let ours = server::built("examples/packets")?;
    let mut theirs = Command::new(programs.join("python"));
    let told = output(theirs.arg(lab.file("libsrtp/packets.py")).arg(ours))?;
    Ok(told.trim().to_owned())
}
