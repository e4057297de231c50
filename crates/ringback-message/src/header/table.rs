//! The header fields of the IANA registry. Written by `cargo xtask codegen`; do not edit.

use super::id::{HeaderId, Kind, Known};

#[rustfmt::skip]
impl HeaderId {
    /// `Accept` (RFC 3261).
    pub const ACCEPT: Self = Self(1);
    /// `Accept-Contact`, compact `a` (RFC 3841).
    pub const ACCEPT_CONTACT: Self = Self(2);
    /// `Accept-Encoding` (RFC 3261).
    pub const ACCEPT_ENCODING: Self = Self(3);
    /// `Accept-Language` (RFC 3261).
    pub const ACCEPT_LANGUAGE: Self = Self(4);
    /// `Accept-Resource-Priority` (RFC 4412).
    pub const ACCEPT_RESOURCE_PRIORITY: Self = Self(5);
    /// `Additional-Identity` (3GPP TS 24.229).
    pub const ADDITIONAL_IDENTITY: Self = Self(6);
    /// `Alert-Info` (RFC 3261).
    pub const ALERT_INFO: Self = Self(7);
    /// `Allow` (RFC 3261).
    pub const ALLOW: Self = Self(8);
    /// `Allow-Events`, compact `u` (RFC 6665).
    pub const ALLOW_EVENTS: Self = Self(9);
    /// `AlertMsg-Error` (RFC 8876).
    pub const ALERTMSG_ERROR: Self = Self(10);
    /// `Answer-Mode` (RFC 5373).
    pub const ANSWER_MODE: Self = Self(11);
    /// `Attestation-Info` (3GPP TS 24.229).
    pub const ATTESTATION_INFO: Self = Self(12);
    /// `Authentication-Info` (RFC 3261).
    pub const AUTHENTICATION_INFO: Self = Self(13);
    /// `Authorization` (RFC 3261).
    pub const AUTHORIZATION: Self = Self(14);
    /// `Call-ID`, compact `i` (RFC 3261).
    pub const CALL_ID: Self = Self(15);
    /// `Call-Info` (RFC 3261).
    pub const CALL_INFO: Self = Self(16);
    /// `Cellular-Network-Info` (3GPP TS 24.229).
    pub const CELLULAR_NETWORK_INFO: Self = Self(17);
    /// `Contact`, compact `m` (RFC 3261).
    pub const CONTACT: Self = Self(18);
    /// `Content-Disposition` (RFC 3261).
    pub const CONTENT_DISPOSITION: Self = Self(19);
    /// `Content-Encoding`, compact `e` (RFC 3261).
    pub const CONTENT_ENCODING: Self = Self(20);
    /// `Content-ID` (RFC 8262).
    pub const CONTENT_ID: Self = Self(21);
    /// `Content-Language` (RFC 3261).
    pub const CONTENT_LANGUAGE: Self = Self(22);
    /// `Content-Length`, compact `l` (RFC 3261).
    pub const CONTENT_LENGTH: Self = Self(23);
    /// `Content-Type`, compact `c` (RFC 3261).
    pub const CONTENT_TYPE: Self = Self(24);
    /// `CSeq` (RFC 3261).
    pub const CSEQ: Self = Self(25);
    /// `DC-Info` (3GPP TS 24.186).
    pub const DC_INFO: Self = Self(26);
    /// `Date` (RFC 3261).
    pub const DATE: Self = Self(27);
    /// `Diversion` (RFC 5806).
    pub const DIVERSION: Self = Self(28);
    /// `Encryption` (RFC 3261, deprecated).
    pub const ENCRYPTION: Self = Self(29);
    /// `Error-Info` (RFC 3261).
    pub const ERROR_INFO: Self = Self(30);
    /// `Event`, compact `o` (RFC 6665).
    pub const EVENT: Self = Self(31);
    /// `Expires` (RFC 3261).
    pub const EXPIRES: Self = Self(32);
    /// `Feature-Caps` (RFC 6809).
    pub const FEATURE_CAPS: Self = Self(33);
    /// `Flow-Timer` (RFC 5626).
    pub const FLOW_TIMER: Self = Self(34);
    /// `From`, compact `f` (RFC 3261).
    pub const FROM: Self = Self(35);
    /// `Geolocation` (RFC 6442).
    pub const GEOLOCATION: Self = Self(36);
    /// `Geolocation-Error` (RFC 6442).
    pub const GEOLOCATION_ERROR: Self = Self(37);
    /// `Geolocation-Routing` (RFC 6442).
    pub const GEOLOCATION_ROUTING: Self = Self(38);
    /// `Hide` (RFC 3261, deprecated).
    pub const HIDE: Self = Self(39);
    /// `History-Info` (RFC 7044).
    pub const HISTORY_INFO: Self = Self(40);
    /// `Identity`, compact `y` (RFC 8224).
    pub const IDENTITY: Self = Self(41);
    /// `Identity-Info` (RFC 4474).
    pub const IDENTITY_INFO: Self = Self(42);
    /// `Info-Package` (RFC 6086).
    pub const INFO_PACKAGE: Self = Self(43);
    /// `In-Reply-To` (RFC 3261).
    pub const IN_REPLY_TO: Self = Self(44);
    /// `Join` (RFC 3911).
    pub const JOIN: Self = Self(45);
    /// `Max-Breadth` (RFC 5393).
    pub const MAX_BREADTH: Self = Self(46);
    /// `Max-Forwards` (RFC 3261).
    pub const MAX_FORWARDS: Self = Self(47);
    /// `MIME-Version` (RFC 3261).
    pub const MIME_VERSION: Self = Self(48);
    /// `Min-Expires` (RFC 3261).
    pub const MIN_EXPIRES: Self = Self(49);
    /// `Min-SE` (RFC 4028).
    pub const MIN_SE: Self = Self(50);
    /// `Organization` (RFC 3261).
    pub const ORGANIZATION: Self = Self(51);
    /// `Origination-Id` (3GPP TS 24.229).
    pub const ORIGINATION_ID: Self = Self(52);
    /// `P-Access-Network-Info` (RFC 7315).
    pub const P_ACCESS_NETWORK_INFO: Self = Self(53);
    /// `P-Answer-State` (RFC 4964).
    pub const P_ANSWER_STATE: Self = Self(54);
    /// `P-Asserted-Identity` (RFC 3325).
    pub const P_ASSERTED_IDENTITY: Self = Self(55);
    /// `P-Asserted-Service` (RFC 6050).
    pub const P_ASSERTED_SERVICE: Self = Self(56);
    /// `P-Associated-URI` (RFC 7315).
    pub const P_ASSOCIATED_URI: Self = Self(57);
    /// `P-Called-Party-ID` (RFC 7315).
    pub const P_CALLED_PARTY_ID: Self = Self(58);
    /// `P-Charge-Info` (RFC 8496).
    pub const P_CHARGE_INFO: Self = Self(59);
    /// `P-Charging-Function-Addresses` (RFC 7315).
    pub const P_CHARGING_FUNCTION_ADDRESSES: Self = Self(60);
    /// `P-Charging-Vector` (RFC 7315).
    pub const P_CHARGING_VECTOR: Self = Self(61);
    /// `P-DCS-Trace-Party-ID` (RFC 5503).
    pub const P_DCS_TRACE_PARTY_ID: Self = Self(62);
    /// `P-DCS-OSPS` (RFC 5503).
    pub const P_DCS_OSPS: Self = Self(63);
    /// `P-DCS-Billing-Info` (RFC 5503).
    pub const P_DCS_BILLING_INFO: Self = Self(64);
    /// `P-DCS-LAES` (RFC 5503).
    pub const P_DCS_LAES: Self = Self(65);
    /// `P-DCS-Redirect` (RFC 5503).
    pub const P_DCS_REDIRECT: Self = Self(66);
    /// `P-Early-Media` (RFC 5009).
    pub const P_EARLY_MEDIA: Self = Self(67);
    /// `P-Media-Authorization` (RFC 3313).
    pub const P_MEDIA_AUTHORIZATION: Self = Self(68);
    /// `P-Preferred-Identity` (RFC 3325).
    pub const P_PREFERRED_IDENTITY: Self = Self(69);
    /// `P-Preferred-Service` (RFC 6050).
    pub const P_PREFERRED_SERVICE: Self = Self(70);
    /// `P-Private-Network-Indication` (RFC 7316).
    pub const P_PRIVATE_NETWORK_INDICATION: Self = Self(71);
    /// `P-Profile-Key` (RFC 5002).
    pub const P_PROFILE_KEY: Self = Self(72);
    /// `P-Refused-URI-List` (RFC 5318).
    pub const P_REFUSED_URI_LIST: Self = Self(73);
    /// `P-Served-User` (RFC 5502).
    pub const P_SERVED_USER: Self = Self(74);
    /// `P-User-Database` (RFC 4457).
    pub const P_USER_DATABASE: Self = Self(75);
    /// `P-Visited-Network-ID` (RFC 7315).
    pub const P_VISITED_NETWORK_ID: Self = Self(76);
    /// `Path` (RFC 3327).
    pub const PATH: Self = Self(77);
    /// `Permission-Missing` (RFC 5360).
    pub const PERMISSION_MISSING: Self = Self(78);
    /// `Policy-Contact` (RFC 6794).
    pub const POLICY_CONTACT: Self = Self(79);
    /// `Policy-ID` (RFC 6794).
    pub const POLICY_ID: Self = Self(80);
    /// `Priority` (RFC 3261).
    pub const PRIORITY: Self = Self(81);
    /// `Priority-Share` (3GPP TS 24.229).
    pub const PRIORITY_SHARE: Self = Self(82);
    /// `Priority-Verstat` (3GPP TS 24.229).
    pub const PRIORITY_VERSTAT: Self = Self(83);
    /// `Priv-Answer-Mode` (RFC 5373).
    pub const PRIV_ANSWER_MODE: Self = Self(84);
    /// `Privacy` (RFC 3323).
    pub const PRIVACY: Self = Self(85);
    /// `Proxy-Authenticate` (RFC 3261).
    pub const PROXY_AUTHENTICATE: Self = Self(86);
    /// `Proxy-Authentication-Info` (RFC 7615).
    pub const PROXY_AUTHENTICATION_INFO: Self = Self(87);
    /// `Proxy-Authorization` (RFC 3261).
    pub const PROXY_AUTHORIZATION: Self = Self(88);
    /// `Proxy-Require` (RFC 3261).
    pub const PROXY_REQUIRE: Self = Self(89);
    /// `RAck` (RFC 3262).
    pub const RACK: Self = Self(90);
    /// `Reason` (RFC 3326).
    pub const REASON: Self = Self(91);
    /// `Reason-Phrase` (RFC 8606).
    pub const REASON_PHRASE: Self = Self(92);
    /// `Record-Route` (RFC 3261).
    pub const RECORD_ROUTE: Self = Self(93);
    /// `Recv-Info` (RFC 6086).
    pub const RECV_INFO: Self = Self(94);
    /// `Refer-Events-At` (RFC 7614).
    pub const REFER_EVENTS_AT: Self = Self(95);
    /// `Refer-Sub` (RFC 4488).
    pub const REFER_SUB: Self = Self(96);
    /// `Refer-To`, compact `r` (RFC 3515).
    pub const REFER_TO: Self = Self(97);
    /// `Referred-By`, compact `b` (RFC 3892).
    pub const REFERRED_BY: Self = Self(98);
    /// `Reject-Contact`, compact `j` (RFC 3841).
    pub const REJECT_CONTACT: Self = Self(99);
    /// `Relayed-Charge` (3GPP TS 24.229).
    pub const RELAYED_CHARGE: Self = Self(100);
    /// `Remote-Party-ID` (draft-ietf-sip-privacy-04).
    pub const REMOTE_PARTY_ID: Self = Self(101);
    /// `Replaces` (RFC 3891).
    pub const REPLACES: Self = Self(102);
    /// `Reply-To` (RFC 3261).
    pub const REPLY_TO: Self = Self(103);
    /// `Request-Disposition`, compact `d` (RFC 3841).
    pub const REQUEST_DISPOSITION: Self = Self(104);
    /// `Require` (RFC 3261).
    pub const REQUIRE: Self = Self(105);
    /// `Resource-Priority` (RFC 4412).
    pub const RESOURCE_PRIORITY: Self = Self(106);
    /// `Resource-Share` (3GPP TS 24.229).
    pub const RESOURCE_SHARE: Self = Self(107);
    /// `Response-Key` (RFC 3261, deprecated).
    pub const RESPONSE_KEY: Self = Self(108);
    /// `Response-Source` (3GPP TS 24.229).
    pub const RESPONSE_SOURCE: Self = Self(109);
    /// `Restoration-Info` (3GPP TS 24.229).
    pub const RESTORATION_INFO: Self = Self(110);
    /// `Retry-After` (RFC 3261).
    pub const RETRY_AFTER: Self = Self(111);
    /// `Route` (RFC 3261).
    pub const ROUTE: Self = Self(112);
    /// `RSeq` (RFC 3262).
    pub const RSEQ: Self = Self(113);
    /// `Security-Client` (RFC 3329).
    pub const SECURITY_CLIENT: Self = Self(114);
    /// `Security-Server` (RFC 3329).
    pub const SECURITY_SERVER: Self = Self(115);
    /// `Security-Verify` (RFC 3329).
    pub const SECURITY_VERIFY: Self = Self(116);
    /// `Server` (RFC 3261).
    pub const SERVER: Self = Self(117);
    /// `Service-Interact-Info` (3GPP TS 24.229).
    pub const SERVICE_INTERACT_INFO: Self = Self(118);
    /// `Service-Route` (RFC 3608).
    pub const SERVICE_ROUTE: Self = Self(119);
    /// `Session-Expires`, compact `x` (RFC 4028).
    pub const SESSION_EXPIRES: Self = Self(120);
    /// `Session-ID` (RFC 7989).
    pub const SESSION_ID: Self = Self(121);
    /// `SIP-ETag` (RFC 3903).
    pub const SIP_ETAG: Self = Self(122);
    /// `SIP-If-Match` (RFC 3903).
    pub const SIP_IF_MATCH: Self = Self(123);
    /// `Subject`, compact `s` (RFC 3261).
    pub const SUBJECT: Self = Self(124);
    /// `Subscription-State` (RFC 6665).
    pub const SUBSCRIPTION_STATE: Self = Self(125);
    /// `Supported`, compact `k` (RFC 3261).
    pub const SUPPORTED: Self = Self(126);
    /// `Suppress-If-Match` (RFC 5839).
    pub const SUPPRESS_IF_MATCH: Self = Self(127);
    /// `Target-Dialog` (RFC 4538).
    pub const TARGET_DIALOG: Self = Self(128);
    /// `Timestamp` (RFC 3261).
    pub const TIMESTAMP: Self = Self(129);
    /// `To`, compact `t` (RFC 3261).
    pub const TO: Self = Self(130);
    /// `Trigger-Consent` (RFC 5360).
    pub const TRIGGER_CONSENT: Self = Self(131);
    /// `Unsupported` (RFC 3261).
    pub const UNSUPPORTED: Self = Self(132);
    /// `User-Agent` (RFC 3261).
    pub const USER_AGENT: Self = Self(133);
    /// `User-to-User` (RFC 7433).
    pub const USER_TO_USER: Self = Self(134);
    /// `Via`, compact `v` (RFC 3261).
    pub const VIA: Self = Self(135);
    /// `Warning` (RFC 3261).
    pub const WARNING: Self = Self(136);
    /// `WWW-Authenticate` (RFC 3261).
    pub const WWW_AUTHENTICATE: Self = Self(137);
}

