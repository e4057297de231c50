//! Requests that the element itself sends in the place of one end of a dialog, such as a BYE where an end has died.

use crate::proxy::Proxy;
use crate::{forward, routes, token};
use ringback_message::{Request, StatusCode};
use ringback_transport::locate::NextHop;

impl Proxy {
    /// Where a request leads whose Routes begin with ours, as that of an end of the dialog would that sent it to us: over the flow
    /// that our Route names, else to the next Route or the Request-URI. Our own Routes are taken off; it is then ready but for Via.
    ///
    /// # Errors
    /// The status with which such a request of an end would be refused.
    pub fn hop_of_own(&self, request: &mut Request) -> Result<NextHop, StatusCode> {
        let own = routes::preprocess(request, &self.config.ownership).map_err(forward::status_of)?;
        let along = own.token.and_then(|token| token::read(self.flow_key, &token));
        Ok(forward::along(forward::prepare(request, None, None, None)?, along))
    }
}
