//! `ringback user`.

use crate::args::User;
use crate::out::line;
use crate::outcome::Failure;
use crate::phone;
use ringback_server::UserStore;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

/// Changes or lists the users of a data folder. A running server sees it at once.
pub(crate) fn user(command: User) -> Result<(), Failure> {
    match command {
        User::Add { name, password_env, store } => {
            let password = match password_env {
                Some(variable) => phone::password(&variable)?,
                None => read_password(&name)?,
            };
            open(&store.data)?.add(&name, &store.domain, &password).map_err(failed)?;
            line(format_args!("{name}@{} is known now", store.domain));
            Ok(())
        }
        User::Remove { name, store } => {
            if open(&store.data)?.remove(&name).map_err(failed)? {
                line(format_args!("{name} is removed"));
                return Ok(());
            }
            Err(Failure::Failed(format!("there is no user {name} in {}", store.data.display())))
        }
        User::List { store } => {
            for (name, realm) in open(&store.data)?.list().map_err(failed)? {
                line(format_args!("{name}@{realm}"));
            }
            Ok(())
        }
    }
}

fn open(data: &Path) -> Result<UserStore, Failure> {
    UserStore::open(data).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// Takes the password from a pipe, or from the first line that is typed.
fn read_password(name: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        line(format_args!("Password for {name} (it is shown while you type; --password-env avoids that):"));
    }
    let mut password = String::new();
    io::stdin()
        .lock()
        .read_line(&mut password)
        .map_err(|error| Failure::Failed(format!("no password: {error}")))?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Usage("user add: the password is empty".to_owned()));
    }
    Ok(password.to_owned())
}
