//! Where the audio of a call comes in: at a socket of ours, or at the application's.

use crate::CallError;
use crate::audio::{Audio, OpenAudio};
use crate::endpoint::Inner;
use ringback_net::MediaSocket;
use ringback_sdp::SrtpPolicy;
use ringback_ua::LocalAudio;

/// Where the audio of a call comes in.
pub(crate) enum Place {
    Here(MediaSocket, Box<OpenAudio>),
    Elsewhere(LocalAudio),
}

impl Place {
    /// Opens what `audio` needs. `socket` is one that the other side was told of already.
    pub(crate) fn open(audio: Audio, socket: Option<MediaSocket>, inner: &Inner) -> Result<Self, CallError> {
        if let Some(elsewhere) = audio.place() {
            let must_be_here = socket.is_some() || inner.srtp == SrtpPolicy::Require;
            return if must_be_here {
                Err(CallError::Elsewhere)
            } else {
                Ok(Self::Elsewhere(elsewhere.clone()))
            };
        }
        let audio = audio.open()?;
        let socket = match socket {
            Some(socket) => socket,
            None => MediaSocket::bind(inner.media_ip).map_err(CallError::Socket)?,
        };
        Ok(Self::Here(socket, Box::new(audio)))
    }

    /// Our side of it, for the description of the call.
    pub(crate) fn local(&self, inner: &Inner) -> LocalAudio {
        match self {
            Self::Here(socket, _) => inner.local_audio(socket),
            // Keys would be the application's to use, which has none to give.
            Self::Elsewhere(audio) => audio.clone(),
        }
    }
}
