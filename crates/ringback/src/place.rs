//! Where the media of a call come in: at sockets of ours, or at the application's.

use crate::CallError;
use crate::audio::{Audio, OpenAudio};
use crate::endpoint::Inner;
use crate::port::Port;
use crate::video::{OpenVideo, Video};
use ringback_sdp::SrtpPolicy;
use ringback_ua::LocalAudio;

/// Where the media of a call come in.
pub(crate) enum Place {
    /// The pictures have a socket of their own.
    Here(Box<Port>, Box<OpenAudio>, Option<Box<OpenVideo>>),
    Elsewhere(LocalAudio),
}

impl Place {
    /// Opens what `audio` and `video` need. `line` is one that the other side was told of already, without pictures.
    pub(crate) async fn open(
        audio: Audio,
        video: Option<Video>,
        line: Option<Port>,
        inner: &Inner,
    ) -> Result<Self, CallError> {
        if let Some(elsewhere) = audio.place() {
            let must_be_here = line.is_some() || video.is_some() || inner.srtp == SrtpPolicy::Require;
            return if must_be_here {
                Err(CallError::Elsewhere)
            } else {
                Ok(Self::Elsewhere(elsewhere.clone()))
            };
        }
        let audio = audio.open()?;
        let video = match video.filter(|_| line.is_none()) {
            Some(video) => {
                Some(video.open(inner).await.map_err(CallError::Socket)?.ok_or(CallError::VideoTaken)?)
            }
            None => None,
        };
        let line = match line {
            Some(line) => line,
            None => inner.open_port().await.map_err(CallError::Socket)?,
        };
        Ok(Self::Here(Box::new(line), Box::new(audio), video.map(Box::new)))
    }

    /// Our side of it, for the description of the call.
    pub(crate) fn local(&self) -> LocalAudio {
        match self {
            Self::Here(line, _, video) => {
                line.local.clone().video(video.as_ref().map(|video| video.local.clone()))
            }
            // Keys would be the application's to use, which has none to give.
            Self::Elsewhere(audio) => audio.clone(),
        }
    }
}
