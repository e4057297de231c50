//! Codecs, loss concealment, resampling and WAV files for RTP sessions.
mod conceal;
mod g711;
mod pitch;
mod resample;
mod wav;
pub use conceal::Concealer;
pub use g711::Law;
pub use resample::{Resampler, UnsupportedRate};
pub use wav::{AudioFileError, WavWriter, read_wav};
