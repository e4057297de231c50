//! Phones that ask to be woken by push notifications (RFC 8599), by the messages.

mod desk;

use desk::{Desk, expect, values};
use ringback_message::HeaderId;
use ringback_registrar::{PushPolicy, PushService, Refusal};

fn desk() -> Desk {
    Desk::with(|config| {
        let service = |name: &str, vapid: Option<&str>| PushService {
            name: name.into(),
            vapid: vapid.map(str::to_owned),
        };
        let services = vec![service("apns", None), service("webpush", Some("BEl6"))];
        config.push = Some(PushPolicy { services, own_refresh: Some(120) });
    })
}

fn contact(params: &str) -> String {
    format!("Contact: <sip:bob@192.0.2.4{params}>")
}

#[test]
fn rfc_8599_5_4_who_asks_for_a_service_is_told_that_it_is_there() {
    for (lines, told) in [
        (contact(";pn-provider=apns;pn-param=AB.example;pn-prid=x"), vec!["*;+sip.pns=\"apns\""]),
        (contact(";pn-provider=APNS;pn-prid=x"), vec!["*;+sip.pns=\"apns\""]),
        (contact(";pn-provider=webpush;pn-prid=x"), vec!["*;+sip.pns=\"webpush\";+sip.vapid=\"BEl6\""]),
        // §4.1.5: one who asks which there are.
        (contact(";pn-provider"), vec!["*;+sip.pns=\"apns\"", "*;+sip.pns=\"webpush\";+sip.vapid=\"BEl6\""]),
        // §4.1.4: one who wakes by himself is told when to do so.
        (
            contact(";pn-provider=apns;pn-prid=x") + ";+sip.pnsreg",
            vec!["*;+sip.pns=\"apns\";+sip.pnsreg=\"120\""],
        ),
        (contact(""), vec![]),
        (String::new(), vec![]),
    ] {
        let response = desk().register("a", 1, &lines);
        assert_eq!(response.status().as_u16(), 200, "{lines}");
        assert_eq!(values(&response, HeaderId::FEATURE_CAPS), told, "{lines}");
    }
}

#[test]
fn rfc_8599_8_1_a_service_that_is_not_there_is_555() {
    let mut desk = desk();
    let response = desk.register("a", 1, &contact(";pn-provider=fcm;pn-prid=x"));
    expect(&response, 555, &[]);
    assert_eq!(response.reason(), b"Push Notification Service Not Supported");
    assert_eq!(desk.refusal, Some(Refusal::PushService));
    for too_little in [";pn-provider=apns", ";pn-provider=apns;pn-prid=", ";pn-provider=apns;pn-prid=a%00"] {
        expect(&desk.register("a", 1, &contact(too_little)), 400, &[]);
        assert_eq!(desk.refusal, Some(Refusal::Push), "{too_little}");
    }
    assert!(desk.registrar.locations().is_empty());
    // What is to end may end, whatever it says.
    expect(&desk.register("a", 2, &(contact(";pn-provider=fcm;pn-prid=x") + ";expires=0")), 200, &[]);
}

#[test]
fn without_push_the_parameters_are_anybodys() {
    let mut desk = Desk::new();
    let uri = "<sip:bob@192.0.2.4;pn-provider=fcm;pn-prid=x>;expires=3600";
    let response = desk.register("a", 1, &contact(";pn-provider=fcm;pn-prid=x"));
    expect(&response, 200, &[uri]);
    assert!(values(&response, HeaderId::FEATURE_CAPS).is_empty());
}

#[test]
fn a_device_that_wakes_up_elsewhere_is_still_one_device() {
    let mut desk = desk();
    let params = ";pn-provider=apns;pn-prid=x";
    for (cseq, port) in [(1, 5_000), (2, 5_001)] {
        desk.register("a", cseq, &format!("Contact: <sip:bob@192.0.2.4:{port}{params}>"));
    }
    assert_eq!(desk.contacts(), [format!("sip:bob@192.0.2.4:5001{params}")]);
    // An older request of the same registration does not put it back.
    expect(&desk.register("a", 1, &format!("Contact: <sip:bob@192.0.2.4:5000{params}>")), 500, &[]);
    desk.register("b", 1, "Contact: <sip:bob@192.0.2.4:5002;pn-provider=apns;pn-prid=y>");
    assert_eq!(desk.contacts().len(), 2);
    // §4.1.2: the same contact without them is no longer woken.
    desk.register("a", 3, "Contact: <sip:bob@192.0.2.4:5001>");
    assert_eq!(
        desk.contacts(),
        ["sip:bob@192.0.2.4:5001".to_owned(), "sip:bob@192.0.2.4:5002;pn-provider=apns;pn-prid=y".into()]
    );
}