/// What is known of each header field, by `HeaderId - 1`.
#[rustfmt::skip]
pub(super) const KNOWN: [Known; 137] = [
    Known { name: "Accept", begin: "Accept: ", compact: 0, kind: Kind::List },
    Known { name: "Accept-Contact", begin: "Accept-Contact: ", compact: b'a', kind: Kind::List },
    Known { name: "Accept-Encoding", begin: "Accept-Encoding: ", compact: 0, kind: Kind::List },
    Known { name: "Accept-Language", begin: "Accept-Language: ", compact: 0, kind: Kind::List },
    Known { name: "Accept-Resource-Priority", begin: "Accept-Resource-Priority: ", compact: 0, kind: Kind::List },
    Known { name: "Additional-Identity", begin: "Additional-Identity: ", compact: 0, kind: Kind::Many },
    Known { name: "Alert-Info", begin: "Alert-Info: ", compact: 0, kind: Kind::List },
    Known { name: "Allow", begin: "Allow: ", compact: 0, kind: Kind::List },
    Known { name: "Allow-Events", begin: "Allow-Events: ", compact: b'u', kind: Kind::List },
    Known { name: "AlertMsg-Error", begin: "AlertMsg-Error: ", compact: 0, kind: Kind::One },
    Known { name: "Answer-Mode", begin: "Answer-Mode: ", compact: 0, kind: Kind::One },
    Known { name: "Attestation-Info", begin: "Attestation-Info: ", compact: 0, kind: Kind::Many },
    Known { name: "Authentication-Info", begin: "Authentication-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Authorization", begin: "Authorization: ", compact: 0, kind: Kind::Many },
    Known { name: "Call-ID", begin: "Call-ID: ", compact: b'i', kind: Kind::One },
    Known { name: "Call-Info", begin: "Call-Info: ", compact: 0, kind: Kind::List },
    Known { name: "Cellular-Network-Info", begin: "Cellular-Network-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Contact", begin: "Contact: ", compact: b'm', kind: Kind::List },
    Known { name: "Content-Disposition", begin: "Content-Disposition: ", compact: 0, kind: Kind::One },
    Known { name: "Content-Encoding", begin: "Content-Encoding: ", compact: b'e', kind: Kind::List },
    Known { name: "Content-ID", begin: "Content-ID: ", compact: 0, kind: Kind::One },
    Known { name: "Content-Language", begin: "Content-Language: ", compact: 0, kind: Kind::List },
    Known { name: "Content-Length", begin: "Content-Length: ", compact: b'l', kind: Kind::One },
    Known { name: "Content-Type", begin: "Content-Type: ", compact: b'c', kind: Kind::One },
    Known { name: "CSeq", begin: "CSeq: ", compact: 0, kind: Kind::One },
    Known { name: "DC-Info", begin: "DC-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Date", begin: "Date: ", compact: 0, kind: Kind::One },
    Known { name: "Diversion", begin: "Diversion: ", compact: 0, kind: Kind::List },
    Known { name: "Encryption", begin: "Encryption: ", compact: 0, kind: Kind::Many },
    Known { name: "Error-Info", begin: "Error-Info: ", compact: 0, kind: Kind::List },
    Known { name: "Event", begin: "Event: ", compact: b'o', kind: Kind::One },
    Known { name: "Expires", begin: "Expires: ", compact: 0, kind: Kind::One },
    Known { name: "Feature-Caps", begin: "Feature-Caps: ", compact: 0, kind: Kind::List },
    Known { name: "Flow-Timer", begin: "Flow-Timer: ", compact: 0, kind: Kind::One },
    Known { name: "From", begin: "From: ", compact: b'f', kind: Kind::One },
    Known { name: "Geolocation", begin: "Geolocation: ", compact: 0, kind: Kind::List },
    Known { name: "Geolocation-Error", begin: "Geolocation-Error: ", compact: 0, kind: Kind::One },
    Known { name: "Geolocation-Routing", begin: "Geolocation-Routing: ", compact: 0, kind: Kind::One },
    Known { name: "Hide", begin: "Hide: ", compact: 0, kind: Kind::Many },
    Known { name: "History-Info", begin: "History-Info: ", compact: 0, kind: Kind::List },
    Known { name: "Identity", begin: "Identity: ", compact: b'y', kind: Kind::Many },
    Known { name: "Identity-Info", begin: "Identity-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Info-Package", begin: "Info-Package: ", compact: 0, kind: Kind::One },
    Known { name: "In-Reply-To", begin: "In-Reply-To: ", compact: 0, kind: Kind::List },
    Known { name: "Join", begin: "Join: ", compact: 0, kind: Kind::One },
    Known { name: "Max-Breadth", begin: "Max-Breadth: ", compact: 0, kind: Kind::One },
    Known { name: "Max-Forwards", begin: "Max-Forwards: ", compact: 0, kind: Kind::One },
    Known { name: "MIME-Version", begin: "MIME-Version: ", compact: 0, kind: Kind::One },
    Known { name: "Min-Expires", begin: "Min-Expires: ", compact: 0, kind: Kind::One },
    Known { name: "Min-SE", begin: "Min-SE: ", compact: 0, kind: Kind::One },
    Known { name: "Organization", begin: "Organization: ", compact: 0, kind: Kind::One },
    Known { name: "Origination-Id", begin: "Origination-Id: ", compact: 0, kind: Kind::One },
    Known { name: "P-Access-Network-Info", begin: "P-Access-Network-Info: ", compact: 0, kind: Kind::List },
    Known { name: "P-Answer-State", begin: "P-Answer-State: ", compact: 0, kind: Kind::One },
    Known { name: "P-Asserted-Identity", begin: "P-Asserted-Identity: ", compact: 0, kind: Kind::List },
    Known { name: "P-Asserted-Service", begin: "P-Asserted-Service: ", compact: 0, kind: Kind::List },
    Known { name: "P-Associated-URI", begin: "P-Associated-URI: ", compact: 0, kind: Kind::List },
    Known { name: "P-Called-Party-ID", begin: "P-Called-Party-ID: ", compact: 0, kind: Kind::One },
    Known { name: "P-Charge-Info", begin: "P-Charge-Info: ", compact: 0, kind: Kind::List },
    Known { name: "P-Charging-Function-Addresses", begin: "P-Charging-Function-Addresses: ", compact: 0, kind: Kind::One },
    Known { name: "P-Charging-Vector", begin: "P-Charging-Vector: ", compact: 0, kind: Kind::One },
    Known { name: "P-DCS-Trace-Party-ID", begin: "P-DCS-Trace-Party-ID: ", compact: 0, kind: Kind::One },
    Known { name: "P-DCS-OSPS", begin: "P-DCS-OSPS: ", compact: 0, kind: Kind::One },
    Known { name: "P-DCS-Billing-Info", begin: "P-DCS-Billing-Info: ", compact: 0, kind: Kind::One },
    Known { name: "P-DCS-LAES", begin: "P-DCS-LAES: ", compact: 0, kind: Kind::One },
    Known { name: "P-DCS-Redirect", begin: "P-DCS-Redirect: ", compact: 0, kind: Kind::One },
    Known { name: "P-Early-Media", begin: "P-Early-Media: ", compact: 0, kind: Kind::One },
    Known { name: "P-Media-Authorization", begin: "P-Media-Authorization: ", compact: 0, kind: Kind::List },
    Known { name: "P-Preferred-Identity", begin: "P-Preferred-Identity: ", compact: 0, kind: Kind::List },
    Known { name: "P-Preferred-Service", begin: "P-Preferred-Service: ", compact: 0, kind: Kind::List },
    Known { name: "P-Private-Network-Indication", begin: "P-Private-Network-Indication: ", compact: 0, kind: Kind::One },
    Known { name: "P-Profile-Key", begin: "P-Profile-Key: ", compact: 0, kind: Kind::One },
    Known { name: "P-Refused-URI-List", begin: "P-Refused-URI-List: ", compact: 0, kind: Kind::List },
    Known { name: "P-Served-User", begin: "P-Served-User: ", compact: 0, kind: Kind::One },
    Known { name: "P-User-Database", begin: "P-User-Database: ", compact: 0, kind: Kind::One },
    Known { name: "P-Visited-Network-ID", begin: "P-Visited-Network-ID: ", compact: 0, kind: Kind::List },
    Known { name: "Path", begin: "Path: ", compact: 0, kind: Kind::List },
    Known { name: "Permission-Missing", begin: "Permission-Missing: ", compact: 0, kind: Kind::List },
    Known { name: "Policy-Contact", begin: "Policy-Contact: ", compact: 0, kind: Kind::List },
    Known { name: "Policy-ID", begin: "Policy-ID: ", compact: 0, kind: Kind::One },
    Known { name: "Priority", begin: "Priority: ", compact: 0, kind: Kind::One },
    Known { name: "Priority-Share", begin: "Priority-Share: ", compact: 0, kind: Kind::One },
    Known { name: "Priority-Verstat", begin: "Priority-Verstat: ", compact: 0, kind: Kind::One },
    Known { name: "Priv-Answer-Mode", begin: "Priv-Answer-Mode: ", compact: 0, kind: Kind::One },
    Known { name: "Privacy", begin: "Privacy: ", compact: 0, kind: Kind::One },
    Known { name: "Proxy-Authenticate", begin: "Proxy-Authenticate: ", compact: 0, kind: Kind::Many },
    Known { name: "Proxy-Authentication-Info", begin: "Proxy-Authentication-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Proxy-Authorization", begin: "Proxy-Authorization: ", compact: 0, kind: Kind::Many },
    Known { name: "Proxy-Require", begin: "Proxy-Require: ", compact: 0, kind: Kind::List },
    Known { name: "RAck", begin: "RAck: ", compact: 0, kind: Kind::One },
    Known { name: "Reason", begin: "Reason: ", compact: 0, kind: Kind::List },
    Known { name: "Reason-Phrase", begin: "Reason-Phrase: ", compact: 0, kind: Kind::One },
    Known { name: "Record-Route", begin: "Record-Route: ", compact: 0, kind: Kind::List },
    Known { name: "Recv-Info", begin: "Recv-Info: ", compact: 0, kind: Kind::List },
    Known { name: "Refer-Events-At", begin: "Refer-Events-At: ", compact: 0, kind: Kind::One },
    Known { name: "Refer-Sub", begin: "Refer-Sub: ", compact: 0, kind: Kind::One },
    Known { name: "Refer-To", begin: "Refer-To: ", compact: b'r', kind: Kind::One },
    Known { name: "Referred-By", begin: "Referred-By: ", compact: b'b', kind: Kind::One },
    Known { name: "Reject-Contact", begin: "Reject-Contact: ", compact: b'j', kind: Kind::List },
    Known { name: "Relayed-Charge", begin: "Relayed-Charge: ", compact: 0, kind: Kind::One },
    Known { name: "Remote-Party-ID", begin: "Remote-Party-ID: ", compact: 0, kind: Kind::List },
    Known { name: "Replaces", begin: "Replaces: ", compact: 0, kind: Kind::One },
    Known { name: "Reply-To", begin: "Reply-To: ", compact: 0, kind: Kind::One },
    Known { name: "Request-Disposition", begin: "Request-Disposition: ", compact: b'd', kind: Kind::List },
    Known { name: "Require", begin: "Require: ", compact: 0, kind: Kind::List },
    Known { name: "Resource-Priority", begin: "Resource-Priority: ", compact: 0, kind: Kind::List },
    Known { name: "Resource-Share", begin: "Resource-Share: ", compact: 0, kind: Kind::One },
    Known { name: "Response-Key", begin: "Response-Key: ", compact: 0, kind: Kind::Many },
    Known { name: "Response-Source", begin: "Response-Source: ", compact: 0, kind: Kind::One },
    Known { name: "Restoration-Info", begin: "Restoration-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Retry-After", begin: "Retry-After: ", compact: 0, kind: Kind::One },
    Known { name: "Route", begin: "Route: ", compact: 0, kind: Kind::List },
    Known { name: "RSeq", begin: "RSeq: ", compact: 0, kind: Kind::One },
    Known { name: "Security-Client", begin: "Security-Client: ", compact: 0, kind: Kind::List },
    Known { name: "Security-Server", begin: "Security-Server: ", compact: 0, kind: Kind::List },
    Known { name: "Security-Verify", begin: "Security-Verify: ", compact: 0, kind: Kind::List },
    Known { name: "Server", begin: "Server: ", compact: 0, kind: Kind::One },
    Known { name: "Service-Interact-Info", begin: "Service-Interact-Info: ", compact: 0, kind: Kind::One },
    Known { name: "Service-Route", begin: "Service-Route: ", compact: 0, kind: Kind::List },
    Known { name: "Session-Expires", begin: "Session-Expires: ", compact: b'x', kind: Kind::One },
    Known { name: "Session-ID", begin: "Session-ID: ", compact: 0, kind: Kind::One },
    Known { name: "SIP-ETag", begin: "SIP-ETag: ", compact: 0, kind: Kind::One },
    Known { name: "SIP-If-Match", begin: "SIP-If-Match: ", compact: 0, kind: Kind::One },
    Known { name: "Subject", begin: "Subject: ", compact: b's', kind: Kind::One },
    Known { name: "Subscription-State", begin: "Subscription-State: ", compact: 0, kind: Kind::One },
    Known { name: "Supported", begin: "Supported: ", compact: b'k', kind: Kind::List },
    Known { name: "Suppress-If-Match", begin: "Suppress-If-Match: ", compact: 0, kind: Kind::One },
    Known { name: "Target-Dialog", begin: "Target-Dialog: ", compact: 0, kind: Kind::One },
    Known { name: "Timestamp", begin: "Timestamp: ", compact: 0, kind: Kind::One },
    Known { name: "To", begin: "To: ", compact: b't', kind: Kind::One },
    Known { name: "Trigger-Consent", begin: "Trigger-Consent: ", compact: 0, kind: Kind::List },
    Known { name: "Unsupported", begin: "Unsupported: ", compact: 0, kind: Kind::List },
    Known { name: "User-Agent", begin: "User-Agent: ", compact: 0, kind: Kind::One },
    Known { name: "User-to-User", begin: "User-to-User: ", compact: 0, kind: Kind::List },
    Known { name: "Via", begin: "Via: ", compact: b'v', kind: Kind::List },
    Known { name: "Warning", begin: "Warning: ", compact: 0, kind: Kind::List },
    Known { name: "WWW-Authenticate", begin: "WWW-Authenticate: ", compact: 0, kind: Kind::Many },
];

