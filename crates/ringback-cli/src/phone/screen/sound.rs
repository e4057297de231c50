//! What calls play and where they are recorded: files, or a sound device where the program was built with one.

use super::options::Screen;
use crate::outcome::Failure;
use crate::phone::plan::numbered;
use ringback::{Audio, StatusCode};
use std::path::PathBuf;

/// The number of the conference among calls, which have smaller ones.
pub(crate) const CONFERENCE: u32 = u32::MAX;

/// What a tone tells the user of a call that is not up.
#[cfg_attr(not(feature = "audio-device"), expect(dead_code, reason = "nobody hears anything"))]
pub(crate) enum Heard {
    /// It rings at the other side.
    Rings,
    /// It comes while another one is up.
    Waits,
    /// It has failed.
    Failed(StatusCode),
    /// It has audio of its own now.
    Itself,
    /// It is over, or was answered by us.
    Nothing,
}

/// Where the audio of calls comes from and goes to.
pub(crate) struct Sound {
    play: Option<PathBuf>,
    record: Option<PathBuf>,
    #[cfg(feature = "audio-device")]
    device: Option<super::device::Device>,
}

impl Sound {
    /// Opens what the options name, so that what is wrong with it is known before the first call.
    pub(crate) fn open(options: &Screen) -> Result<Self, Failure> {
        if let Some(path) = &options.play {
            std::fs::File::open(path).map_err(|error| {
                Failure::Usage(format!("--play: cannot open {}: {error}", path.display()))
            })?;
        }
        Ok(Self {
            play: options.play.clone(),
            record: options.record.clone(),
            #[cfg(feature = "audio-device")]
            device: match options.play.is_none() && !options.no_device {
                true => Some(super::device::Device::open(options.tones.country())?),
                false => None,
            },
        })
    }

    /// What it is, for the head of the screen.
    pub(crate) fn words(&self) -> String {
        #[cfg(feature = "audio-device")]
        if self.device.is_some() {
            return "microphone".to_owned();
        }
        match (&self.play, &self.record) {
            (None, None) => "silent: no sound device".to_owned(),
            (Some(_), None) => "plays a file".to_owned(),
            (None, Some(_)) => "silent, records".to_owned(),
            (Some(_), Some(_)) => "plays a file, records".to_owned(),
        }
    }

    /// How to get sound, where there is none.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let has_none = self.play.is_none() && self.record.is_none();
        (has_none && !cfg!(feature = "audio-device"))
            .then_some("silent: --play and --record take files, or build with --features audio-device")
    }

    /// The audio for the call of this number, from 1.
    pub(crate) fn audio(&self, number: u32) -> Audio {
        let audio = self.source(number);
        match &self.record {
            Some(path) => audio.record(numbered(path, number)),
            None => audio,
        }
    }

    /// The audio of ours in a conference, recorded nowhere: what is heard there is in the recordings of its calls.
    pub(crate) fn voice(&self) -> Audio {
        self.source(CONFERENCE)
    }

    /// Lets the user hear how far a call is that is not up: at the loudspeaker, where there is one.
    #[cfg_attr(not(feature = "audio-device"), expect(unused_variables, reason = "nobody hears anything"))]
    pub(crate) fn tell(&self, number: u32, progress: Heard) {
        #[cfg(feature = "audio-device")]
        if let Some(device) = &self.device {
            let mut tones = device.progress();
            match progress {
                Heard::Rings => tones.rings(number),
                Heard::Waits => tones.waits(number),
                Heard::Failed(status) => tones.failed(number, status),
                Heard::Itself => tones.audio(number),
                Heard::Nothing => tones.hush(number),
            }
        }
    }

    /// The audio for a call that has had some already, and goes on with its recording.
    pub(crate) fn again(&self, number: u32) -> Audio {
        self.source(number)
    }

    /// Says whether the call of that number talks: the one that the device is for.
    #[cfg_attr(
        not(feature = "audio-device"),
        expect(unused_variables, reason = "files are heard in every call")
    )]
    pub(crate) fn talk(&self, number: u32, talks: bool) {
        #[cfg(feature = "audio-device")]
        if let Some(device) = &self.device {
            device.talk(number, talks);
        }
    }

    #[cfg_attr(
        not(feature = "audio-device"),
        expect(unused_variables, reason = "files are heard in every call")
    )]
    fn source(&self, number: u32) -> Audio {
        #[cfg(feature = "audio-device")]
        if let Some(device) = &self.device {
            return device.connect(number);
        }
        self.play.as_ref().map_or_else(Audio::silence, Audio::file)
    }
}
