//! How the audio of calls is protected, and how it finds its way: the options, and what they mean.

use super::password;
use crate::outcome::Failure;
use clap::Args;
use ringback::{EndpointBuilder, Ice, SrtpPolicy};

/// Options for the audio of calls.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Media {
    /// Whether audio is encrypted (SRTP): never, where the other side can, or always. The keys stand in the signalling;
    /// with --transport tls only the servers on the way can read them. dtls is always, with keys that come by a handshake
    /// between the two sides and that nobody else learns
    #[arg(long, value_name = "off|offer|require|dtls", default_value = "offer", value_parser = ["off", "offer", "require", "dtls"])]
    pub(crate) srtp: String,
    /// Whether the way of the audio is found by ICE: never, in calls that come with it, in ours as well, or through --turn
    /// alone, so that nobody learns our address [default: answer, and offer with --stun or --turn]
    #[arg(long, value_name = "off|answer|offer|relay", value_parser = ["off", "answer", "offer", "relay"], num_args = 0..=1,
          require_equals = true, default_missing_value = "offer")]
    pub(crate) ice: Option<String>,
    /// Asks this STUN server where others see us
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) stun: Option<String>,
    /// Lets audio go through this TURN server where there is no other way: by UDP, by TCP with ?transport=tcp, or by TLS with
    /// turns: (trust as for --transport tls: --tls-ca)
    #[arg(long, value_name = "[turn[s]:]USER@HOST[:PORT][?transport=tcp]", requires = "turn_password_env")]
    pub(crate) turn: Option<String>,
    /// The environment variable that holds the password for the TURN server
    #[arg(long, value_name = "VAR", requires = "turn")]
    pub(crate) turn_password_env: Option<String>,
}

impl Media {
    /// Sets an endpoint up as the options say.
    pub(crate) fn apply(&self, builder: EndpointBuilder) -> Result<EndpointBuilder, Failure> {
        let builder = match self.srtp.as_str() {
            "off" => builder.srtp(SrtpPolicy::Off),
            "require" => builder.srtp(SrtpPolicy::Require),
            "dtls" => builder.srtp(SrtpPolicy::Require).dtls(),
            // Commands that have no audio have no option either.
            _ => builder.srtp(SrtpPolicy::Offer),
        };
        let mut ice = match self.ice.as_deref() {
            Some("off") if self.stun.is_some() || self.turn.is_some() => {
                return Err(Failure::Usage(
                    "--ice=off leaves nothing to do for --stun and --turn".to_owned(),
                ));
            }
            Some("off") => Ice::off(),
            Some("offer") => Ice::offered(),
            Some("relay") if self.turn.is_none() => {
                return Err(Failure::Usage("--ice=relay needs --turn".to_owned()));
            }
            Some("relay") => Ice::offered().hidden(),
            _ => Ice::answered(),
        };
        if let Some(server) = &self.stun {
            ice = ice.stun(server);
        }
        if let (Some(turn), Some(variable)) = (&self.turn, &self.turn_password_env) {
            let (user, server) = login(turn)
                .ok_or_else(|| Failure::Usage(format!("--turn: `{turn}` is no USER@HOST[:PORT]")))?;
            ice = ice.turn(server, user, password(variable)?);
        }
        Ok(builder.ice(ice))
    }
}

/// The user, and the server as RFC 7065 writes it, which has no user.
fn login(turn: &str) -> Option<(&str, String)> {
    let scheme = ["turns:", "turn:"].into_iter().find(|scheme| turn.starts_with(scheme)).unwrap_or_default();
    let (user, server) = turn[scheme.len()..].rsplit_once('@')?;
    (!user.is_empty()).then(|| (user, format!("{scheme}{server}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_stands_in_front_of_the_server() {
        for (text, user, server) in [
            ("alice@turn.example.com", "alice", "turn.example.com"),
            ("turns:alice@turn.example.com:443", "alice", "turns:turn.example.com:443"),
            ("turn:a@b@192.0.2.1?transport=tcp", "a@b", "turn:192.0.2.1?transport=tcp"),
        ] {
            assert_eq!(login(text), Some((user, server.to_owned())), "{text}");
        }
        for wrong in ["turn.example.com", "turns:turn.example.com", "turn:@turn.example.com"] {
            assert_eq!(login(wrong), None, "{wrong}");
        }
    }
}