/// The first sixteen letters of each name, small.
#[rustfmt::skip]
pub(super) static LOWER: [[u8; 16]; 137] = [
    *b"accept\0\0\0\0\0\0\0\0\0\0",
    *b"accept-contact\0\0",
    *b"accept-encoding\0",
    *b"accept-language\0",
    *b"accept-resource-",
    *b"additional-ident",
    *b"alert-info\0\0\0\0\0\0",
    *b"allow\0\0\0\0\0\0\0\0\0\0\0",
    *b"allow-events\0\0\0\0",
    *b"alertmsg-error\0\0",
    *b"answer-mode\0\0\0\0\0",
    *b"attestation-info",
    *b"authentication-i",
    *b"authorization\0\0\0",
    *b"call-id\0\0\0\0\0\0\0\0\0",
    *b"call-info\0\0\0\0\0\0\0",
    *b"cellular-network",
    *b"contact\0\0\0\0\0\0\0\0\0",
    *b"content-disposit",
    *b"content-encoding",
    *b"content-id\0\0\0\0\0\0",
    *b"content-language",
    *b"content-length\0\0",
    *b"content-type\0\0\0\0",
    *b"cseq\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"dc-info\0\0\0\0\0\0\0\0\0",
    *b"date\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"diversion\0\0\0\0\0\0\0",
    *b"encryption\0\0\0\0\0\0",
    *b"error-info\0\0\0\0\0\0",
    *b"event\0\0\0\0\0\0\0\0\0\0\0",
    *b"expires\0\0\0\0\0\0\0\0\0",
    *b"feature-caps\0\0\0\0",
    *b"flow-timer\0\0\0\0\0\0",
    *b"from\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"geolocation\0\0\0\0\0",
    *b"geolocation-erro",
    *b"geolocation-rout",
    *b"hide\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"history-info\0\0\0\0",
    *b"identity\0\0\0\0\0\0\0\0",
    *b"identity-info\0\0\0",
    *b"info-package\0\0\0\0",
    *b"in-reply-to\0\0\0\0\0",
    *b"join\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"max-breadth\0\0\0\0\0",
    *b"max-forwards\0\0\0\0",
    *b"mime-version\0\0\0\0",
    *b"min-expires\0\0\0\0\0",
    *b"min-se\0\0\0\0\0\0\0\0\0\0",
    *b"organization\0\0\0\0",
    *b"origination-id\0\0",
    *b"p-access-network",
    *b"p-answer-state\0\0",
    *b"p-asserted-ident",
    *b"p-asserted-servi",
    *b"p-associated-uri",
    *b"p-called-party-i",
    *b"p-charge-info\0\0\0",
    *b"p-charging-funct",
    *b"p-charging-vecto",
    *b"p-dcs-trace-part",
    *b"p-dcs-osps\0\0\0\0\0\0",
    *b"p-dcs-billing-in",
    *b"p-dcs-laes\0\0\0\0\0\0",
    *b"p-dcs-redirect\0\0",
    *b"p-early-media\0\0\0",
    *b"p-media-authoriz",
    *b"p-preferred-iden",
    *b"p-preferred-serv",
    *b"p-private-networ",
    *b"p-profile-key\0\0\0",
    *b"p-refused-uri-li",
    *b"p-served-user\0\0\0",
    *b"p-user-database\0",
    *b"p-visited-networ",
    *b"path\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"permission-missi",
    *b"policy-contact\0\0",
    *b"policy-id\0\0\0\0\0\0\0",
    *b"priority\0\0\0\0\0\0\0\0",
    *b"priority-share\0\0",
    *b"priority-verstat",
    *b"priv-answer-mode",
    *b"privacy\0\0\0\0\0\0\0\0\0",
    *b"proxy-authentica",
    *b"proxy-authentica",
    *b"proxy-authorizat",
    *b"proxy-require\0\0\0",
    *b"rack\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"reason\0\0\0\0\0\0\0\0\0\0",
    *b"reason-phrase\0\0\0",
    *b"record-route\0\0\0\0",
    *b"recv-info\0\0\0\0\0\0\0",
    *b"refer-events-at\0",
    *b"refer-sub\0\0\0\0\0\0\0",
    *b"refer-to\0\0\0\0\0\0\0\0",
    *b"referred-by\0\0\0\0\0",
    *b"reject-contact\0\0",
    *b"relayed-charge\0\0",
    *b"remote-party-id\0",
    *b"replaces\0\0\0\0\0\0\0\0",
    *b"reply-to\0\0\0\0\0\0\0\0",
    *b"request-disposit",
    *b"require\0\0\0\0\0\0\0\0\0",
    *b"resource-priorit",
    *b"resource-share\0\0",
    *b"response-key\0\0\0\0",
    *b"response-source\0",
    *b"restoration-info",
    *b"retry-after\0\0\0\0\0",
    *b"route\0\0\0\0\0\0\0\0\0\0\0",
    *b"rseq\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"security-client\0",
    *b"security-server\0",
    *b"security-verify\0",
    *b"server\0\0\0\0\0\0\0\0\0\0",
    *b"service-interact",
    *b"service-route\0\0\0",
    *b"session-expires\0",
    *b"session-id\0\0\0\0\0\0",
    *b"sip-etag\0\0\0\0\0\0\0\0",
    *b"sip-if-match\0\0\0\0",
    *b"subject\0\0\0\0\0\0\0\0\0",
    *b"subscription-sta",
    *b"supported\0\0\0\0\0\0\0",
    *b"suppress-if-matc",
    *b"target-dialog\0\0\0",
    *b"timestamp\0\0\0\0\0\0\0",
    *b"to\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"trigger-consent\0",
    *b"unsupported\0\0\0\0\0",
    *b"user-agent\0\0\0\0\0\0",
    *b"user-to-user\0\0\0\0",
    *b"via\0\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"warning\0\0\0\0\0\0\0\0\0",
    *b"www-authenticate",
];

