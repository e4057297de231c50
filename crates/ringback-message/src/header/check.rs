//! Which fields have a type, and whether a value is right by it.

use super::*;
use crate::ParseError;
use crate::output::written;

macro_rules! types {
    ($($id:ident $type:ty)*) => {
        /// Whether this crate has a type for the values of a field.
        pub const fn has_type(id: HeaderId) -> bool {
            matches!(id, $(HeaderId::$id)|*)
        }

        /// Judges one value of a field, one element of a comma list, by the type of the field. Any value is right where
        /// there is no type.
        ///
        /// # Errors
        /// When the value is out of its grammar; the offset counts from its start.
        pub fn check(id: HeaderId, value: &[u8]) -> Result<(), ParseError> {
            match id {
                $(HeaderId::$id => <$type>::parse(value).map(drop),)*
                _ => Ok(()),
            }
        }

        /// A value in its usual spelling: read by its type and written again. `None` where it is wrong or has no type.
        pub fn normal_form(id: HeaderId, value: &[u8]) -> Option<Vec<u8>> {
            match id {
                $(HeaderId::$id => {
                    let value = <$type>::parse(value).ok()?;
                    Some(written(|out| value.write(out), <[u8]>::to_vec))
                })*
                _ => None,
            }
        }
    };
}

types! {
    ACCEPT Accept<'_>
    ACCEPT_CONTACT AcceptContact<'_>
    ACCEPT_ENCODING AcceptEncoding<'_>
    ACCEPT_LANGUAGE AcceptLanguage<'_>
    ACCEPT_RESOURCE_PRIORITY AcceptResourcePriority<'_>
    ALERT_INFO AlertInfo<'_>
    ALLOW Allow
    ALLOW_EVENTS AllowEvents<'_>
    ANSWER_MODE AnswerMode<'_>
    AUTHENTICATION_INFO AuthenticationInfo<'_>
    AUTHORIZATION Authorization<'_>
    CSEQ CSeq
    CALL_ID CallId<'_>
    CALL_INFO CallInfo<'_>
    CONTACT Contact<'_>
    CONTENT_DISPOSITION ContentDisposition<'_>
    CONTENT_ENCODING ContentEncoding<'_>
    CONTENT_ID ContentId<'_>
    CONTENT_LANGUAGE ContentLanguage<'_>
    CONTENT_LENGTH ContentLength
    CONTENT_TYPE ContentType<'_>
    DATE Date
    DIVERSION Diversion<'_>
    ERROR_INFO ErrorInfo<'_>
    EVENT Event<'_>
    EXPIRES Expires
    FEATURE_CAPS FeatureCaps<'_>
    FLOW_TIMER FlowTimer
    FROM From<'_>
    GEOLOCATION Geolocation<'_>
    GEOLOCATION_ERROR GeolocationError<'_>
    GEOLOCATION_ROUTING GeolocationRouting<'_>
    HISTORY_INFO HistoryInfo<'_>
    IDENTITY Identity<'_>
    IN_REPLY_TO InReplyTo<'_>
    INFO_PACKAGE InfoPackage<'_>
    JOIN Join<'_>
    MAX_BREADTH MaxBreadth
    MAX_FORWARDS MaxForwards
    MIME_VERSION MimeVersion<'_>
    MIN_EXPIRES MinExpires
    MIN_SE MinSe<'_>
    ORGANIZATION Organization<'_>
    P_ACCESS_NETWORK_INFO PAccessNetworkInfo<'_>
    P_ASSERTED_IDENTITY PAssertedIdentity<'_>
    P_ASSOCIATED_URI PAssociatedUri<'_>
    P_CALLED_PARTY_ID PCalledPartyId<'_>
    P_CHARGING_VECTOR PChargingVector<'_>
    P_PREFERRED_IDENTITY PPreferredIdentity<'_>
    P_SERVED_USER PServedUser<'_>
    P_VISITED_NETWORK_ID PVisitedNetworkId<'_>
    PATH Path<'_>
    PERMISSION_MISSING PermissionMissing<'_>
    PRIORITY Priority<'_>
    PRIV_ANSWER_MODE PrivAnswerMode<'_>
    PRIVACY Privacy<'_>
    PROXY_AUTHENTICATE ProxyAuthenticate<'_>
    PROXY_AUTHENTICATION_INFO ProxyAuthenticationInfo<'_>
    PROXY_AUTHORIZATION ProxyAuthorization<'_>
    PROXY_REQUIRE ProxyRequire<'_>
    RACK RAck
    RSEQ RSeq
    REASON Reason<'_>
    RECORD_ROUTE RecordRoute<'_>
    RECV_INFO RecvInfo<'_>
    REFER_SUB ReferSub<'_>
    REFER_TO ReferTo<'_>
    REFERRED_BY ReferredBy<'_>
    REJECT_CONTACT RejectContact<'_>
    REMOTE_PARTY_ID RemotePartyId<'_>
    REPLACES Replaces<'_>
    REPLY_TO ReplyTo<'_>
    REQUEST_DISPOSITION RequestDisposition<'_>
    REQUIRE Require<'_>
    RESOURCE_PRIORITY ResourcePriority<'_>
    RETRY_AFTER RetryAfter<'_>
    ROUTE Route<'_>
    SECURITY_CLIENT SecurityClient<'_>
    SECURITY_SERVER SecurityServer<'_>
    SECURITY_VERIFY SecurityVerify<'_>
    SERVER Server<'_>
    SERVICE_ROUTE ServiceRoute<'_>
    SESSION_EXPIRES SessionExpires<'_>
    SESSION_ID SessionId<'_>
    SIP_ETAG SipEtag<'_>
    SIP_IF_MATCH SipIfMatch<'_>
    SUBJECT Subject<'_>
    SUBSCRIPTION_STATE SubscriptionState<'_>
    SUPPORTED Supported<'_>
    SUPPRESS_IF_MATCH SuppressIfMatch<'_>
    TARGET_DIALOG TargetDialog<'_>
    TIMESTAMP Timestamp<'_>
    TO To<'_>
    UNSUPPORTED Unsupported<'_>
    USER_AGENT UserAgent<'_>
    USER_TO_USER UserToUser<'_>
    VIA Via<'_>
    WARNING Warning<'_>
    WWW_AUTHENTICATE WwwAuthenticate<'_>
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_and_read_again() {
        for (id, value) in [
            (
                HeaderId::VIA,
                "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
            ),
            (HeaderId::TO, "\"The Operator\" <sip:operator@cs.columbia.edu>;tag=287447"),
            (HeaderId::CONTACT, "*"),
            (HeaderId::ALERT_INFO, "<http://www.example.com/sounds/moo.wav>"),
            (HeaderId::CALL_INFO, "<http://wwww.example.com/alice/photo.jpg> ;purpose=icon"),
            (HeaderId::HISTORY_INFO, "<sip:UserA@ims.example.com?Reason=SIP%3Bcause%3D302>;index=1.1"),
            (HeaderId::AUTHORIZATION, "Digest username=\"Alice\", realm=\"atlanta.com\""),
            (HeaderId::PRIVACY, "id;critical"),
            (HeaderId::SECURITY_CLIENT, "tls;q=0.2"),
            (HeaderId::P_ACCESS_NETWORK_INFO, "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11"),
            (HeaderId::RETRY_AFTER, "18000;duration=3600"),
        ] {
            let written = normal_form(id, value.as_bytes()).unwrap_or_else(|| panic!("{id}: {value}"));
            let again = normal_form(id, written.as_slice()).unwrap();
            assert_eq!(again.as_slice(), written.as_slice(), "{id}: {value}");
        }
    }

    #[test]
    fn all_but_exotic_fields_have_a_type() {
        assert!(HeaderId::all().filter(|id| has_type(*id)).count() >= 90);
        assert!(check(HeaderId::CSEQ, b"x").is_err() && check(HeaderId::SUBJECT, b"").is_ok());
        assert!(check(HeaderId::DC_INFO, b"anything").is_ok() && !has_type(HeaderId::DC_INFO));
    }
}
