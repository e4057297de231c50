//! How a command ends when it does not succeed.

use std::fmt;
use std::process::ExitCode;

/// What a command hands back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command did not succeed; the text says what failed and what to do about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command was typed wrongly: exit status 2.
    Usage(String),
    /// The command ran and something did not hold: exit status 1.
    Failed(String),
}

impl Failure {
    /// The status that tells a script which of the two it was.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => out.write_str(text),
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

/// Refuses arguments where a command takes none.
pub(crate) fn no_arguments(command: &str, arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => Ok(()),
        Some(first) => {
            Err(Failure::Usage(format!("`cargo xtask {command}` takes no arguments, it was given `{first}`")))
        }
    }
}

/// Takes `flag VALUE` out of `arguments` and reads the value as a number.
pub(crate) fn take_number(arguments: &mut Vec<String>, flag: &str) -> Outcome<Option<u64>> {
    let Some(value) = take_value(arguments, flag)? else { return Ok(None) };
    value
        .parse()
        .map(Some)
        .map_err(|_| Failure::Usage(format!("{flag} wants a whole number, it was given `{value}`")))
}

/// Takes `flag VALUE` out of `arguments`.
pub(crate) fn take_value(arguments: &mut Vec<String>, flag: &str) -> Outcome<Option<String>> {
    let Some(at) = arguments.iter().position(|argument| argument == flag) else { return Ok(None) };
    if at + 1 >= arguments.len() {
        return Err(Failure::Usage(format!("{flag} wants a value after it")));
    }
    arguments.remove(at);
    Ok(Some(arguments.remove(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_flag_is_taken_with_its_value_and_the_rest_stays() {
        let mut arguments = words("uri --seconds 30 more");
        assert_eq!(take_number(&mut arguments, "--seconds").unwrap(), Some(30));
        assert_eq!(arguments, words("uri more"));
        assert_eq!(take_number(&mut arguments, "--seconds").unwrap(), None);
    }

    #[test]
    fn a_flag_without_a_number_says_what_was_wrong() {
        let failure = take_number(&mut words("--seeds many"), "--seeds").unwrap_err();
        assert_eq!(failure.to_string(), "--seeds wants a whole number, it was given `many`");
        assert_eq!(
            take_value(&mut words("--from"), "--from").unwrap_err().to_string(),
            "--from wants a value after it"
        );
    }
}
