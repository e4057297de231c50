//! Where the audio of a call comes in: at a socket of ours, or at the application's.

use crate::CallError;
use crate::audio::{Audio, OpenAudio};
use crate::endpoint::Inner;
use crate::port::Port;
use ringback_sdp::SrtpPolicy;
use ringback_ua::LocalAudio;

/// Where the audio of a call comes in.
pub(crate) enum Place {
    Here(Box<Port>, Box<OpenAudio>),
    Elsewhere(LocalAudio),
}

impl Place {
    /// Opens what `audio` needs. `line` is one that the other side was told of already.
    pub(crate) async fn open(audio: Audio, line: Option<Port>, inner: &Inner) -> Result<Self, CallError> {
        if let Some(elsewhere) = audio.place() {
            let must_be_here = line.is_some() || inner.srtp == SrtpPolicy::Require;
            return if must_be_here {
                Err(CallError::Elsewhere)
            } else {
                Ok(Self::Elsewhere(elsewhere.clone()))
            };
        }
        let audio = audio.open()?;
        let line = match line {
            Some(line) => line,
            None => inner.open_port().await.map_err(CallError::Socket)?,
        };
        Ok(Self::Here(Box::new(line), Box::new(audio)))
    }

    /// Our side of it, for the description of the call.
    pub(crate) fn local(&self) -> LocalAudio {
        match self {
            Self::Here(line, _) => line.local.clone(),
            // Keys would be the application's to use, which has none to give.
            Self::Elsewhere(audio) => audio.clone(),
        }
    }
}