/// Spreads the keys of all names over [`SLOTS`] without a collision.
pub(super) const MULTIPLIER: u32 = 0x27507af5;
/// How far to shift a multiplied key to get its slot.
pub(super) const SHIFT: u32 = 22;

/// The id in each slot, 0 where there is none.
#[rustfmt::skip]
pub(super) static SLOTS: [u8; 1024] = [
    12,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,43,0,0,0,65,0,0,0,0,0,0,22,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,39,0,0,0,0,0,0,0,0,0,0,0,71,0,0,0,0,0,0,0,89,
    0,0,0,0,0,0,0,0,0,98,0,0,0,0,0,0,106,0,78,0,0,0,0,0,0,0,0,0,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,130,0,0,0,0,0,0,0,0,83,1,0,0,0,0,0,0,0,0,0,127,0,
    0,0,0,0,0,54,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,14,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,55,0,0,100,0,0,0,133,0,0,0,0,0,0,0,
    0,0,0,116,0,0,0,0,0,0,0,0,103,0,0,0,0,0,0,0,0,81,0,105,0,0,0,0,0,0,0,0,
    0,0,0,0,0,35,91,0,0,0,0,0,0,0,0,115,0,0,0,0,0,0,0,0,0,0,4,0,0,0,52,0,
    0,0,49,0,0,0,0,0,0,0,0,7,0,0,0,0,0,0,0,0,0,0,40,0,0,0,0,0,0,0,62,0,
    0,0,0,99,0,0,0,0,0,0,0,0,0,59,0,0,0,72,0,6,0,0,31,0,0,0,0,128,0,88,93,29,
    0,0,0,0,102,0,0,0,0,0,0,0,0,0,0,69,0,0,0,0,0,0,0,0,0,0,42,0,0,0,0,0,
    0,110,10,0,0,0,0,0,0,0,0,0,123,0,57,0,0,0,0,0,20,125,8,0,0,0,0,0,0,0,0,0,
    0,0,74,0,0,68,87,0,0,70,0,0,0,0,0,0,0,0,0,137,0,0,0,0,109,0,129,0,0,0,0,0,
    0,0,0,0,117,0,0,0,0,0,0,0,104,0,0,0,0,0,101,0,0,0,0,0,0,0,0,0,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,0,0,0,94,0,0,0,0,0,0,0,0,0,0,0,0,64,0,0,0,0,
    0,0,0,0,0,0,0,17,135,0,0,0,0,0,0,0,0,0,0,0,0,0,121,0,0,0,0,0,0,0,0,0,
    0,0,0,0,0,0,0,92,44,126,0,0,0,0,0,0,0,0,30,0,0,0,0,0,0,0,84,0,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,63,0,0,0,0,0,0,0,77,0,0,0,15,0,26,0,
    53,0,0,51,47,0,0,0,0,0,0,0,0,0,108,82,0,0,0,3,0,0,0,0,0,0,0,0,0,0,136,0,
    0,0,0,0,134,0,0,107,75,76,0,0,0,33,0,0,0,0,0,0,0,0,0,66,0,13,0,0,0,0,113,0,
    0,0,0,0,0,80,0,0,0,0,0,0,0,0,0,0,11,0,0,0,0,0,73,0,0,95,0,0,0,37,0,79,
    0,131,0,18,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,119,0,0,0,0,0,0,0,0,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,19,0,0,85,0,0,0,118,0,0,0,0,0,0,0,0,
    0,0,0,0,0,122,0,46,0,0,0,0,120,0,0,0,0,16,0,0,0,0,0,0,0,0,0,0,0,0,0,90,
    56,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
    0,27,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,111,0,28,0,0,0,0,0,0,67,0,
    0,0,0,0,0,112,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,97,0,0,0,0,0,0,
    0,0,0,114,0,0,36,48,0,0,0,0,0,0,45,0,0,50,0,0,9,0,0,0,0,24,0,0,0,0,60,0,
    0,0,0,0,0,0,0,0,0,61,38,124,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,23,0,0,0,
    0,25,0,0,0,0,0,0,0,0,0,0,32,0,0,0,58,0,0,132,0,0,0,0,0,0,0,0,0,0,0,0,
    0,0,2,86,0,0,0,0,0,0,96,0,5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,41,
    0,0,0,0,0,0,0,0,34,0,0,21,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
];
