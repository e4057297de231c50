//! How a command ends, and with which exit status.

use ringback::{CallError, RegisterError, RequestFailed, StartError, StatusCode};
use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what it was asked to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Refused, or something went wrong: exit status 1.
    Failed(String),
    /// Nobody answered: 2.
    Unanswered(String),
    /// A password is missing or wrong, or we may not do that: 3.
    Unauthorised(String),
    /// What was asked for makes no sense: 64.
    Usage(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Unanswered(_) => 2,
            Self::Unauthorised(_) => 3,
            Self::Usage(_) => 64,
        })
    }

    /// What a final status means for the exit status.
    pub(crate) fn of_status(status: Option<StatusCode>, text: String) -> Self {
        match status.map(StatusCode::as_u16) {
            None | Some(408 | 480 | 504) => Self::Unanswered(text),
            Some(401 | 403 | 407) => Self::Unauthorised(text),
            Some(_) => Self::Failed(text),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(text) | Self::Unanswered(text) | Self::Unauthorised(text) | Self::Usage(text)) =
            self;
        f.write_str(text)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen(error) => Self::Usage(format!("--listen: {error}")),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let text = error.to_string();
        match error {
            RegisterError::Address(_) => Self::Usage(format!("--from: {text}")),
            RegisterError::Server(_) => Self::Usage(format!("--server: {text}")),
            RegisterError::Refused { status, .. } => Self::of_status(Some(status), text),
            _ => Self::Failed(text),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Target(_) | CallError::Audio(_) => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<RequestFailed> for Failure {
    fn from(error: RequestFailed) -> Self {
        let text = error.to_string();
        match error {
            RequestFailed::Target(_) => Self::Usage(text),
            RequestFailed::Refused(status, _) => Self::of_status(Some(status), text),
            _ => Self::Failed(text),
        }
    }
}
