//! `cargo xtask interop [PEER|media]`: the program with others that speak SIP; `media` is all those with whom sound or pictures are
//! exchanged.
//!
//! Everything runs on 127.0.0.1, on ports that the system picks, and ends with the test. What all of them said is kept
//! under `target/interop/`, a folder for each case.

mod audio;
mod baresip;
mod certificates;
pub(crate) mod child;
mod ffmpeg;
mod fork;
mod kamailio;
mod libsrtp;
mod linphone;
mod net_sip;
pub(crate) mod packages;
mod python;
pub(crate) mod server;
mod sipjs;
pub(crate) mod sipp;
mod sipsak;
mod sipvicious;
mod tls;
mod tshark;
mod tunnel;
mod video;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome, take_number, take_value};
use crate::process::Steps;
use packages::{
    BARESIP, COTURN, FFMPEG, GSTREAMER, GSTREAMER_GOOD, KAMAILIO, LINPHONE, NET_SIP, NPM, Need, OPENSSL,
    PYTHON, SIPP, SIPSAK, SNGREP, SSLSCAN, TSHARK, TUNNEL,
};

/// One thing that must work with one peer; what it hands back is a line for the sum.
type Case = (&'static str, fn(&Lab) -> Outcome<String>);

/// A foreign program: its name on the command line, what it needs, and what is done with it.
const PEERS: &[(&str, &[Need], &[Case])] = &[
    ("sipp", &[SIPP, TUNNEL, OPENSSL], sipp::CASES),
    ("baresip", &[BARESIP, OPENSSL], baresip::CASES),
    ("coturn", &[COTURN, OPENSSL], baresip::TURN_CASES),
    ("sipsak", &[SIPSAK], sipsak::CASES),
    ("kamailio", &[KAMAILIO, SIPP], kamailio::CASES),
    ("ffmpeg", &[FFMPEG, GSTREAMER, GSTREAMER_GOOD, SIPP], ffmpeg::CASES),
    ("video", &[FFMPEG, SIPP], video::CASES),
    ("fork", &[LINPHONE, BARESIP], fork::CASES),
    ("linphone", &[LINPHONE, SIPP], linphone::CASES),
    ("libsrtp", &[PYTHON], libsrtp::CASES),
    ("net-sip", &[NET_SIP], net_sip::CASES),
    ("sipvicious", &[PYTHON], sipvicious::CASES),
    ("sipjs", &[NPM, OPENSSL], sipjs::CASES),
    ("tls", &[OPENSSL, SSLSCAN], tls::CASES),
    ("tshark", &[TSHARK, SNGREP], tshark::CASES),
];

/// All those with whom sound or pictures are exchanged, under one name.
const MEDIA: (&str, [&str; 6]) = ("media", ["baresip", "coturn", "ffmpeg", "video", "linphone", "libsrtp"]);

/// Calls in each case that makes many, unless told.
const CALLS: u64 = 1_000;

/// What a case works with.
pub(crate) struct Lab {
    /// The program under test.
    binary: PathBuf,
    /// Where this case keeps its files.
    folder: PathBuf,
    /// The workspace.
    root: PathBuf,
    /// How many calls make many.
    calls: u64,
}

impl Lab {
    /// The program under test, to be given its arguments.
    fn ringback(&self) -> Command {
        Command::new(&self.binary)
    }

    /// A file that belongs to these tests.
    fn file(&self, name: &str) -> PathBuf {
        self.root.join("xtask/interop").join(name)
    }
}

/// Runs the cases of one peer or of all.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut arguments = arguments.to_vec();
    let given = take_value(&mut arguments, "--binary")?;
    let calls = take_number(&mut arguments, "--calls")?.unwrap_or(CALLS);
    let names = PEERS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    let wanted: Vec<_> = match arguments.as_slice() {
        [] => PEERS.iter().collect(),
        [group] if group == MEDIA.0 => PEERS.iter().filter(|(name, ..)| MEDIA.1.contains(name)).collect(),
        [peer] => PEERS.iter().filter(|(name, ..)| name == peer).collect(),
        _ => {
            let usage = format!("usage: cargo xtask interop [PEER|{}]; peers: {names}", MEDIA.0);
            return Err(Failure::Usage(usage));
        }
    };
    if wanted.is_empty() {
        return Err(Failure::Usage(format!("there is no peer `{}`; known: {names}", arguments.join(" "))));
    }
    packages::ensure(&wanted.iter().flat_map(|(_, needs, _)| needs.iter().copied()).collect::<Vec<_>>())?;
    let binary = server::binary(given)?;
    let root = std::env::current_dir().map_err(|error| format!("no current folder: {error}"))?;
    let mut steps = Steps::default();
    for (peer, _, cases) in wanted {
        for (name, case) in *cases {
            let name = format!("{peer} {name}");
            steps.step(&name, || {
                let folder = fresh(&root.join("target/interop").join(name.replace([' ', ',', ':'], "-")))?;
                let lab = Lab { binary: binary.clone(), folder, root: root.clone(), calls };
                println!("{name}: {}", case(&lab)?);
                Ok(())
            });
        }
    }
    steps.finish()
}

fn fresh(folder: &Path) -> Outcome<PathBuf> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_path_buf())
}
